//! Mosquitto as a child process.

mod child;
mod config;
mod passwords;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::BoxFuture;
use hil_scratch::Scratch;
use rustix::process::Signal;
use tokio::sync::watch;

use self::child::{Child, StartFailure};
use self::config::{Listeners, Own};
use super::{Broker, BrokerError, LogSink, Settings, WillWindow};
use crate::endpoint::{Endpoint, Offers, Transport};
use hil_config::{BrokerCapabilities, BrokerKind};
use hil_tls::check_validity;

/// The `mosquitto` program, started by `hil`.
pub(super) const KIND: &BrokerKind = &BrokerKind {
    word: "mosquitto",
    doc: "the program, a new one with an empty store for each scenario",
    refuses: &["url"],
    requires: &[],
    tls_needs_files: true,
    can: BrokerCapabilities {
        stop: true,
        crash: true,
        pause: true,
        configure: true,
        in_process: false,
        outlives_scenarios: false,
    },
};

/// The broker of a bench file.
pub(super) fn open(config: &hil_config::Broker, log: LogSink) -> Result<Box<dyn Broker>, BrokerError> {
    Ok(Box::new(Mosquitto::new(config, log)?))
}

/// A managed Mosquitto: it runs with a generated configuration in an empty folder of its own.
pub struct Mosquitto {
    program: PathBuf,
    listen: SocketAddr,
    websocket: bool,
    settings: Settings,
    own: Option<Own>,
    login: Option<(String, String)>,
    log: LogSink,
    folder: Scratch,
    listeners: Option<Listeners>,
    child: Option<Child>,
    died: watch::Sender<Option<String>>,
}

impl std::fmt::Debug for Mosquitto {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mosquitto").field("program", &self.program).finish_non_exhaustive()
    }
}

/// How often to retry with other free ports: another program may take one in the meantime.
const ATTEMPTS: usize = 5;

/// The program: set by `HIL_MOSQUITTO`, on the path, or where Debian installs it.
///
/// # Errors
/// When there is none.
pub fn find_program() -> Result<PathBuf, BrokerError> {
    let found = hil_config::find_program("mosquitto", hil_config::HIL_MOSQUITTO, &["/usr/sbin", "/usr/local/sbin"]);
    found.map_err(|program| BrokerError::NotInstalled { program })
}

impl Mosquitto {
    /// The broker of a bench file.
    ///
    /// # Errors
    /// When the program is not installed, or a file can't be used.
    pub fn new(config: &hil_config::Broker, log: LogSink) -> Result<Self, BrokerError> {
        let program = find_program()?;
        let made = Scratch::new("mosquitto");
        let folder = made.map_err(|source| BrokerError::File { path: std::env::temp_dir(), source })?;
        let settings = Settings::of(config)?;
        let own = config.config.as_deref().map(Own::read).transpose()?;
        Ok(Self {
            program,
            listen: config.listen,
            websocket: config.websocket,
            settings,
            own,
            login: config.login.clone(),
            log,
            folder,
            listeners: None,
            child: None,
            died: watch::Sender::new(None),
        })
    }

    async fn run(&mut self) -> Result<Offers, BrokerError> {
        if self.child.is_none() {
            if let Some((identity, ca)) = &self.settings.tls {
                check_validity(&identity.cert)?;
                check_validity(ca)?;
            }
            self.died.send_replace(None);
            self.child = Some(self.launch().await?);
        }
        Ok(self.offers())
    }

    async fn launch(&mut self) -> Result<Child, BrokerError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let (listeners, chosen) = match &self.listeners {
                Some(listeners) if self.covers(listeners) => (listeners.clone(), false),
                _ => (self.choose_listeners()?, true),
            };
            let path = self.write_config(&listeners)?;
            match Child::start(&self.program, &path, self.log.clone(), self.died.clone()).await {
                Ok(child) => {
                    self.listeners = Some(listeners);
                    return Ok(child);
                }
                Err(StartFailure::AddressInUse | StartFailure::WebSocketListener { .. })
                    if chosen && attempt < ATTEMPTS && self.listen.port() == 0 => {}
                Err(failure @ StartFailure::AddressInUse) => {
                    return Err(BrokerError::Listen { address: listeners.plain, reason: failure.to_string() });
                }
                Err(failure) => return Err(BrokerError::Start { reason: failure.to_string() }),
            }
        }
    }

    fn covers(&self, listeners: &Listeners) -> bool {
        listeners.tls.is_some() == self.settings.tls.is_some() && listeners.websocket.is_some() == self.websocket
    }

    /// Free ports; those of an earlier start are reused.
    fn choose_listeners(&self) -> Result<Listeners, BrokerError> {
        let earlier = self.listeners.as_ref();
        let free = |ip: IpAddr| {
            let address = SocketAddr::new(ip, 0);
            let listener = TcpListener::bind(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
            listener.map_err(|error| BrokerError::Listen { address, reason: error.to_string() })
        };
        // All are held open until the choice is complete, so that no two are the same.
        let mut held = Vec::new();
        let mut next = |ip: IpAddr, known: Option<SocketAddr>| match known {
            Some(known) => Ok(known),
            None => free(ip).map(|(address, listener)| {
                held.push(listener);
                address
            }),
        };
        let fixed = (self.listen.port() != 0).then_some(self.listen);
        let own = self.own.as_ref().and_then(|own| own.listener);
        let plain = next(self.listen.ip(), own.or(fixed).or(earlier.map(|listeners| listeners.plain)))?;
        if fixed.is_some() && own.is_none() {
            let taken = |error: std::io::Error| BrokerError::Listen { address: plain, reason: error.to_string() };
            TcpListener::bind(plain).map_err(taken)?;
        }
        let observer = next(Ipv4Addr::LOCALHOST.into(), earlier.map(|listeners| listeners.observer))?;
        let tls = match self.settings.tls {
            Some(_) => Some(next(self.listen.ip(), earlier.and_then(|listeners| listeners.tls))?),
            None => None,
        };
        let websocket = if self.websocket {
            Some(next(self.listen.ip(), earlier.and_then(|listeners| listeners.websocket))?)
        } else {
            None
        };
        Ok(Listeners { plain, observer, tls, websocket })
    }

    fn write_config(&self, listeners: &Listeners) -> Result<PathBuf, BrokerError> {
        let folder = self.folder.path();
        if !self.settings.users.is_empty() {
            write(folder, config::PASSWORDS, &passwords::file(&self.settings.users))?;
        }
        if let Some(acl) = &self.settings.acl {
            write(folder, config::ACL, &acl.to_string())?;
        }
        let text = config::text(folder, listeners, &self.settings, self.own.as_ref());
        write(folder, "mosquitto.conf", &text)
    }

    fn offers(&self) -> Offers {
        let Some(listeners) = &self.listeners else { return Offers::plain(self.listen) };
        let ca = self.settings.tls.as_ref().map(|(_, ca)| ca.clone());
        let mut boards = vec![Endpoint::from(reachable(listeners.plain))];
        if let Some(tls) = listeners.tls {
            boards.push(Endpoint { ca, ..Endpoint::at(reachable(tls), Transport::Tls) });
        }
        if let Some(websocket) = listeners.websocket {
            boards.push(Endpoint::at(reachable(websocket), Transport::WebSocket));
        }
        let observer = if self.own.is_some() { listeners.plain } else { listeners.observer };
        Offers { observer: reachable(observer).into(), observer_login: self.login.clone(), boards }
    }

    fn signal(&self, signal: Signal, what: &'static str) -> Result<(), BrokerError> {
        let running = self.child.as_ref().is_some_and(|child| child.signal(signal));
        if running { Ok(()) } else { Err(BrokerError::Unsupported { kind: KIND.word, what }) }
    }
}

/// An address to connect to: loopback if it listens on all addresses.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let loopback =
            if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]) };
        return SocketAddr::new(loopback, address.port());
    }
    address
}

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf, BrokerError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = folder.join(name);
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
    let written = file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(|source| BrokerError::File { path: path.clone(), source })?;
    Ok(path)
}

impl Broker for Mosquitto {
    fn start(&mut self) -> BoxFuture<'_, Result<Offers, BrokerError>> {
        Box::pin(self.run())
    }

    fn stop(&mut self) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async {
            if let Some(child) = self.child.take() {
                child.stop().await;
            }
            Ok(())
        })
    }

    fn crash(&mut self) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async {
            if let Some(child) = self.child.take() {
                child.kill().await;
            }
            Ok(())
        })
    }

    fn discard(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // What it would store is not needed, and a kill is faster than its clean exit of a second.
            if let Some(child) = self.child.take() {
                child.kill().await;
            }
        })
    }

    fn pause(&mut self) -> Result<(), BrokerError> {
        self.signal(Signal::STOP, "be paused while it does not run")
    }

    fn resume(&mut self) -> Result<(), BrokerError> {
        self.signal(Signal::CONT, "go on while it does not run")
    }

    fn settings(&mut self) -> Result<&mut Settings, BrokerError> {
        match self.own {
            Some(_) => Err(BrokerError::Unsupported {
                kind: KIND.word,
                what: "be configured in addition to your own `config`",
            }),
            None => Ok(&mut self.settings),
        }
    }

    fn died(&self) -> watch::Receiver<Option<String>> {
        self.died.subscribe()
    }

    /// It checks about every six seconds: measured 5.5 to 5.7 s at keep alives of 2 and 3 s, 8 to 14 s at 5 s.
    fn will_window(&self, keep_alive: Duration) -> WillWindow {
        const TOLERANCE: Duration = Duration::from_millis(500);
        const BETWEEN_LOOKS: Duration = Duration::from_secs(6);
        let due = keep_alive * 3 / 2;
        /// It counts a will delay in whole seconds.
        const TICK: Duration = Duration::from_secs(1);
        WillWindow {
            not_before: due.saturating_sub(TOLERANCE),
            not_after: due + BETWEEN_LOOKS + TOLERANCE,
            early: TICK + TOLERANCE,
            late: TICK + TOLERANCE,
        }
    }

    fn kind(&self) -> &'static BrokerKind {
        KIND
    }
}
