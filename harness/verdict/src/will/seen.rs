//! Which message is a will, as an observer sees it.

use std::time::Duration;

use hil_timeline::{Disposition, Packet, Payload, QoS, RunEvent, Stamp, What, Will, escaped};

use crate::messages::{Sent, Travel};
use crate::show::show;

/// Distinguishes a will from other messages with the same topic and payload.
#[derive(Debug, Clone)]
pub struct Wills {
    observer: String,
    will: Will,
    /// Messages that clients published and the observer has not received yet.
    on_their_way: Vec<(Stamp, QoS)>,
    /// A retransmission is delivered once at QoS 2; at QoS 1 a second copy is not a will either.
    sent: Sent,
    other_qos: Option<RunEvent>,
    other_payload: Option<RunEvent>,
}

impl Wills {
    /// A broker delivers within milliseconds; a message that it refused never comes, and must not hide a will later.
    const DELIVERY: Duration = Duration::from_secs(5);

    /// As this observer receives them. It needs every record of the scenario, in order.
    #[must_use]
    pub fn seen_by(observer: &str, will: &Will) -> Self {
        Self {
            observer: observer.to_owned(),
            will: will.clone(),
            on_their_way: Vec::new(),
            sent: Sent::new(Travel::Sent),
            other_qos: None,
            other_payload: None,
        }
    }

    /// Whether a record is the will: not a message that a client published, not one that was retained before, and
    /// with the announced QoS.
    pub fn take(&mut self, event: &RunEvent) -> bool {
        match &event.what {
            What::Published { topic, payload, qos, .. } => self.published(event.at, topic, payload, *qos),
            // What the tap dropped never reached the broker.
            What::Packet { disposition: Some(Disposition::Dropped), .. } => {}
            What::Packet { packet: Packet::Publish { topic, payload, qos, .. }, direction, .. }
                if *direction == hil_timeline::Direction::FromBoard
                    && (self.sent.is_new(event) || *qos != QoS::ExactlyOnce) =>
            {
                self.published(event.at, topic, payload, *qos);
            }
            What::Observed { observer, topic, payload, qos, retain: false, .. }
                if *observer == self.observer && *topic == self.will.topic =>
            {
                return self.observed(event, payload, *qos);
            }
            _ => {}
        }
        false
    }

    fn published(&mut self, at: Stamp, topic: &str, payload: &Payload, qos: QoS) {
        if *topic == self.will.topic && *payload == self.will.payload {
            self.on_their_way.push((at, qos));
        }
    }

    fn observed(&mut self, event: &RunEvent, payload: &Payload, qos: QoS) -> bool {
        if *payload != self.will.payload {
            self.other_payload = Some(event.clone());
            return false;
        }
        self.on_their_way.retain(|(at, _)| event.at.since(*at) <= Self::DELIVERY);
        if let Some(at) = self.on_their_way.iter().position(|(_, sent)| *sent == qos) {
            self.on_their_way.remove(at);
            return false;
        }
        if qos != self.will.qos {
            self.other_qos = Some(event.clone());
            return false;
        }
        true
    }

    /// The closest message since the mark, and how it differs.
    #[must_use]
    pub fn closest(&self, mark: Stamp) -> String {
        let mut candidates = [&self.other_qos, &self.other_payload].into_iter().flatten();
        let Some((event, qos)) = candidates.find(|event| event.at >= mark).and_then(|event| match &event.what {
            What::Observed { qos, .. } => Some((event, qos)),
            _ => None,
        }) else {
            return format!("closest: nothing on `{}` since then", escaped(&self.will.topic));
        };
        let Will { payload, qos: announced, .. } = &self.will;
        format!("closest: {}, QoS {qos}; announced: `{payload}`, QoS {announced}", show(event, mark))
    }
}
