//! Records what passes on one connection, and lets faults have their way with it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hil_link::{Ended, Ending, Piece, Watch, Way};
use hil_timeline::{ConnectionChange, Direction, Fate, Packet, Recorder, Stamp, What};
use parking_lot::{Mutex, MutexGuard};

use super::decoder::{Decoded, Decoder, decode_alone};
use super::fault::{Deed, Fault};
use super::frame::is_whole;
use super::gate::{Gate, Happened, direction, fate};
use super::state::TapState;
use super::violations::Violations;
use crate::capture::{Leg, Wire};

/// One connection as it is recorded.
pub(super) struct Recording {
    pub(super) state: Arc<TapState>,
    pub(super) connection: u32,
    /// Who connected.
    pub(super) peer: SocketAddr,
    pub(super) recorder: Recorder,
    pub(super) wire: Option<Wire>,
    /// TLS that nobody can read: no packet is seen.
    pub(super) opaque: bool,
    gate: Gate,
    decoder: Mutex<Decoder>,
    asked: Mutex<Asked>,
    violations: Mutex<Violations>,
}

impl Recording {
    pub(super) fn new(
        state: Arc<TapState>,
        (connection, peer): (u32, SocketAddr),
        recorder: Recorder,
        wire: Option<Wire>,
        opaque: bool,
    ) -> Self {
        let (gate, decoder, asked, violations) = Default::default();
        Self { state, connection, peer, recorder, wire, opaque, gate, decoder, asked, violations }
    }

    /// Records packets that pass at once, each with the rule that it breaks behind it.
    fn record(&self, direction: Direction, fate: Option<Fate>, seen: Vec<Decoded>) {
        let mut all = Vec::with_capacity(seen.len());
        let mut captured = Vec::new();
        for Decoded { packet, size, raw } in seen {
            let at = all.len();
            let shown = packet.as_ref().filter(|_| self.wire.is_some()).cloned();
            let is_packet = packet.is_some();
            if let Some(packet) = packet {
                self.gate.learn(&packet);
                let answer_us = self.answer(direction, &packet);
                let (board, connection) = (self.state.board.clone(), self.connection);
                all.push(What::Packet { board, connection, direction, bytes: size, fate, answer_us, packet });
                all.extend(self.judge(direction, fate, &raw));
            }
            if self.wire.is_some() {
                captured.push((is_packet.then_some(at), raw, shown));
            }
        }
        let events = if all.is_empty() { Vec::new() } else { self.recorder.record_all(all) };
        for (at, raw, packet) in captured {
            let at = at.map_or_else(|| self.recorder.now(), |at| events[at].at);
            self.capture(at, direction, fate, &raw, packet.as_ref());
        }
    }

    /// The rule that a packet of the board breaks: what the tap made or changed is not the board's.
    fn judge(&self, direction: Direction, fate: Option<Fate>, raw: &[u8]) -> Option<What> {
        let rule = match (direction, fate) {
            (Direction::FromBoard, Some(Fate::Injected)) | (Direction::ToBoard, Some(Fate::Dropped)) => return None,
            (Direction::FromBoard, _) => self.violations().sent(raw, fate != Some(Fate::Dropped))?,
            (Direction::ToBoard, _) => {
                self.violations().delivered(raw);
                return None;
            }
        };
        Some(What::ProtocolViolation { board: self.state.board.clone(), connection: self.connection, rule })
    }

    fn violations(&self) -> MutexGuard<'_, Violations> {
        self.violations.lock()
    }

    /// What was dropped left its sender's leg only; what was made is on the receiver's only.
    fn capture(&self, at: Stamp, direction: Direction, fate: Option<Fate>, raw: &[u8], packet: Option<&Packet>) {
        let Some(wire) = &self.wire else { return };
        let (sender, receiver) = match direction {
            Direction::FromBoard => (Leg::Near, Leg::Far),
            Direction::ToBoard => (Leg::Far, Leg::Near),
        };
        let protocol = self.gate.protocol();
        if fate != Some(Fate::Injected) {
            wire.bytes(at, sender, direction, raw, packet, protocol);
        }
        if fate != Some(Fate::Dropped) {
            wire.bytes(at, receiver, direction, raw, packet, protocol);
        }
    }

    /// Nothing more passes.
    pub(super) fn over(&self, ended: Ended) {
        if let Some(wire) = &self.wire {
            let by_board = matches!(ended, Ended::Closed(Way::Up) | Ended::Broken(Way::Up));
            let hard = matches!(ended, Ended::Broken(_) | Ended::Ordered(Ending::Reset));
            wire.over(self.recorder.now(), by_board, hard);
        }
    }

    /// How long ago the packet passed that this one answers.
    fn answer(&self, direction: Direction, packet: &Packet) -> Option<u64> {
        let now = self.recorder.now();
        self.asked.lock().answer(direction, packet, now)
    }

    fn happened(&self, happened: Happened) {
        let Happened { deed, packet, missed } = happened;
        if deed == Deed::Swap && packet.direction == Direction::FromBoard {
            self.violations().reorder();
        }
        let fault = match deed {
            Deed::Answer(code) => Fault::AnswerConnect(code),
            Deed::Hold(span) => Fault::HoldConnack(span),
            deed => Fault::Next(deed, packet),
        };
        if missed {
            self.state.fault_missed(&self.recorder, &fault);
            return;
        }
        self.state.fault_applied(&self.recorder, &fault);
        if let Deed::Hold(span) = deed {
            self.hold(span, &fault);
        }
    }

    /// The way to the board falls silent, for so long or until somebody ends it.
    fn hold(&self, span: Option<Duration>, fault: &Fault) {
        let number = self.state.silence(fault, &[Way::Down]);
        let Some(span) = span else { return };
        let (state, recorder) = (Arc::clone(&self.state), self.recorder.clone());
        tokio::spawn(async move {
            tokio::select! {
                // Whoever ends the scenario ends its faults; the next one has its own.
                () = state.route_closed() => {}
                () = tokio::time::sleep(span) => state.end_fault(&recorder, number),
            }
        });
    }
}

impl Watch for Recording {
    fn read(&self, way: Way, bytes: Vec<u8>) -> Vec<Piece> {
        if self.opaque {
            return vec![Piece::from(bytes)];
        }
        let (pieces, happened) = self.gate.pass(way, bytes, &self.state.armed);
        happened.into_iter().for_each(|happened| self.happened(happened));
        let answered = pieces.iter().any(|piece| piece.turned);
        let is_left = |piece: &Piece| {
            // What is answered is told of before its answer, which takes another way.
            let told = answered && piece.swallowed;
            if told {
                self.forwarding(way, &piece.bytes, piece.tag);
            }
            !told
        };
        pieces.into_iter().filter(is_left).collect()
    }

    fn last(&self, way: Way) -> Vec<Piece> {
        self.gate.flush(way)
    }

    fn forwarding(&self, way: Way, bytes: &[u8], tag: u8) {
        let direction = direction(way);
        if self.opaque {
            self.capture(self.recorder.now(), direction, None, bytes, None);
            return;
        }
        let fate = fate(tag);
        // What does not arrive, or arrives torn, must not confuse what comes after it.
        if let Some(fate) = fate
            && (fate == Fate::Dropped || !is_whole(bytes))
        {
            let packet = Some(decode_alone(bytes, self.gate.protocol()));
            self.record(direction, Some(fate), vec![Decoded { packet, size: bytes.len(), raw: bytes.to_vec() }]);
            return;
        }
        let seen = self.decoder.lock().push(direction, bytes);
        self.record(direction, fate, seen);
    }

    fn ending(&self, ended: Ended) {
        let change = ConnectionChange::Closed { how: describe(ended).to_owned() };
        let (board, connection) = (self.state.board.clone(), self.connection);
        let event = self.recorder.record(What::Connection { board, connection, peer: Some(self.peer), change });
        if let (Some(wire), Ended::Closed(way)) = (&self.wire, ended) {
            wire.closed(event.at, way == Way::Up);
        }
    }
}

fn describe(ended: Ended) -> &'static str {
    match ended {
        Ended::Closed(Way::Up) => "closed by the board",
        Ended::Closed(Way::Down) => "closed by the broker",
        Ended::Broken(Way::Up) => "reset by the board",
        Ended::Broken(Way::Down) => "reset by the broker",
        Ended::Ordered(Ending::Close | Ending::Abandon) => "closed by the bench",
        Ended::Ordered(Ending::Reset) => "reset by the bench",
    }
}

/// Packets that wait for their answers.
#[derive(Debug, Default)]
struct Asked(HashMap<(Direction, Question, u16), Stamp>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Question {
    Connect,
    Publish,
    Pubrel,
    Subscribe,
    Unsubscribe,
    Ping,
}

impl Asked {
    /// Notes a question; tells how long ago the one came that this packet answers.
    fn answer(&mut self, direction: Direction, packet: &Packet, now: Stamp) -> Option<u64> {
        /// More is not remembered: somebody asks and never waits for answers.
        const REMEMBERED: usize = 100_000;
        let asks = match packet {
            Packet::Connect { .. } => Some((Question::Connect, 0)),
            Packet::Publish { packet_id: Some(id), .. } => Some((Question::Publish, *id)),
            Packet::Pubrel { packet_id, .. } => Some((Question::Pubrel, *packet_id)),
            Packet::Subscribe { packet_id, .. } => Some((Question::Subscribe, *packet_id)),
            Packet::Unsubscribe { packet_id, .. } => Some((Question::Unsubscribe, *packet_id)),
            Packet::Pingreq => Some((Question::Ping, 0)),
            _ => None,
        };
        if let Some((question, id)) = asks {
            if self.0.len() < REMEMBERED {
                self.0.insert((direction, question, id), now);
            }
            // A PUBREL answers a PUBREC, whose own answer was noted.
            return None;
        }
        let answers = match packet {
            Packet::Connack { .. } => (Question::Connect, 0),
            Packet::Puback { packet_id, .. } | Packet::Pubrec { packet_id, .. } => (Question::Publish, *packet_id),
            Packet::Pubcomp { packet_id, .. } => (Question::Pubrel, *packet_id),
            Packet::Suback { packet_id, .. } => (Question::Subscribe, *packet_id),
            Packet::Unsuback { packet_id, .. } => (Question::Unsubscribe, *packet_id),
            Packet::Pingresp => (Question::Ping, 0),
            _ => return None,
        };
        let asker = match direction {
            Direction::FromBoard => Direction::ToBoard,
            Direction::ToBoard => Direction::FromBoard,
        };
        let asked = self.0.remove(&(asker, answers.0, answers.1))?;
        Some(u64::try_from(now.since(asked).as_micros()).unwrap_or(u64::MAX))
    }
}
