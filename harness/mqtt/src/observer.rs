//! The harness's own MQTT client: publishes what steps publish and sees what any subscriber sees.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hil_timeline::{Payload, QoS, Recorder, RunEvent, What};
use rumqttc::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, Outgoing, Packet, SubscribeReasonCode};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;

use crate::bridge::Bridge;
use crate::endpoint::{Offers, Transport};

/// Why the observer could not do something.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ObserverError {
    /// The broker can't be reached or refuses it.
    #[error("the observer can't connect to the broker at {broker}: {reason}")]
    Connect {
        /// The broker.
        broker: String,
        /// What went wrong.
        reason: String,
    },
    /// The broker did not answer in time, or the connection was lost meanwhile.
    #[error("the broker at {broker} did not confirm the observer's {what}")]
    Unconfirmed {
        /// The broker.
        broker: String,
        /// What was not confirmed.
        what: &'static str,
    },
}

/// A connected observer; dropping it ends it.
#[derive(Debug)]
pub struct Observer {
    broker: String,
    /// Layers that the client does not know.
    _bridge: Option<Bridge>,
    client: AsyncClient,
    shared: Arc<Shared>,
    connected: watch::Receiver<bool>,
    task: JoinHandle<()>,
    recorder: Recorder,
}

#[derive(Debug)]
struct Shared {
    name: String,
    pending: Mutex<Pending>,
    reconnect: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    filters: Vec<String>,
    /// Requests in the order in which they were handed to the client.
    queued: VecDeque<Request>,
    /// Requests on the wire, by packet identifier.
    sent: HashMap<u16, Request>,
}

#[derive(Debug)]
struct Request {
    acknowledged_by: Acknowledgement,
    subscribes: Option<String>,
    /// Whether the broker agrees.
    done: oneshot::Sender<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Acknowledgement {
    None,
    Puback,
    Pubcomp,
    Suback,
}

/// How long the broker may take to confirm something: loopback brokers take less than a millisecond.
const PATIENCE: Duration = Duration::from_secs(5);

impl Observer {
    /// Connects as the broker's offers say; everything it sees goes to the recorder under its name.
    ///
    /// # Errors
    /// When the broker can't be reached or refuses it.
    pub async fn connect(name: &str, offers: &Offers, recorder: Recorder) -> Result<Self, ObserverError> {
        let endpoint = &offers.observer;
        let broker = endpoint.to_string();
        // Nobody else on a shared broker has it: the same name would end the other's connection.
        let client_id = format!("hil-{name}-{:08x}", fastrand::u32(..));
        let bridge = match endpoint.transport {
            Transport::Tcp => None,
            _ => {
                let failed =
                    |error: io::Error| ObserverError::Connect { broker: broker.clone(), reason: error.to_string() };
                Some(Bridge::open(endpoint.clone()).map_err(failed)?)
            }
        };
        let mut options = match &bridge {
            None => MqttOptions::new(client_id, endpoint.host.clone(), endpoint.port),
            Some(bridge) => {
                let mut options = MqttOptions::new(client_id, bridge.path(), 0);
                options.set_transport(rumqttc::Transport::unix());
                options
            }
        };
        if let Some((user, password)) = &offers.observer_login {
            options.set_credentials(user, password);
        }
        // Long, so that its pings don't clutter a broker's log; large, because boards may send what they like.
        options.set_keep_alive(Duration::from_secs(60)).set_max_packet_size(64 << 20, 64 << 20);
        let (client, mut events) = AsyncClient::new(options, 64);
        let failed = |reason: String| {
            let reason = bridge.as_ref().and_then(Bridge::failure).unwrap_or(reason);
            ObserverError::Connect { broker: broker.clone(), reason }
        };
        match tokio::time::timeout(PATIENCE, events.poll()).await {
            Ok(Ok(Event::Incoming(Packet::ConnAck(_)))) => {}
            Ok(Ok(other)) => return Err(failed(format!("it answered {other:?} to CONNECT"))),
            Ok(Err(ConnectionError::ConnectionRefused(code))) => return Err(failed(format!("it refuses: {code:?}"))),
            Ok(Err(error)) => return Err(failed(error.to_string())),
            Err(_) => return Err(failed("no answer".to_owned())),
        }
        let pending = Mutex::new(Pending::default());
        let shared = Arc::new(Shared { name: name.to_owned(), pending, reconnect: Notify::new() });
        let (connection, connected) = watch::channel(true);
        let pump = Pump { shared: Arc::clone(&shared), connection, recorder: recorder.clone(), client: client.clone() };
        Ok(Self { broker, _bridge: bridge, client, shared, connected, task: tokio::spawn(pump.run(events)), recorder })
    }

    /// Subscribes at QoS 2, so that every message comes at the QoS it was published with; waits for SUBACK.
    ///
    /// # Errors
    /// When the broker does not confirm it.
    pub async fn subscribe(&self, filter: &str) -> Result<(), ObserverError> {
        let done = {
            let mut pending = self.lock();
            pending.filters.push(filter.to_owned());
            pending.queue(Acknowledgement::Suback, Some(filter.to_owned()))
        };
        let sent = self.client.subscribe(filter, rumqttc::QoS::ExactlyOnce).await.is_ok();
        self.confirmed(sent, done, "subscription").await
    }

    /// Publishes and waits until the broker has it (at QoS 0: until it is on the wire). Gives back the record.
    ///
    /// # Errors
    /// When the broker does not confirm it.
    pub async fn publish(
        &self,
        topic: &str,
        payload: Payload,
        qos: QoS,
        retain: bool,
    ) -> Result<Arc<RunEvent>, ObserverError> {
        let (wire, acknowledged_by) = match qos {
            QoS::AtMostOnce => (rumqttc::QoS::AtMostOnce, Acknowledgement::None),
            QoS::AtLeastOnce => (rumqttc::QoS::AtLeastOnce, Acknowledgement::Puback),
            QoS::ExactlyOnce => (rumqttc::QoS::ExactlyOnce, Acknowledgement::Pubcomp),
        };
        // Recorded before it is sent: what it causes comes after it.
        let record = What::Published { topic: topic.to_owned(), payload: payload.clone(), qos, retain };
        let event = self.recorder.record(record);
        let done = self.lock().queue(acknowledged_by, None);
        let sent = self.client.publish(topic, wire, retain, payload.0).await.is_ok();
        self.confirmed(sent, done, "message").await.map(|()| event)
    }

    /// Connects again after the broker was away, and subscribes again to all it was subscribed to.
    ///
    /// # Errors
    /// When the broker can't be reached within five seconds.
    pub async fn reconnect(&self) -> Result<(), ObserverError> {
        let mut connected = self.connected.clone();
        self.shared.reconnect.notify_one();
        let back = tokio::time::timeout(PATIENCE, connected.wait_for(|connected| *connected)).await;
        match back {
            Ok(Ok(_)) => Ok(()),
            _ => Err(ObserverError::Connect { broker: self.broker.clone(), reason: "it does not answer".to_owned() }),
        }
    }

    /// Waits until it has noticed that the broker is gone.
    pub async fn wait_for_loss(&self) {
        let mut connected = self.connected.clone();
        // An observer that has ended has lost its broker too.
        let _ = tokio::time::timeout(PATIENCE, connected.wait_for(|connected| !*connected)).await;
    }

    /// Whether it is connected.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        *self.connected.borrow()
    }

    async fn confirmed(
        &self,
        sent: bool,
        done: oneshot::Receiver<bool>,
        what: &'static str,
    ) -> Result<(), ObserverError> {
        let confirmed = sent && tokio::time::timeout(PATIENCE, done).await.is_ok_and(|done| done == Ok(true));
        if confirmed { Ok(()) } else { Err(ObserverError::Unconfirmed { broker: self.broker.clone(), what }) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.shared.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Pending {
    fn queue(&mut self, acknowledged_by: Acknowledgement, subscribes: Option<String>) -> oneshot::Receiver<bool> {
        let (done, is_done) = oneshot::channel();
        self.queued.push_back(Request { acknowledged_by, subscribes, done });
        is_done
    }
}

struct Pump {
    shared: Arc<Shared>,
    connection: watch::Sender<bool>,
    recorder: Recorder,
    client: AsyncClient,
}

impl Pump {
    async fn run(self, mut events: EventLoop) {
        loop {
            match events.poll().await {
                Ok(event) => self.event(event).await,
                Err(error) => {
                    // What came in one go with the end of the connection would else surface after the next one began.
                    for event in std::mem::take(&mut events.state.events) {
                        self.event(event).await;
                    }
                    self.lost(&error).await;
                }
            }
        }
    }

    async fn event(&self, event: Event) {
        match event {
            Event::Incoming(Packet::ConnAck(_)) => self.subscribe_again().await,
            Event::Incoming(Packet::Publish(publish)) => {
                self.recorder.record(What::Observed {
                    observer: self.shared.name.clone(),
                    topic: publish.topic,
                    payload: Payload(publish.payload.to_vec()),
                    qos: from_wire(publish.qos),
                    retain: publish.retain,
                    dup: publish.dup,
                });
            }
            Event::Incoming(Packet::PubAck(ack)) => self.acknowledged(ack.pkid, Acknowledgement::Puback, true),
            Event::Incoming(Packet::PubComp(ack)) => self.acknowledged(ack.pkid, Acknowledgement::Pubcomp, true),
            Event::Incoming(Packet::SubAck(ack)) => {
                let granted = !ack.return_codes.contains(&SubscribeReasonCode::Failure);
                self.acknowledged(ack.pkid, Acknowledgement::Suback, granted);
            }
            Event::Outgoing(Outgoing::Publish(id) | Outgoing::Subscribe(id)) => self.sent(id),
            Event::Incoming(_) | Event::Outgoing(_) => {}
        }
    }

    fn sent(&self, id: u16) {
        let mut pending = self.shared.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(request) = pending.queued.pop_front() {
            if request.acknowledged_by == Acknowledgement::None {
                let _ = request.done.send(true);
            } else {
                pending.sent.insert(id, request);
            }
        }
    }

    fn acknowledged(&self, id: u16, by: Acknowledgement, granted: bool) {
        let mut pending = self.shared.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.sent.get(&id).is_none_or(|request| request.acknowledged_by != by) {
            return;
        }
        let Some(request) = pending.sent.remove(&id) else { return };
        drop(pending);
        if let Some(filter) = request.subscribes.filter(|_| granted) {
            self.recorder.record(What::Subscribed { observer: self.shared.name.clone(), filter });
            self.connection.send_replace(true);
        }
        // Whoever asked may have given up waiting.
        let _ = request.done.send(granted);
    }

    async fn subscribe_again(&self) {
        let filters = {
            let mut pending = self.shared.pending.lock().unwrap_or_else(PoisonError::into_inner);
            let filters = pending.filters.clone();
            for filter in &filters {
                drop(pending.queue(Acknowledgement::Suback, Some(filter.clone())));
            }
            filters
        };
        if filters.is_empty() {
            self.connection.send_replace(true);
        }
        for filter in filters {
            let _ = self.client.subscribe(filter, rumqttc::QoS::ExactlyOnce).await;
        }
    }

    /// Waits for the word to connect again: whoever stopped the broker knows when it is back.
    async fn lost(&self, error: &ConnectionError) {
        {
            let mut pending = self.shared.pending.lock().unwrap_or_else(PoisonError::into_inner);
            pending.queued.clear();
            pending.sent.clear();
        }
        let was_connected = *self.connection.borrow();
        if was_connected {
            // Recorded first: whoever waits for it goes on.
            let observer = self.shared.name.clone();
            self.recorder.record(What::ObserverLost { observer, reason: error.to_string() });
            self.connection.send_replace(false);
        }
        self.shared.reconnect.notified().await;
    }
}

fn from_wire(qos: rumqttc::QoS) -> QoS {
    match qos {
        rumqttc::QoS::AtMostOnce => QoS::AtMostOnce,
        rumqttc::QoS::AtLeastOnce => QoS::AtLeastOnce,
        rumqttc::QoS::ExactlyOnce => QoS::ExactlyOnce,
    }
}
