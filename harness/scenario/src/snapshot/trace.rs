//! The packets of a board as a text without what differs between runs.
//!
//! An exchange is one line: the packet that starts it, and the answers. The answers follow it there because their place
//! among other packets is random. What a board receives is grouped by topic, because brokers need not keep any other
//! order. Keep alives and retransmissions are left out: they depend on time.

use std::collections::BTreeMap;
use std::sync::Arc;

use hil_timeline::{Direction, Disposition, Mask, Packet, Payload, RunEvent, What, Will, escaped};

use super::redact::{Rule, client_id, is_left_out, redacted};

/// A packet that starts an exchange, and the answers to it.
struct Exchange {
    /// Topic and QoS of a message.
    stream: Option<(String, u8)>,
    line: String,
    answers: Vec<String>,
}

/// Connection, whether the board started it, and its packet id; none for CONNECT.
type Key = (u32, bool, Option<u16>);

#[derive(Default)]
struct Lists {
    sent: Vec<Exchange>,
    got: Vec<Exchange>,
    open: BTreeMap<Key, usize>,
}

/// What a board sent and received in these events, under the name of its role.
pub(crate) fn trace(events: &[Arc<RunEvent>], (board, role): (&str, &str), rules: &[Rule], mask: &Mask) -> String {
    let mut lists = Lists::default();
    for event in events {
        let What::Packet { board: of, connection, direction, disposition, packet, .. } = &event.what else { continue };
        let from_board = *direction == Direction::FromBoard;
        // The board did not send what the tap injected, and did not receive what it dropped.
        let happened = *disposition != Some(if from_board { Disposition::Injected } else { Disposition::Dropped });
        if of == board && happened {
            lists.take(*connection, from_board, packet, rules, mask);
        }
    }
    // A broker keeps only the order of messages of one topic and QoS (MQTT 3.1.1 §4.6).
    lists.got.sort_by(|a, b| a.stream.cmp(&b.stream));
    format!("{role} sends\n{}{role} gets\n{}", shown(&lists.sent, rules, mask), shown(&lists.got, rules, mask))
}

fn shown(exchanges: &[Exchange], rules: &[Rule], mask: &Mask) -> String {
    let line = |exchange: &Exchange| match exchange.answers.is_empty() {
        true => exchange.line.clone(),
        false => format!("{} → {}", exchange.line, exchange.answers.join(", ")),
    };
    exchanges.iter().map(|exchange| format!("  {}\n", mask.text(&redacted(rules, &line(exchange))))).collect()
}

impl Lists {
    fn take(&mut self, connection: u32, from_board: bool, packet: &Packet, rules: &[Rule], mask: &Mask) {
        let id = match packet {
            Packet::Pingreq | Packet::Pingresp | Packet::Publish { dup: true, .. } => return,
            Packet::Publish { topic, .. } if is_left_out(rules, topic) => return,
            Packet::Publish { packet_id, .. } => *packet_id,
            Packet::Subscribe { packet_id, .. } | Packet::Unsubscribe { packet_id, .. } => Some(*packet_id),
            Packet::Connect { .. } => None,
            Packet::Connack { .. } => return self.answer((connection, true, None), packet),
            // Of the receiver of a message; a PUBREL is of its sender.
            Packet::Puback { packet_id, .. }
            | Packet::Pubrec { packet_id, .. }
            | Packet::Pubcomp { packet_id, .. }
            | Packet::Suback { packet_id, .. }
            | Packet::Unsuback { packet_id, .. } => {
                return self.answer((connection, !from_board, Some(*packet_id)), packet);
            }
            Packet::Pubrel { packet_id, .. } => return self.answer((connection, from_board, Some(*packet_id)), packet),
            Packet::Disconnect { .. } | Packet::Auth { .. } | Packet::Undecodable { .. } => None,
        };
        let list = if from_board { &mut self.sent } else { &mut self.got };
        let begins = id.is_some() || matches!(packet, Packet::Connect { .. });
        if begins {
            self.open.insert((connection, from_board, id), list.len());
        }
        let stream = match packet {
            Packet::Publish { topic, qos, .. } => Some((topic.clone(), *qos as u8)),
            _ => None,
        };
        // Masked before other replacements: a secret that is changed in part would not be found.
        list.push(Exchange { stream, line: mask.text(&line(packet)).into_owned(), answers: Vec::new() });
    }

    /// Adds an answer. One to a packet that is left out, or that came before, is left out as well.
    fn answer(&mut self, key: Key, packet: &Packet) {
        let list = if key.1 { &mut self.sent } else { &mut self.got };
        let Some(exchange) = self.open.get(&key).and_then(|at| list.get_mut(*at)) else { return };
        let answer = line(packet);
        if !exchange.answers.contains(&answer) {
            exchange.answers.push(answer);
        }
    }
}

fn line(packet: &Packet) -> String {
    match packet {
        Packet::Connect { protocol, client_id: id, keep_alive, clean_session, user_name, will, .. } => {
            let session = if *clean_session { "clean session" } else { "kept session" };
            let user = user_name.as_ref().map_or(String::new(), |user| format!(", user `{}`", escaped(user)));
            let will = will.as_ref().map_or("no will".to_owned(), will_text);
            let id = client_id(id);
            format!("CONNECT level {protocol}, `{}`, keep alive {keep_alive} s, {session}{user}, {will}", escaped(&id))
        }
        Packet::Publish { topic, payload, qos, retain, .. } => {
            let retained = if *retain { ", retained" } else { "" };
            format!("PUBLISH `{}` on `{}`, QoS {qos}{retained}", payload_text(payload), escaped(topic))
        }
        // The packet ids are left out: clients choose them freely.
        Packet::Puback { code, .. }
        | Packet::Pubrec { code, .. }
        | Packet::Pubrel { code, .. }
        | Packet::Pubcomp { code, .. } => match code {
            0 => packet.name().to_owned(),
            code => format!("{}, code {code:#04x}", packet.name()),
        },
        Packet::Unsuback { .. } => packet.name().to_owned(),
        other => other.to_string(),
    }
}

fn will_text(will: &Will) -> String {
    let retained = if will.retain { ", retained" } else { "" };
    let (payload, topic) = (payload_text(&will.payload), escaped(&will.topic));
    format!("will `{payload}` on `{topic}`, QoS {}{retained}", will.qos)
}

/// JSON with sorted keys; other payloads unchanged.
fn payload_text(payload: &Payload) -> String {
    match serde_json::from_slice::<serde_json::Value>(&payload.0) {
        Ok(json @ (serde_json::Value::Object(_) | serde_json::Value::Array(_))) => json.to_string(),
        _ => payload.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use hil_timeline::{QoS, Stamp};

    use super::*;

    fn packet(from_board: bool, disposition: Option<Disposition>, packet: Packet) -> Arc<RunEvent> {
        let direction = if from_board { Direction::FromBoard } else { Direction::ToBoard };
        let board = "lamp".to_owned();
        let what = What::Packet { board, connection: 1, direction, bytes: 2, disposition, answer_us: None, packet };
        Arc::new(RunEvent { seq: 0, at: Stamp(0), scenario: None, host: None, what })
    }

    fn publish(topic: &str, payload: &str, id: Option<u16>, dup: bool) -> Packet {
        let (topic, payload) = (topic.to_owned(), Payload::from(payload));
        let qos = if id.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        let (retain, aliased, properties) = (false, false, Vec::new());
        Packet::Publish { topic, payload, qos, retain, dup, packet_id: id, aliased, properties }
    }

    fn puback(packet_id: u16) -> Packet {
        Packet::Puback { packet_id, code: 0, properties: Vec::new() }
    }

    #[test]
    fn answers_follow_what_they_answer_in_any_order() {
        let (a, b) = (publish("log", "{\"z\":1,\"a\":2}", Some(7), false), publish("log", "b", Some(8), false));
        let early = [
            packet(true, None, a.clone()),
            packet(false, None, puback(7)),
            packet(true, None, b.clone()),
            packet(false, None, puback(8)),
        ];
        // Other ids, later answers, a keep alive and a retransmission in between.
        let late = [
            packet(true, None, publish("log", "{\"a\":2,\"z\":1}", Some(1), false)),
            packet(true, None, publish("log", "b", Some(2), false)),
            packet(true, None, Packet::Pingreq),
            packet(true, None, publish("log", "b", Some(2), true)),
            packet(false, None, puback(2)),
            packet(false, None, puback(1)),
            packet(false, None, puback(2)),
        ];
        let expected = "lamp sends\n  PUBLISH `{\"a\":2,\"z\":1}` on `log`, QoS 1 → PUBACK\n  PUBLISH `b` on `log`, QoS 1 → PUBACK\nlamp gets\n";
        assert_eq!(trace(&early, ("lamp", "lamp"), &[], &Mask::default()), expected);
        assert_eq!(trace(&late, ("lamp", "lamp"), &[], &Mask::default()), expected);
    }

    #[test]
    fn missing_answers_and_injected_packets_show() {
        let events = [
            packet(true, None, publish("log", "lost", Some(1), false)),
            packet(false, Some(Disposition::Dropped), puback(1)),
            packet(true, Some(Disposition::Injected), publish("log", "never sent", None, false)),
            packet(false, Some(Disposition::Injected), publish("news", "made", None, false)),
            packet(true, None, publish("tele/x", "tick", None, false)),
        ];
        let rules = [Rule::LeaveOut { filter: "tele/#".to_owned() }];
        let expected = "lamp sends\n  PUBLISH `lost` on `log`, QoS 1\nlamp gets\n  PUBLISH `made` on `news`, QoS 0\n";
        assert_eq!(trace(&events, ("lamp", "lamp"), &rules, &Mask::default()), expected);
    }
}
