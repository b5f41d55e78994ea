//! Applies faults to single packets of a connection; without faults, bytes pass unchanged.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use hil_link::{PathDirection, Piece};
use hil_timeline::{Direction, Disposition, Packet};
use parking_lot::{Mutex, MutexGuard};

use super::fault::{PacketAction, PacketMatch};
use crate::budget::{Share, memory};
use crate::decoder::{Frame, frame};
use crate::decoder::{decode_alone, name_and_topic};

/// What waits for a packet of a board; shared by all its connections.
#[derive(Debug, Default)]
pub(super) struct Armed(Mutex<VecDeque<(PacketAction, PacketMatch)>>);

impl Armed {
    pub(super) fn arm(&self, action: PacketAction, packet: PacketMatch) {
        self.lock().push_back((action, packet));
    }

    /// Forgets all that still waits; gives it back.
    pub(super) fn disarm(&self) -> Vec<(PacketAction, PacketMatch)> {
        self.lock().drain(..).collect()
    }

    /// What has waited longest.
    pub(super) fn first(&self) -> Option<(PacketAction, PacketMatch)> {
        self.lock().front().cloned()
    }

    fn waits_for(&self, direction: Direction) -> bool {
        self.lock().iter().any(|(_, packet)| packet.direction == direction)
    }

    fn take(&self, direction: Direction, packet: &Packet) -> Option<(PacketAction, PacketMatch)> {
        let mut armed = self.lock();
        let at = armed.iter().position(|(_, wanted)| wanted.matches(direction, packet))?;
        armed.remove(at)
    }

    /// What waits for a packet of which these bytes are the beginning.
    fn take_by_header(&self, direction: Direction, header: &[u8]) -> Option<(PacketAction, PacketMatch)> {
        let (name, topic) = name_and_topic(header);
        let mut armed = self.lock();
        let at = armed.iter().position(|(_, wanted)| wanted.may_match(direction, name, topic))?;
        armed.remove(at)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(PacketAction, PacketMatch)>> {
        self.0.lock()
    }
}

/// Applies faults to the packets of one connection.
#[derive(Debug, Default)]
pub(super) struct Gate {
    up: Mutex<Framing>,
    down: Mutex<Framing>,
    protocol: AtomicU8,
}

/// The state of one direction between two packets.
#[derive(Debug, Default)]
struct Framing {
    /// Bytes of the current packet that have yet to pass.
    rest: usize,
    /// The beginning of a packet whose length is not known yet; passed already.
    head: Vec<u8>,
    /// Bytes held back until their packet is complete, since a fault waits for one.
    kept: Vec<u8>,
    /// A packet that waits until the next one has passed.
    stash: Option<Vec<u8>>,
    /// Its share of the budget for unfinished packets.
    share: Share,
    /// The framing is lost.
    lost: bool,
}

/// A fault that was applied to a packet, or missed it.
#[derive(Debug)]
pub(super) struct AppliedFault {
    pub(super) action: PacketAction,
    pub(super) packet: PacketMatch,
    /// The packet was too large to keep, and passed unchanged.
    pub(super) missed: bool,
}

pub(super) fn direction(way: PathDirection) -> Direction {
    match way {
        PathDirection::Upstream => Direction::FromBoard,
        PathDirection::Downstream => Direction::ToBoard,
    }
}

/// The tag of a piece as a disposition.
pub(super) fn disposition_of(tag: u8) -> Option<Disposition> {
    [Disposition::Dropped, Disposition::Late, Disposition::Injected]
        .into_iter()
        .find(|disposition| tag_of(*disposition) == tag)
}

fn tag_of(disposition: Disposition) -> u8 {
    match disposition {
        Disposition::Dropped => 1,
        Disposition::Late => 2,
        Disposition::Injected => 3,
    }
}

impl Gate {
    /// Returns what to write instead of what was read, and the faults that were applied.
    pub(super) fn pass(&self, way: PathDirection, bytes: Vec<u8>, armed: &Armed) -> (Vec<Piece>, Vec<AppliedFault>) {
        let framing = match way {
            PathDirection::Upstream => &self.up,
            PathDirection::Downstream => &self.down,
        };
        let mut framing = framing.lock();
        let direction = direction(way);
        if !armed.waits_for(direction) && framing.kept.is_empty() && framing.stash.is_none() {
            framing.follow(&bytes);
            return (vec![Piece::from(bytes)], Vec::new());
        }
        let mut out = Output::default();
        let passing = framing.skip_current_packet(&bytes);
        out.pass(&bytes[..passing]);
        framing.kept.extend(&bytes[passing..]);
        while !framing.kept.is_empty() {
            match frame(&framing.kept) {
                Some(Frame::Whole { header, length }) => {
                    let packet: Vec<u8> = framing.kept.drain(..header + length).collect();
                    self.packet(packet, direction, armed, &mut framing, &mut out);
                }
                // A packet of this size is not kept: a fault that waits for it can't be applied.
                Some(Frame::TooLarge { .. }) => {
                    out.miss(armed.take_by_header(direction, &framing.kept));
                    break;
                }
                Some(Frame::Broken) => break,
                // The rest of the packet may still match.
                Some(Frame::Part { .. }) | None if armed.waits_for(direction) || framing.stash.is_some() => {
                    if framing.within_budget() {
                        return (out.pieces, out.applied);
                    }
                    framing.abort_swap(direction, &mut out);
                    out.miss(armed.take_by_header(direction, &framing.kept));
                    break;
                }
                Some(Frame::Part { .. }) | None => break,
            }
        }
        let kept = std::mem::take(&mut framing.kept);
        framing.follow(&kept);
        out.pass(&kept);
        // Never inserted into a packet that is passing, but after it.
        let (within_budget, is_between) = (framing.within_budget(), framing.rest == 0 && framing.head.is_empty());
        if !within_budget && is_between {
            framing.abort_swap(direction, &mut out);
        }
        (out.pieces, out.applied)
    }

    fn packet(&self, bytes: Vec<u8>, direction: Direction, armed: &Armed, framing: &mut Framing, out: &mut Output) {
        let packet = decode_alone(&bytes, self.protocol.load(Ordering::Relaxed));
        self.note_protocol(&packet);
        let Some((action, wanted)) = armed.take(direction, &packet) else {
            out.pass(&bytes);
            if let Some(stashed) = framing.stash.take() {
                out.push_tagged(stashed, Disposition::Late, Duration::ZERO);
            }
            return;
        };
        out.applied.push(AppliedFault { action, packet: wanted, missed: false });
        match action {
            PacketAction::Drop => out.drop_packet(bytes),
            PacketAction::Duplicate => {
                out.pass(&bytes);
                out.push_tagged(bytes, Disposition::Injected, Duration::ZERO);
            }
            PacketAction::Delay(by) => out.push_tagged(bytes, Disposition::Late, by),
            PacketAction::Corrupt => {
                let mut corrupt = bytes.clone();
                out.drop_packet(bytes);
                if let Some(last) = corrupt.last_mut() {
                    *last ^= 1;
                }
                out.push_tagged(corrupt, Disposition::Injected, Duration::ZERO);
            }
            PacketAction::Swap => {
                if let Some(earlier) = framing.stash.replace(bytes) {
                    out.push_tagged(earlier, Disposition::Late, Duration::ZERO);
                }
            }
            PacketAction::Answer(code) => {
                out.drop_packet(bytes);
                // §3.2: no flags, the code, and in MQTT 5 no properties. The broker does not see the CONNECT.
                let refusal: &[u8] = if self.protocol() == 5 { &[0x20, 3, 0, code, 0] } else { &[0x20, 2, 0, code] };
                out.push_tagged(refusal.to_vec(), Disposition::Injected, Duration::ZERO);
                if let Some(piece) = out.pieces.last_mut() {
                    (piece.reply, piece.closes) = (true, true);
                }
            }
            PacketAction::Hold(_) => out.pass(&bytes),
        }
    }

    /// Returns what is held back when the source has ended.
    pub(super) fn flush(&self, way: PathDirection) -> Vec<Piece> {
        let framing = match way {
            PathDirection::Upstream => &self.up,
            PathDirection::Downstream => &self.down,
        };
        let mut framing = framing.lock();
        let mut out = Output::default();
        if let Some(stashed) = framing.stash.take() {
            out.push_tagged(stashed, Disposition::Late, Duration::ZERO);
        }
        out.pass(&std::mem::take(&mut framing.kept));
        framing.within_budget();
        out.pieces
    }

    /// Notes the protocol version, which is needed to decode later packets.
    pub(super) fn note_protocol(&self, packet: &Packet) {
        if let Packet::Connect { protocol, .. } = packet {
            self.protocol.store(*protocol, Ordering::Relaxed);
        }
    }

    pub(super) fn protocol(&self) -> u8 {
        self.protocol.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
struct Output {
    pieces: Vec<Piece>,
    applied: Vec<AppliedFault>,
}

impl Output {
    /// Passes bytes unchanged.
    fn pass(&mut self, bytes: &[u8]) {
        match self.pieces.last_mut() {
            Some(piece) if piece.tag == 0 && !piece.dropped => piece.bytes.extend(bytes),
            _ if bytes.is_empty() => {}
            _ => self.pieces.push(Piece::from(bytes.to_vec())),
        }
    }

    fn push_tagged(&mut self, bytes: Vec<u8>, disposition: Disposition, late: Duration) {
        self.pieces.push(Piece { late, tag: tag_of(disposition), ..Piece::from(bytes) });
    }

    /// Reports a fault whose packet passes undecoded.
    fn miss(&mut self, waited: Option<(PacketAction, PacketMatch)>) {
        self.applied.extend(waited.map(|(action, packet)| AppliedFault { action, packet, missed: true }));
    }

    fn drop_packet(&mut self, bytes: Vec<u8>) {
        self.pieces.push(Piece { tag: tag_of(Disposition::Dropped), dropped: true, ..Piece::from(bytes) });
    }
}

impl Framing {
    /// Whether the budget allows what is held back.
    fn within_budget(&mut self) -> bool {
        self.share.keep(memory(&mut self.kept) + self.stash.as_mut().map_or(0, memory))
    }

    /// The packet that waits for the next one passes now, in the original order.
    fn abort_swap(&mut self, direction: Direction, out: &mut Output) {
        let Some(stashed) = self.stash.take() else { return };
        let (name, topic) = name_and_topic(&stashed);
        let packet = PacketMatch { name: name.to_owned(), direction, topic: topic.map(str::to_owned) };
        out.miss(Some((PacketAction::Swap, packet)));
        out.push_tagged(stashed, Disposition::Late, Duration::ZERO);
        self.within_budget();
    }

    /// Tracks where packets begin while bytes pass.
    fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.lost {
            let passing = self.skip_current_packet(bytes);
            bytes = &bytes[passing..];
            if !bytes.is_empty() && self.rest == 0 {
                self.begin(&mut bytes);
            }
        }
    }

    /// How many of these bytes belong to the current packet.
    fn skip_current_packet(&mut self, bytes: &[u8]) -> usize {
        if self.lost {
            return bytes.len();
        }
        let mut rest = bytes;
        if !self.head.is_empty() {
            self.begin(&mut rest);
        }
        let passing = self.rest.min(rest.len());
        self.rest -= passing;
        if self.lost { bytes.len() } else { bytes.len() - rest.len() + passing }
    }

    /// Takes the header of a packet, or as much of it as there is.
    fn begin(&mut self, bytes: &mut &[u8]) {
        /// Type and flags, and up to four bytes of length.
        const HEADER: usize = 5;
        let known = self.head.len();
        self.head.extend(bytes.iter().take(HEADER - known));
        match frame(&self.head) {
            Some(
                Frame::Whole { header, length } | Frame::Part { header, length } | Frame::TooLarge { header, length },
            ) => {
                // Bytes after the header are handled as part of the body.
                *bytes = &bytes[header - known..];
                self.rest = length;
                self.head.clear();
            }
            Some(Frame::Broken) => {
                self.lost = true;
                *bytes = &[];
            }
            None => *bytes = &[],
        }
    }
}
