//! Records the packets of one connection and applies faults to them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hil_link::{Ended, Ending, PathDirection, Piece, Watch};
use hil_timeline::{ConnectionChange, Direction, Disposition, Packet, Recorder, Stamp, What};
use parking_lot::{Mutex, MutexGuard};

use super::fault::{Fault, PacketAction};
use super::gate::{AppliedFault, Gate, direction, disposition_of};
use super::state::TapState;
use super::violations::Violations;
use crate::capture::{TapSide, Wire};
use crate::decoder::is_whole;
use crate::decoder::{Decoded, Decoder, decode_alone};

/// Records one connection.
pub(super) struct ConnectionRecorder {
    pub(super) state: Arc<TapState>,
    pub(super) connection: u32,
    /// Who connected.
    pub(super) peer: SocketAddr,
    pub(super) recorder: Recorder,
    pub(super) wire: Option<Wire>,
    /// TLS that can't be decrypted: packets are not decoded.
    pub(super) opaque: bool,
    gate: Gate,
    decoder: Mutex<Decoder>,
    requests: Mutex<PendingRequests>,
    violations: Mutex<Violations>,
}

impl ConnectionRecorder {
    pub(super) fn new(
        state: Arc<TapState>,
        (connection, peer): (u32, SocketAddr),
        recorder: Recorder,
        wire: Option<Wire>,
        opaque: bool,
    ) -> Self {
        let (gate, decoder, requests, violations) = Default::default();
        Self { state, connection, peer, recorder, wire, opaque, gate, decoder, requests, violations }
    }

    /// Records packets that pass at once, each followed by the rule that it violates.
    fn record(&self, direction: Direction, disposition: Option<Disposition>, seen: Vec<Decoded>) {
        let mut all = Vec::with_capacity(seen.len());
        let mut captured = Vec::new();
        for Decoded { packet, size, raw } in seen {
            let at = all.len();
            let shown = packet.as_ref().filter(|_| self.wire.is_some()).cloned();
            let is_packet = packet.is_some();
            if let Some(packet) = packet {
                self.gate.note_protocol(&packet);
                let answer_us = self.answer(direction, &packet);
                let (board, connection) = (self.state.board.clone(), self.connection);
                all.push(What::Packet { board, connection, direction, bytes: size, disposition, answer_us, packet });
                all.extend(self.violation(direction, disposition, &raw));
            }
            if self.wire.is_some() {
                captured.push((is_packet.then_some(at), raw, shown));
            }
        }
        let events = if all.is_empty() { Vec::new() } else { self.recorder.record_all(all) };
        for (at, raw, packet) in captured {
            let at = at.map_or_else(|| self.recorder.now(), |at| events[at].at);
            self.capture(at, direction, disposition, &raw, packet.as_ref());
        }
    }

    /// The rule that a packet of the board violates. Packets that the tap made or changed are not the board's.
    fn violation(&self, direction: Direction, disposition: Option<Disposition>, raw: &[u8]) -> Option<What> {
        let rule = match (direction, disposition) {
            (Direction::FromBoard, Some(Disposition::Injected)) | (Direction::ToBoard, Some(Disposition::Dropped)) => {
                return None;
            }
            (Direction::FromBoard, _) => self.violations().sent(raw, disposition != Some(Disposition::Dropped))?,
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

    /// A dropped packet is captured on its sender's side only, an injected one on its receiver's side only.
    fn capture(
        &self,
        at: Stamp,
        direction: Direction,
        disposition: Option<Disposition>,
        raw: &[u8],
        packet: Option<&Packet>,
    ) {
        let Some(wire) = &self.wire else { return };
        let (sender, receiver) = match direction {
            Direction::FromBoard => (TapSide::Board, TapSide::Broker),
            Direction::ToBoard => (TapSide::Broker, TapSide::Board),
        };
        let protocol = self.gate.protocol();
        if disposition != Some(Disposition::Injected) {
            wire.bytes(at, sender, direction, raw, packet, protocol);
        }
        if disposition != Some(Disposition::Dropped) {
            wire.bytes(at, receiver, direction, raw, packet, protocol);
        }
    }

    /// The connection is over.
    pub(super) fn finish(&self, ended: Ended) {
        if let Some(wire) = &self.wire {
            let by_board =
                matches!(ended, Ended::Closed(PathDirection::Upstream) | Ended::Broken(PathDirection::Upstream));
            let hard = matches!(ended, Ended::Broken(_) | Ended::Ordered(Ending::Reset));
            wire.end(self.recorder.now(), by_board, hard);
        }
    }

    /// How long ago the request passed that this packet answers.
    fn answer(&self, direction: Direction, packet: &Packet) -> Option<u64> {
        let now = self.recorder.now();
        self.requests.lock().answer(direction, packet, now)
    }

    fn applied(&self, applied: AppliedFault) {
        let AppliedFault { action, packet, missed } = applied;
        if action == PacketAction::Swap && packet.direction == Direction::FromBoard {
            self.violations().reorder();
        }
        let fault = match action {
            PacketAction::Answer(code) => Fault::AnswerConnect(code),
            PacketAction::Hold(span) => Fault::HoldConnack(span),
            action => Fault::Next(action, packet),
        };
        if missed {
            self.state.fault_missed(&self.recorder, &fault);
            return;
        }
        self.state.fault_applied(&self.recorder, &fault);
        if let PacketAction::Hold(span) = action {
            self.hold(span, &fault);
        }
    }

    /// Silences the direction to the board, for a time or until the fault ends.
    fn hold(&self, span: Option<Duration>, fault: &Fault) {
        let number = self.state.silence(fault, &[PathDirection::Downstream]);
        let Some(span) = span else { return };
        let (state, recorder) = (Arc::clone(&self.state), self.recorder.clone());
        tokio::spawn(async move {
            tokio::select! {
                // The end of the scenario ends its faults.
                () = state.route_closed() => {}
                () = tokio::time::sleep(span) => state.end_fault(&recorder, number),
            }
        });
    }
}

impl Watch for ConnectionRecorder {
    fn read(&self, way: PathDirection, bytes: Vec<u8>) -> Vec<Piece> {
        if self.opaque {
            return vec![Piece::from(bytes)];
        }
        let (pieces, applied) = self.gate.pass(way, bytes, &self.state.armed);
        applied.into_iter().for_each(|applied| self.applied(applied));
        let answered = pieces.iter().any(|piece| piece.reply);
        let is_left = |piece: &Piece| {
            // A packet that the tap answers is recorded before the answer, which goes the other way.
            let is_reported = answered && piece.dropped;
            if is_reported {
                self.forwarding(way, &piece.bytes, piece.tag);
            }
            !is_reported
        };
        pieces.into_iter().filter(is_left).collect()
    }

    fn flush(&self, way: PathDirection) -> Vec<Piece> {
        self.gate.flush(way)
    }

    fn forwarding(&self, way: PathDirection, bytes: &[u8], tag: u8) {
        let direction = direction(way);
        if self.opaque {
            self.capture(self.recorder.now(), direction, None, bytes, None);
            return;
        }
        let disposition = disposition_of(tag);
        // What is dropped or incomplete must not disturb the decoding of later packets.
        if let Some(disposition) = disposition
            && (disposition == Disposition::Dropped || !is_whole(bytes))
        {
            let packet = Some(decode_alone(bytes, self.gate.protocol()));
            self.record(direction, Some(disposition), vec![Decoded { packet, size: bytes.len(), raw: bytes.to_vec() }]);
            return;
        }
        let seen = self.decoder.lock().push(direction, bytes);
        self.record(direction, disposition, seen);
    }

    fn ending(&self, ended: Ended) {
        let change = ConnectionChange::Closed { how: describe(ended).to_owned() };
        let (board, connection) = (self.state.board.clone(), self.connection);
        let event = self.recorder.record(What::Connection { board, connection, peer: Some(self.peer), change });
        if let (Some(wire), Ended::Closed(way)) = (&self.wire, ended) {
            wire.fin(event.at, way == PathDirection::Upstream);
        }
    }
}

fn describe(ended: Ended) -> &'static str {
    match ended {
        Ended::Closed(PathDirection::Upstream) => "closed by the board",
        Ended::Closed(PathDirection::Downstream) => "closed by the broker",
        Ended::Broken(PathDirection::Upstream) => "reset by the board",
        Ended::Broken(PathDirection::Downstream) => "reset by the broker",
        Ended::Ordered(Ending::Close | Ending::Abandon) => "closed by the bench",
        Ended::Ordered(Ending::Reset) => "reset by the bench",
    }
}

/// Requests that wait for their answers.
#[derive(Debug, Default)]
struct PendingRequests(HashMap<(Direction, RequestKind, u16), Stamp>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum RequestKind {
    Connect,
    Publish,
    Pubrel,
    Subscribe,
    Unsubscribe,
    Ping,
}

impl PendingRequests {
    /// Notes a request; returns how long ago the request passed that this packet answers.
    fn answer(&mut self, direction: Direction, packet: &Packet, now: Stamp) -> Option<u64> {
        /// More are not noted: a client may send requests without ever waiting for answers.
        const REMEMBERED: usize = 100_000;
        let asks = match packet {
            Packet::Connect { .. } => Some((RequestKind::Connect, 0)),
            Packet::Publish { packet_id: Some(id), .. } => Some((RequestKind::Publish, *id)),
            Packet::Pubrel { packet_id, .. } => Some((RequestKind::Pubrel, *packet_id)),
            Packet::Subscribe { packet_id, .. } => Some((RequestKind::Subscribe, *packet_id)),
            Packet::Unsubscribe { packet_id, .. } => Some((RequestKind::Unsubscribe, *packet_id)),
            Packet::Pingreq => Some((RequestKind::Ping, 0)),
            _ => None,
        };
        if let Some((request, id)) = asks {
            if self.0.len() < REMEMBERED {
                self.0.insert((direction, request, id), now);
            }
            // A PUBREL answers a PUBREC; only its own answer is timed.
            return None;
        }
        let answers = match packet {
            Packet::Connack { .. } => (RequestKind::Connect, 0),
            Packet::Puback { packet_id, .. } | Packet::Pubrec { packet_id, .. } => (RequestKind::Publish, *packet_id),
            Packet::Pubcomp { packet_id, .. } => (RequestKind::Pubrel, *packet_id),
            Packet::Suback { packet_id, .. } => (RequestKind::Subscribe, *packet_id),
            Packet::Unsuback { packet_id, .. } => (RequestKind::Unsubscribe, *packet_id),
            Packet::Pingresp => (RequestKind::Ping, 0),
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
