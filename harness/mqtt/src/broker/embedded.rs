//! The broker inside `hil`: the crate `mqtt5`.

use std::net::SocketAddr;
use std::time::Duration;

use mqtt5::broker::config::{StorageBackend, StorageConfig};
use mqtt5::broker::{BrokerConfig, BrokerShutdownHandle, MqttBroker};
use tokio::task::JoinHandle;

use super::{Broker, BrokerError, Promise, WillWindow};

/// An embedded broker: MQTT 3.1.1 and 5 on one port, nothing kept after a stop.
#[derive(Default)]
pub struct Embedded {
    address: Option<SocketAddr>,
    running: Option<Running>,
}

/// How long a broker may take to close its connections; measured: 0.4 ms.
const STOP: Duration = Duration::from_secs(5);

struct Running {
    shutdown: BrokerShutdownHandle,
    task: JoinHandle<()>,
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let running = self.running.is_some();
        f.debug_struct("Embedded").field("address", &self.address).field("running", &running).finish()
    }
}

impl Embedded {
    /// A broker that will listen there; port 0 takes a free one at the first start and keeps it.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self { address: Some(listen), running: None }
    }

    fn config(address: SocketAddr) -> BrokerConfig {
        let storage = StorageConfig::new().with_backend(StorageBackend::Memory).with_persistence(true);
        BrokerConfig::default()
            .with_bind_address(address)
            .with_storage(storage)
            .with_sys_topics_enabled(true)
            .with_sys_topics_interval(Duration::from_secs(1))
            // The default of 10,000 drops bursts at QoS 0 without a word.
            .with_client_channel_capacity(2_000_000)
    }

    async fn run(&mut self) -> Result<SocketAddr, BrokerError> {
        let wanted = self.address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        if self.running.is_some() {
            return Ok(wanted);
        }
        let failed = |reason: String| BrokerError::Listen { address: wanted, reason };
        if wanted.port() != 0 {
            // Tried first for the system's own word: the library wraps it in advice that is not ours.
            std::net::TcpListener::bind(wanted).map_err(|error| failed(error.to_string()))?;
        }
        let mut broker =
            MqttBroker::with_config(Self::config(wanted)).await.map_err(|error| failed(error.to_string()))?;
        let address = broker.local_addr().ok_or_else(|| failed("it has no address".to_owned()))?;
        let shutdown = broker.shutdown_handle();
        let mut ready = broker.ready_receiver();
        let task = tokio::spawn(async move {
            // It ends when it is told to; an error on the way shows as lost connections.
            let _ = broker.run().await;
        });
        ready.wait_for(|ready| *ready).await.map_err(|_| failed("it ended at once".to_owned()))?;
        self.address = Some(address);
        self.running = Some(Running { shutdown, task });
        Ok(address)
    }
}

impl Broker for Embedded {
    fn start(&mut self) -> Promise<'_, Result<SocketAddr, BrokerError>> {
        Box::pin(self.run())
    }

    fn stop(&mut self) -> Promise<'_, ()> {
        Box::pin(async move {
            if let Some(Running { shutdown, mut task }) = self.running.take() {
                shutdown.shutdown();
                // A broker that panicked has stopped as well; one that hangs is ended.
                if tokio::time::timeout(STOP, &mut task).await.is_err() {
                    task.abort();
                }
            }
        })
    }

    /// It checks keep alives exactly: one and a half of them (MQTT 3.1.1 §3.1.2.10), measured ± 0.02 s.
    fn will_window(&self, keep_alive: Duration) -> WillWindow {
        const TOLERANCE: Duration = Duration::from_millis(500);
        let due = keep_alive * 3 / 2;
        WillWindow { not_before: due.saturating_sub(TOLERANCE), not_after: due + TOLERANCE }
    }

    fn kind(&self) -> &'static str {
        "embedded"
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Some(Running { shutdown, task }) = self.running.take() {
            shutdown.shutdown();
            task.abort();
        }
    }
}
