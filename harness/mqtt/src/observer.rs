//! The harness's own MQTT client: publishes the messages of steps and receives what any subscriber receives.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hil_timeline::{Payload, QoS, Recorder, RunEvent, What};
use parking_lot::{Mutex, MutexGuard};
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, NetworkOptions, Outgoing, Packet, SubscribeReasonCode,
};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::bridge::Bridge;
use crate::endpoint::{Offers, Transport};

/// Why the observer failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ObserverError {
    /// The broker can't be reached or refuses it.
    #[error("the observer can't connect to the broker at {broker}: {reason}")]
    Connect {
        /// The broker.
        broker: String,
        /// The reason.
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
    /// The broker does not answer.
    #[error("the broker at {broker} does not answer: {silence}")]
    Silent {
        /// The broker.
        broker: String,
        /// How it shows.
        silence: String,
    },
}

/// A connected observer; dropping it disconnects it.
#[derive(Debug)]
pub struct Observer {
    broker: String,
    /// Adds the layers that the client library does not support.
    bridge: Option<Bridge>,
    options: MqttOptions,
    shared: Arc<Shared>,
    connection: Mutex<ObserverConnection>,
}

/// The current connection, or the last one.
#[derive(Debug)]
struct ObserverConnection {
    client: AsyncClient,
    /// Dropping it ends the connection.
    task: JoinSet<()>,
}

impl ObserverConnection {
    fn new(client: AsyncClient, events: EventLoop, shared: &Arc<Shared>) -> Self {
        shared.pending().is_open = true;
        let mut task = JoinSet::new();
        task.spawn(Arc::clone(shared).run(events));
        Self { client, task }
    }
}

#[derive(Debug)]
struct Shared {
    name: String,
    recorder: Recorder,
    pending: Mutex<Pending>,
    /// Whether it is connected and all its subscriptions are granted.
    ready: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Pending {
    /// The connection is open.
    is_open: bool,
    /// The subscriptions, also of a connection that was lost.
    filters: Vec<String>,
    /// Requests that were handed to the client, in order.
    queued: VecDeque<Request>,
    /// Requests on the wire, by packet identifier.
    sent: HashMap<u16, Request>,
    /// How many packets arrived that are part of the delivery of a message.
    delivered: u64,
}

#[derive(Debug)]
struct Request {
    acknowledged_by: Acknowledgement,
    subscribes: Option<String>,
    /// Whether the broker granted it.
    done: oneshot::Sender<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Acknowledgement {
    None,
    Puback,
    Pubcomp,
    Suback,
    Unsuback,
}

/// A filter that is never subscribed to: an UNSUBSCRIBE of it changes nothing.
const NEVER_SUBSCRIBED: &str = "hil/never-subscribed";

/// How long the broker may take to confirm something: brokers on loopback take less than a millisecond.
const TIMEOUT: Duration = Duration::from_secs(5);

impl Observer {
    /// Connects to the endpoint for the harness; everything it receives is recorded under its name.
    ///
    /// # Errors
    /// When the broker can't be reached or refuses it.
    pub async fn connect(name: &str, offers: &Offers, recorder: Recorder) -> Result<Self, ObserverError> {
        let endpoint = &offers.observer;
        let broker = endpoint.to_string();
        // The id must be unique on a shared broker: a second client with the same id would end the first one's
        // connection.
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
        // Long, so that its pings don't clutter a broker's log; large, because boards may send messages of any size.
        options.set_keep_alive(Duration::from_secs(60)).set_max_packet_size(64 << 20, 64 << 20);
        let (name, pending) = (name.to_owned(), Mutex::default());
        let shared = Arc::new(Shared { name, recorder, pending, ready: watch::Sender::new(true) });
        let (client, events) = connect_client(&options, bridge.as_ref(), &broker).await?;
        let connection = Mutex::new(ObserverConnection::new(client, events, &shared));
        Ok(Self { broker, bridge, options, shared, connection })
    }

    /// Subscribes at QoS 2, so that every message arrives at the QoS it was published with; waits for SUBACK.
    ///
    /// # Errors
    /// When the broker does not confirm it.
    pub async fn subscribe(&self, filter: &str) -> Result<(), ObserverError> {
        self.request_subscription(filter).await?;
        self.shared.pending().filters.push(filter.to_owned());
        Ok(())
    }

    async fn request_subscription(&self, filter: &str) -> Result<(), ObserverError> {
        let done = self.shared.pending().queue(Acknowledgement::Suback, Some(filter.to_owned()));
        let sent = self.client().subscribe(filter, rumqttc::QoS::ExactlyOnce).await.is_ok();
        self.confirmed(sent, done, "subscription").await
    }

    /// Publishes and waits until the broker has the message (at QoS 0: until it is sent). Returns its record.
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
        // Recorded before it is sent: its effects come after it.
        let record = What::Published { topic: topic.to_owned(), payload: payload.clone(), qos, retain };
        let event = self.shared.recorder.record(record);
        let done = self.shared.pending().queue(acknowledged_by, None);
        let sent = self.client().publish(topic, wire, retain, payload.0).await.is_ok();
        self.confirmed(sent, done, "message").await.map(|()| event)
    }

    /// Waits until the broker has answered and everything it had for the observer has arrived; returns the time of the
    /// slowest answer.
    ///
    /// A round trip leaves no trace in the traffic: the observer unsubscribes from a filter it never subscribed to,
    /// and every broker confirms that (MQTT 3.1.1 §3.10.4). No board sees it, no access rule forbids it, and it needs
    /// no topic. A broker may confirm before it delivers what is queued (the embedded one chooses at random,
    /// Mosquitto has 20 messages in flight at a time), so only consecutive round trips without any delivery show that
    /// nothing is left.
    ///
    /// # Errors
    /// When the broker does not answer within five seconds.
    pub async fn caught_up(&self) -> Result<Duration, ObserverError> {
        /// The embedded broker delivers or answers in random order: one quiet round trip may be chance.
        const QUIET: u32 = 2;
        /// A broker that delivers all the time answers as well; what was queued arrived within this time.
        const BUSY: Duration = Duration::from_secs(1);
        let (end, busy) = (Instant::now() + TIMEOUT, Instant::now() + BUSY);
        let (mut quiet, mut slowest) = (0, Duration::ZERO);
        while quiet < QUIET {
            let (begin, before) = (Instant::now(), self.shared.pending().delivered);
            if begin >= busy {
                return Ok(slowest);
            }
            self.round_trip(end).await?;
            slowest = slowest.max(begin.elapsed());
            quiet = if self.shared.pending().delivered == before { quiet + 1 } else { 0 };
        }
        Ok(slowest)
    }

    async fn round_trip(&self, end: Instant) -> Result<(), ObserverError> {
        let done = self.shared.pending().queue(Acknowledgement::Unsuback, None);
        let answered = async { self.client().unsubscribe(NEVER_SUBSCRIBED).await.is_ok() && done.await == Ok(true) };
        match tokio::time::timeout_at(end, answered).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.no_answer("it closed the observer's connection".to_owned())),
            Err(_) => Err(self.no_answer(format!("it confirmed nothing for {} s", TIMEOUT.as_secs()))),
        }
    }

    fn no_answer(&self, silence: String) -> ObserverError {
        ObserverError::Silent { broker: self.broker.clone(), silence }
    }

    /// Connects again after the broker was away and renews all subscriptions; all of them are granted when this
    /// returns. Does not wait for the end of the previous connection: a dead peer would never confirm it.
    ///
    /// # Errors
    /// When the broker can't be reached within five seconds, or does not confirm a subscription.
    pub async fn reconnect(&self) -> Result<(), ObserverError> {
        let mut task = std::mem::take(&mut self.connection().task);
        task.shutdown().await;
        self.shared.lost("the observer reconnects");
        let (client, events) = connect_client(&self.options, self.bridge.as_ref(), &self.broker).await?;
        *self.connection() = ObserverConnection::new(client, events, &self.shared);
        let filters = self.shared.pending().filters.clone();
        for filter in filters {
            self.request_subscription(&filter).await?;
        }
        if self.shared.is_ready() { Ok(()) } else { Err(self.unconfirmed("subscription")) }
    }

    /// Waits until it has noticed that the connection is lost.
    pub async fn wait_for_loss(&self) {
        let mut ready = self.shared.ready.subscribe();
        // An observer that has ended has lost its connection, too.
        let _ = tokio::time::timeout(TIMEOUT, ready.wait_for(|ready| !*ready)).await;
    }

    /// Whether it is connected and all its subscriptions are granted.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        *self.shared.ready.borrow()
    }

    async fn confirmed(
        &self,
        sent: bool,
        done: oneshot::Receiver<bool>,
        what: &'static str,
    ) -> Result<(), ObserverError> {
        let confirmed = sent && tokio::time::timeout(TIMEOUT, done).await.is_ok_and(|done| done == Ok(true));
        if confirmed { Ok(()) } else { Err(self.unconfirmed(what)) }
    }

    fn unconfirmed(&self, what: &'static str) -> ObserverError {
        ObserverError::Unconfirmed { broker: self.broker.clone(), what }
    }

    fn client(&self) -> AsyncClient {
        self.connection().client.clone()
    }

    fn connection(&self) -> MutexGuard<'_, ObserverConnection> {
        self.connection.lock()
    }
}

/// Opens a connection up to its CONNACK.
async fn connect_client(
    options: &MqttOptions,
    bridge: Option<&Bridge>,
    broker: &str,
) -> Result<(AsyncClient, EventLoop), ObserverError> {
    let (client, mut events) = AsyncClient::new(options.clone(), 64);
    let mut network = NetworkOptions::new();
    // With Nagle's algorithm a message waits up to 40 ms for the TCP acknowledgement of the previous one.
    network.set_tcp_nodelay(true);
    events.set_network_options(network);
    let failed = |reason: String| {
        let reason = bridge.and_then(Bridge::failure).unwrap_or(reason);
        ObserverError::Connect { broker: broker.to_owned(), reason }
    };
    match tokio::time::timeout(TIMEOUT, events.poll()).await {
        Ok(Ok(Event::Incoming(Packet::ConnAck(_)))) => Ok((client, events)),
        Ok(Ok(other)) => Err(failed(format!("it answered {other:?} to CONNECT"))),
        Ok(Err(ConnectionError::ConnectionRefused(code))) => Err(failed(format!("it refuses: {code:?}"))),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed("no answer".to_owned())),
    }
}

impl Pending {
    fn queue(&mut self, acknowledged_by: Acknowledgement, subscribes: Option<String>) -> oneshot::Receiver<bool> {
        let (done, is_done) = oneshot::channel();
        self.queued.push_back(Request { acknowledged_by, subscribes, done });
        is_done
    }
}

impl Shared {
    /// Runs a connection until it is lost.
    async fn run(self: Arc<Self>, mut events: EventLoop) {
        loop {
            match events.poll().await {
                Ok(event) => self.event(event),
                Err(error) => {
                    // Events that arrived together with the end of the connection.
                    for event in std::mem::take(&mut events.state.events) {
                        self.event(event);
                    }
                    return self.lost(&error.to_string());
                }
            }
        }
    }

    fn event(&self, event: Event) {
        match event {
            Event::Incoming(Packet::Publish(publish)) => {
                self.pending().delivered += 1;
                self.recorder.record(What::Observed {
                    observer: self.name.clone(),
                    topic: publish.topic,
                    payload: Payload(publish.payload.to_vec()),
                    qos: from_wire(publish.qos),
                    retain: publish.retain,
                    dup: publish.dup,
                });
            }
            // The second half of a delivery at QoS 2: the broker begins the next one only after it.
            Event::Incoming(Packet::PubRel(_)) => self.pending().delivered += 1,
            Event::Incoming(Packet::UnsubAck(ack)) => self.acknowledged(ack.pkid, Acknowledgement::Unsuback, true),
            Event::Incoming(Packet::PubAck(ack)) => self.acknowledged(ack.pkid, Acknowledgement::Puback, true),
            Event::Incoming(Packet::PubComp(ack)) => self.acknowledged(ack.pkid, Acknowledgement::Pubcomp, true),
            Event::Incoming(Packet::SubAck(ack)) => {
                let granted = !ack.return_codes.contains(&SubscribeReasonCode::Failure);
                self.acknowledged(ack.pkid, Acknowledgement::Suback, granted);
            }
            Event::Outgoing(Outgoing::Publish(id) | Outgoing::Subscribe(id) | Outgoing::Unsubscribe(id)) => {
                self.sent(id);
            }
            Event::Incoming(_) | Event::Outgoing(_) => {}
        }
    }

    fn sent(&self, id: u16) {
        let mut pending = self.pending();
        if let Some(request) = pending.queued.pop_front() {
            if request.acknowledged_by == Acknowledgement::None {
                let _ = request.done.send(true);
            } else {
                pending.sent.insert(id, request);
            }
        }
    }

    fn acknowledged(&self, id: u16, by: Acknowledgement, granted: bool) {
        let mut pending = self.pending();
        if pending.sent.get(&id).is_none_or(|request| request.acknowledged_by != by) {
            return;
        }
        let Some(request) = pending.sent.remove(&id) else { return };
        drop(pending);
        if let Some(filter) = request.subscribes.filter(|_| granted) {
            self.recorder.record(What::Subscribed { observer: self.name.clone(), filter });
        }
        // The caller may have timed out.
        let _ = request.done.send(granted);
    }

    /// Whether all subscriptions are granted and the connection was not lost meanwhile.
    fn is_ready(&self) -> bool {
        let pending = self.pending();
        if pending.is_open {
            self.ready.send_replace(true);
        }
        pending.is_open
    }

    /// The connection is lost: callers that wait for an acknowledgement get an error.
    fn lost(&self, reason: &str) {
        let mut pending = self.pending();
        pending.is_open = false;
        pending.queued.clear();
        pending.sent.clear();
        if *self.ready.borrow() {
            // Recorded before waiting tasks continue.
            let (observer, reason) = (self.name.clone(), reason.to_owned());
            self.recorder.record(What::ObserverLost { observer, reason });
            self.ready.send_replace(false);
        }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock()
    }
}

fn from_wire(qos: rumqttc::QoS) -> QoS {
    match qos {
        rumqttc::QoS::AtMostOnce => QoS::AtMostOnce,
        rumqttc::QoS::AtLeastOnce => QoS::AtLeastOnce,
        rumqttc::QoS::ExactlyOnce => QoS::ExactlyOnce,
    }
}
