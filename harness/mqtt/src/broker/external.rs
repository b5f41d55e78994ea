//! A broker that `hil` neither starts nor stops.

use std::time::Duration;

use futures::future::BoxFuture;
use hil_config::{BrokerCapabilities, BrokerKind, BrokerUrl};
use tokio::sync::watch;

use super::{Broker, BrokerError, LogSink, Settings, WillWindow};
use crate::endpoint::{Endpoint, Offers, Transport};
use hil_tls::{TlsIdentity, check_validity};

/// A broker that exists already and outlives the run.
pub(super) const KIND: &BrokerKind = &BrokerKind {
    word: "external",
    doc: "one that already runs and is left running",
    refuses: &["listen", "users", "acl", "max-connections", "persistence", "websocket", "config"],
    requires: &[("url", BrokerUrl::HINT)],
    tls_needs_files: false,
    can: BrokerCapabilities {
        stop: false,
        crash: false,
        pause: false,
        configure: false,
        in_process: false,
        outlives_scenarios: true,
    },
};

/// The broker of a bench file.
pub(super) fn open(config: &hil_config::Broker, _: LogSink) -> Result<Box<dyn Broker>, BrokerError> {
    Ok(Box::new(External::new(config)?))
}

/// An external broker, such as EMQX, a cloud service or a colleague's broker.
#[derive(Debug)]
pub struct External {
    endpoint: Endpoint,
    login: Option<(String, String)>,
    died: watch::Sender<Option<String>>,
}

impl External {
    /// The broker of a bench file.
    ///
    /// # Errors
    /// When a certificate can't be used.
    pub fn new(config: &hil_config::Broker) -> Result<Self, BrokerError> {
        // The bench file is rejected without a URL.
        let url = config.url.clone().unwrap_or(BrokerUrl {
            scheme: "mqtt".to_owned(),
            host: "localhost".to_owned(),
            port: 1883,
            path: String::new(),
        });
        let transport = [Transport::Tcp, Transport::Tls, Transport::WebSocket, Transport::SecureWebSocket]
            .into_iter()
            .find(|transport| transport.scheme() == url.scheme)
            .unwrap_or(Transport::Tcp);
        let identity = config.tls.identity.clone().map(|(cert, key)| TlsIdentity { cert, key });
        for file in identity.iter().map(|identity| &identity.cert).chain(&config.tls.ca) {
            check_validity(file)?;
        }
        let ca = config.tls.ca.clone();
        let (host, port, path) = (url.host, url.port, url.path);
        let endpoint = Endpoint { host, port, transport, path, ca, identity, embedded: None };
        endpoint.tls()?;
        Ok(Self { endpoint, login: config.login.clone(), died: watch::Sender::new(None) })
    }

    fn unsupported<T>(&self, what: &'static str) -> Result<T, BrokerError> {
        Err(BrokerError::Unsupported { kind: self.kind().word, what })
    }
}

impl Broker for External {
    fn start(&mut self) -> BoxFuture<'_, Result<Offers, BrokerError>> {
        Box::pin(async {
            let unreachable = |reason| BrokerError::Unreachable { url: self.endpoint.to_string(), reason };
            self.endpoint.connect().await.map_err(unreachable)?;
            Ok(Offers {
                observer: self.endpoint.clone(),
                observer_login: self.login.clone(),
                boards: vec![self.endpoint.clone()],
            })
        })
    }

    fn stop(&mut self) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async { self.unsupported("be stopped or started") })
    }

    fn settings(&mut self) -> Result<&mut Settings, BrokerError> {
        self.unsupported("be configured")
    }

    fn discard(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn died(&self) -> watch::Receiver<Option<String>> {
        self.died.subscribe()
    }

    /// How often it checks is unknown: not before one keep alive, and at the latest 10 s after 1.5 keep alives.
    fn will_window(&self, keep_alive: Duration) -> WillWindow {
        const LATE: Duration = Duration::from_secs(10);
        WillWindow {
            not_before: keep_alive,
            not_after: keep_alive * 3 / 2 + LATE,
            early: Duration::from_secs(2),
            late: LATE,
        }
    }

    fn kind(&self) -> &'static BrokerKind {
        KIND
    }
}
