//! The broker inside `hil`: the crate `mqtt5`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use hil_scratch::Scratch;
use mqtt5::broker::auth::{AuthProvider, AuthResult};
use mqtt5::broker::config::{StorageBackend, StorageConfig};
use mqtt5::broker::{BrokerConfig, BrokerShutdownHandle, MqttBroker};
use mqtt5_protocol::packet::connect::ConnectPacket;
use mqtt5_protocol::protocol::v5::reason_codes::ReasonCode;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::{Access, Acl, Broker, BrokerError, LogSink, Settings, WillWindow};
use crate::client_id::ClientIds;
use crate::endpoint::{Endpoint, Offers};
use hil_config::BrokerKind;

/// What a bench file has that names no broker.
pub(super) const KIND: &BrokerKind = BrokerKind::DEFAULT;

/// The broker of a bench file.
pub(super) fn open(config: &hil_config::Broker, _: LogSink) -> Result<Box<dyn Broker>, BrokerError> {
    Ok(Box::new(Embedded::new(config.listen, Settings::of(config)?)))
}

/// An embedded broker: MQTT 3.1.1 and 5 on one port. The tap adds TLS and WebSocket.
pub struct Embedded {
    address: Option<SocketAddr>,
    settings: Settings,
    running: Option<Running>,
    /// Where it stores what must survive a restart.
    store: Option<Scratch>,
    ids: ClientIds,
    died: watch::Sender<Option<String>>,
}

/// How long a broker may take to close its connections; measured: 0.4 ms.
const STOP: Duration = Duration::from_secs(5);

struct Running {
    /// Dropped to request a stop.
    stop: Option<oneshot::Sender<()>>,
    shutdown: BrokerShutdownHandle,
    task: JoinHandle<()>,
    offers: Offers,
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let running = self.running.is_some();
        f.debug_struct("Embedded").field("address", &self.address).field("running", &running).finish_non_exhaustive()
    }
}

impl Embedded {
    /// A broker that listens on this address; port 0 takes a free port at the first start and keeps it.
    #[must_use]
    pub fn new(listen: SocketAddr, settings: Settings) -> Self {
        let died = watch::Sender::new(None);
        Self { address: Some(listen), settings, running: None, store: None, ids: ClientIds::default(), died }
    }

    fn config(&mut self, address: SocketAddr) -> Result<BrokerConfig, BrokerError> {
        let storage = StorageConfig::new().with_persistence(true);
        let storage = if self.settings.persistence {
            storage.with_backend(StorageBackend::File).with_base_dir(self.store()?.to_owned())
        } else {
            storage.with_backend(StorageBackend::Memory)
        };
        let config = BrokerConfig::default()
            .with_bind_address(address)
            .with_storage(storage)
            .with_sys_topics_enabled(true)
            .with_sys_topics_interval(Duration::from_secs(1))
            // The default of 10,000 silently drops bursts at QoS 0.
            .with_client_channel_capacity(2_000_000);
        Ok(match self.settings.max_connections {
            // The observer is one of the clients.
            Some(most) => config.with_max_clients(usize::try_from(most).unwrap_or(usize::MAX).saturating_add(1)),
            None => config,
        })
    }

    fn store(&mut self) -> Result<&std::path::Path, BrokerError> {
        if self.store.is_none() {
            let made = Scratch::new("broker");
            let failed = |source| BrokerError::File { path: std::env::temp_dir(), source };
            self.store = Some(made.map_err(failed)?);
        }
        Ok(self.store.as_ref().map_or(std::path::Path::new(""), Scratch::path))
    }

    async fn run(&mut self) -> Result<Offers, BrokerError> {
        if let Some(running) = &self.running {
            return Ok(running.offers.clone());
        }
        let wanted = self.address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        let failed = |reason: String| BrokerError::Listen { address: wanted, reason };
        if wanted.port() != 0 {
            // Bound first to get the system's own error: the library wraps it in advice that does not apply here.
            std::net::TcpListener::bind(wanted).map_err(|error| failed(error.to_string()))?;
        }
        let config = self.config(wanted)?;
        let mut broker = MqttBroker::with_config(config).await.map_err(|error| failed(error.to_string()))?;
        let authenticator = Authenticator::new(&self.settings, self.ids.clone());
        let observer_login = authenticator.observer.clone();
        if !authenticator.is_open() {
            broker = broker.with_auth_provider(Arc::new(authenticator));
        }
        let address = broker.local_addr().ok_or_else(|| failed("it reports no address".to_owned()))?;
        let shutdown = broker.shutdown_handle();
        let mut ready = broker.ready_receiver();
        let (stop, mut stop_requested) = oneshot::channel::<()>();
        let died = self.died.clone();
        died.send_replace(None);
        let task = tokio::spawn(async move {
            let ended = broker.run().await;
            if stop_requested.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
                let how = ended.err().map_or_else(|| "the broker gave no reason".to_owned(), |error| error.to_string());
                died.send_replace(Some(how));
            }
        });
        ready.wait_for(|ready| *ready).await.map_err(|_| failed("it exited at once".to_owned()))?;
        self.address = Some(address);
        let endpoint = Endpoint::from(address);
        let boards = vec![Endpoint { embedded: Some(self.ids.clone()), ..endpoint.clone() }];
        let offers = Offers { observer: endpoint, observer_login: Some(observer_login), boards };
        self.running = Some(Running { stop: Some(stop), shutdown, task, offers: offers.clone() });
        Ok(offers)
    }
}

impl Broker for Embedded {
    fn start(&mut self) -> BoxFuture<'_, Result<Offers, BrokerError>> {
        Box::pin(self.run())
    }

    fn stop(&mut self) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async move {
            if let Some(Running { shutdown, mut task, stop, .. }) = self.running.take() {
                drop(stop);
                shutdown.shutdown();
                // A broker that panicked has stopped as well; one that hangs is aborted.
                if tokio::time::timeout(STOP, &mut task).await.is_err() {
                    task.abort();
                }
            }
            Ok(())
        })
    }

    fn settings(&mut self) -> Result<&mut Settings, BrokerError> {
        Ok(&mut self.settings)
    }

    fn died(&self) -> watch::Receiver<Option<String>> {
        self.died.subscribe()
    }

    /// It checks keep alives precisely, at 1.5 times the interval (MQTT 3.1.1 §3.1.2.10): measured ± 0.02 s.
    fn will_window(&self, keep_alive: Duration) -> WillWindow {
        const TOLERANCE: Duration = Duration::from_millis(500);
        let due = keep_alive * 3 / 2;
        WillWindow {
            not_before: due.saturating_sub(TOLERANCE),
            not_after: due + TOLERANCE,
            early: TOLERANCE,
            late: TOLERANCE,
        }
    }

    fn kind(&self) -> &'static BrokerKind {
        KIND
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Some(Running { shutdown, task, stop, .. }) = self.running.take() {
            drop(stop);
            shutdown.shutdown();
            task.abort();
        }
    }
}

/// Authenticates users and authorizes their topics. The observer has a random user name and password of its own.
struct Authenticator {
    users: BTreeMap<String, String>,
    acl: Option<Acl>,
    ids: ClientIds,
    observer: (String, String),
}

impl Authenticator {
    fn new(settings: &Settings, ids: ClientIds) -> Self {
        let secret = || super::settings::random_secret();
        let observer = (format!("hil-{}", secret()), secret());
        Self { users: settings.users.clone(), acl: settings.acl.clone(), ids, observer }
    }

    /// No users and no ACL: every client may do everything.
    fn is_open(&self) -> bool {
        self.users.is_empty() && self.acl.is_none()
    }

    fn authenticate_user(&self, user: Option<&str>, password: Option<&[u8]>) -> AuthResult {
        let is = |expected: &str| password == Some(expected.as_bytes());
        match user {
            Some(user) if user == self.observer.0 && is(&self.observer.1) => AuthResult::success_with_user(user),
            Some(user) if self.users.is_empty() => AuthResult::success_with_user(user),
            None if self.users.is_empty() => AuthResult::success(),
            Some(user) if self.users.get(user).is_some_and(|expected| is(expected)) => {
                AuthResult::success_with_user(user)
            }
            // Like Mosquitto, it answers the same for an unknown user and a wrong password.
            _ => AuthResult::fail(ReasonCode::NotAuthorized),
        }
    }

    fn allows(&self, client_id: &str, user: Option<&str>, topic: &str, wanted: Access) -> bool {
        let is_observer = user == Some(&self.observer.0);
        is_observer || self.acl.as_ref().is_none_or(|acl| acl.allows(user, &self.ids.id(client_id), topic, wanted))
    }
}

impl AuthProvider for Authenticator {
    fn authenticate<'a>(
        &'a self,
        connect: &'a ConnectPacket,
        _: SocketAddr,
    ) -> BoxFuture<'a, mqtt5::error::Result<AuthResult>> {
        let result = self.authenticate_user(connect.username.as_deref(), connect.password.as_deref());
        Box::pin(async move { Ok(result) })
    }

    fn authorize_publish<'a>(&'a self, client_id: &str, user: Option<&'a str>, topic: &'a str) -> BoxFuture<'a, bool> {
        let allowed = self.allows(client_id, user, topic, Access::Write);
        Box::pin(async move { allowed })
    }

    fn authorize_subscribe<'a>(
        &'a self,
        client_id: &str,
        user: Option<&'a str>,
        filter: &'a str,
    ) -> BoxFuture<'a, bool> {
        let allowed = self.allows(client_id, user, filter, Access::Read);
        Box::pin(async move { allowed })
    }
}
