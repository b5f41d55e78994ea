//! Does to single packets of a connection what faults ask for; without any, bytes pass as they come.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use hil_link::{Piece, Way};
use hil_timeline::{Direction, Fate, Packet};
use parking_lot::{Mutex, MutexGuard};

use super::budget::{Share, memory};
use super::decoder::{decode_alone, name_and_topic};
use super::fault::{Deed, PacketMatch};
use super::frame::{Frame, frame};

/// What waits for a packet of a board; shared by all its connections.
#[derive(Debug, Default)]
pub(super) struct Armed(Mutex<VecDeque<(Deed, PacketMatch)>>);

impl Armed {
    pub(super) fn arm(&self, deed: Deed, packet: PacketMatch) {
        self.lock().push_back((deed, packet));
    }

    /// Forgets all that still waits; gives it back.
    pub(super) fn disarm(&self) -> Vec<(Deed, PacketMatch)> {
        self.lock().drain(..).collect()
    }

    /// What has waited longest.
    pub(super) fn first(&self) -> Option<(Deed, PacketMatch)> {
        self.lock().front().cloned()
    }

    fn waits_for(&self, direction: Direction) -> bool {
        self.lock().iter().any(|(_, packet)| packet.direction == direction)
    }

    fn take(&self, direction: Direction, packet: &Packet) -> Option<(Deed, PacketMatch)> {
        let mut armed = self.lock();
        let at = armed.iter().position(|(_, wanted)| wanted.matches(direction, packet))?;
        armed.remove(at)
    }

    /// What waits for a packet of which these bytes are the beginning.
    fn take_unread(&self, direction: Direction, begins: &[u8]) -> Option<(Deed, PacketMatch)> {
        let (name, topic) = name_and_topic(begins);
        let mut armed = self.lock();
        let at = armed.iter().position(|(_, wanted)| wanted.may_match(direction, name, topic))?;
        armed.remove(at)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Deed, PacketMatch)>> {
        self.0.lock()
    }
}

/// One connection's way through the faults.
#[derive(Debug, Default)]
pub(super) struct Gate {
    up: Mutex<Lane>,
    down: Mutex<Lane>,
    protocol: AtomicU8,
}

/// Where a way stands between two packets.
#[derive(Debug, Default)]
struct Lane {
    /// Bytes of the current packet that have yet to pass.
    rest: usize,
    /// The beginning of a packet whose length is not known yet; passed already.
    head: Vec<u8>,
    /// Kept until its packet is whole, since something waits for one.
    kept: Vec<u8>,
    /// Waits for the next packet to go first.
    stash: Option<Vec<u8>>,
    /// Of the budget for unfinished packets.
    share: Share,
    /// The framing is lost.
    lost: bool,
}

/// What happened to a packet.
#[derive(Debug)]
pub(super) struct Happened {
    pub(super) deed: Deed,
    pub(super) packet: PacketMatch,
    /// The packet was too large to be kept, and passed as it was.
    pub(super) missed: bool,
}

pub(super) fn direction(way: Way) -> Direction {
    match way {
        Way::Up => Direction::FromBoard,
        Way::Down => Direction::ToBoard,
    }
}

/// The marks of pieces.
pub(super) fn fate(tag: u8) -> Option<Fate> {
    [Fate::Dropped, Fate::Late, Fate::Injected].into_iter().find(|fate| tag_of(*fate) == tag)
}

fn tag_of(fate: Fate) -> u8 {
    match fate {
        Fate::Dropped => 1,
        Fate::Late => 2,
        Fate::Injected => 3,
    }
}

impl Gate {
    /// What shall be written in the place of what was read, and what happened on the way.
    pub(super) fn pass(&self, way: Way, bytes: Vec<u8>, armed: &Armed) -> (Vec<Piece>, Vec<Happened>) {
        let lane = match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        };
        let mut lane = lane.lock();
        let direction = direction(way);
        if !armed.waits_for(direction) && lane.kept.is_empty() && lane.stash.is_none() {
            lane.follow(&bytes);
            return (vec![Piece::from(bytes)], Vec::new());
        }
        let mut out = Out::default();
        let passing = lane.follow_to_the_next(&bytes);
        out.pass(&bytes[..passing]);
        lane.kept.extend(&bytes[passing..]);
        while !lane.kept.is_empty() {
            match frame(&lane.kept) {
                Some(Frame::Whole { header, length }) => {
                    let packet: Vec<u8> = lane.kept.drain(..header + length).collect();
                    self.packet(packet, direction, armed, &mut lane, &mut out);
                }
                // So much is not kept: what waits for it can't happen to it.
                Some(Frame::TooLarge { .. }) => {
                    out.miss(armed.take_unread(direction, &lane.kept));
                    break;
                }
                Some(Frame::Broken) => break,
                // The rest of it may still be what is waited for.
                Some(Frame::Part { .. }) | None if armed.waits_for(direction) || lane.stash.is_some() => {
                    if lane.fits() {
                        return (out.pieces, out.happened);
                    }
                    lane.give_up_swap(direction, &mut out);
                    out.miss(armed.take_unread(direction, &lane.kept));
                    break;
                }
                Some(Frame::Part { .. }) | None => break,
            }
        }
        let kept = std::mem::take(&mut lane.kept);
        lane.follow(&kept);
        out.pass(&kept);
        // Never into the middle of a packet that passes: then with its end.
        let (fits, is_between) = (lane.fits(), lane.rest == 0 && lane.head.is_empty());
        if !fits && is_between {
            lane.give_up_swap(direction, &mut out);
        }
        (out.pieces, out.happened)
    }

    fn packet(&self, bytes: Vec<u8>, direction: Direction, armed: &Armed, lane: &mut Lane, out: &mut Out) {
        let packet = decode_alone(&bytes, self.protocol.load(Ordering::Relaxed));
        self.learn(&packet);
        let Some((deed, wanted)) = armed.take(direction, &packet) else {
            out.pass(&bytes);
            if let Some(stashed) = lane.stash.take() {
                out.marked(stashed, Fate::Late, Duration::ZERO);
            }
            return;
        };
        out.happened.push(Happened { deed, packet: wanted, missed: false });
        match deed {
            Deed::Drop => out.swallow(bytes),
            Deed::Duplicate => {
                out.pass(&bytes);
                out.marked(bytes, Fate::Injected, Duration::ZERO);
            }
            Deed::Delay(by) => out.marked(bytes, Fate::Late, by),
            Deed::Corrupt => {
                let mut corrupt = bytes.clone();
                out.swallow(bytes);
                if let Some(last) = corrupt.last_mut() {
                    *last ^= 1;
                }
                out.marked(corrupt, Fate::Injected, Duration::ZERO);
            }
            Deed::Swap => {
                if let Some(earlier) = lane.stash.replace(bytes) {
                    out.marked(earlier, Fate::Late, Duration::ZERO);
                }
            }
            Deed::Answer(code) => {
                out.swallow(bytes);
                // §3.2: no flags, the code, and in MQTT 5 no properties. The broker never hears of it.
                let refusal: &[u8] = if self.protocol() == 5 { &[0x20, 3, 0, code, 0] } else { &[0x20, 2, 0, code] };
                out.marked(refusal.to_vec(), Fate::Injected, Duration::ZERO);
                if let Some(piece) = out.pieces.last_mut() {
                    (piece.turned, piece.last) = (true, true);
                }
            }
            Deed::Hold(_) => out.pass(&bytes),
        }
    }

    /// What was kept when no more bytes come.
    pub(super) fn flush(&self, way: Way) -> Vec<Piece> {
        let lane = match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        };
        let mut lane = lane.lock();
        let mut out = Out::default();
        if let Some(stashed) = lane.stash.take() {
            out.marked(stashed, Fate::Late, Duration::ZERO);
        }
        out.pass(&std::mem::take(&mut lane.kept));
        lane.fits();
        out.pieces
    }

    /// The protocol version is needed to decode what comes later.
    pub(super) fn learn(&self, packet: &Packet) {
        if let Packet::Connect { protocol, .. } = packet {
            self.protocol.store(*protocol, Ordering::Relaxed);
        }
    }

    pub(super) fn protocol(&self) -> u8 {
        self.protocol.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
struct Out {
    pieces: Vec<Piece>,
    happened: Vec<Happened>,
}

impl Out {
    /// Goes on as it came.
    fn pass(&mut self, bytes: &[u8]) {
        match self.pieces.last_mut() {
            Some(piece) if piece.tag == 0 && !piece.swallowed => piece.bytes.extend(bytes),
            _ if bytes.is_empty() => {}
            _ => self.pieces.push(Piece::from(bytes.to_vec())),
        }
    }

    fn marked(&mut self, bytes: Vec<u8>, fate: Fate, late: Duration) {
        self.pieces.push(Piece { late, tag: tag_of(fate), ..Piece::from(bytes) });
    }

    /// What waited for a packet that passes unread.
    fn miss(&mut self, waited: Option<(Deed, PacketMatch)>) {
        self.happened.extend(waited.map(|(deed, packet)| Happened { deed, packet, missed: true }));
    }

    fn swallow(&mut self, bytes: Vec<u8>) {
        self.pieces.push(Piece { tag: tag_of(Fate::Dropped), swallowed: true, ..Piece::from(bytes) });
    }
}

impl Lane {
    /// Whether the budget allows what is kept.
    fn fits(&mut self) -> bool {
        self.share.keep(memory(&mut self.kept) + self.stash.as_mut().map_or(0, memory))
    }

    /// What waits for the next packet to go first goes before it, as it was sent.
    fn give_up_swap(&mut self, direction: Direction, out: &mut Out) {
        let Some(stashed) = self.stash.take() else { return };
        let (name, topic) = name_and_topic(&stashed);
        let packet = PacketMatch { name: name.to_owned(), direction, topic: topic.map(str::to_owned) };
        out.miss(Some((Deed::Swap, packet)));
        out.marked(stashed, Fate::Late, Duration::ZERO);
        self.fits();
    }

    /// Keeps track of where packets begin while bytes pass.
    fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.lost {
            let passing = self.follow_to_the_next(bytes);
            bytes = &bytes[passing..];
            if !bytes.is_empty() && self.rest == 0 {
                self.begin(&mut bytes);
            }
        }
    }

    /// How many of these bytes belong to the packet that has begun to pass.
    fn follow_to_the_next(&mut self, bytes: &[u8]) -> usize {
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
                // What was taken beyond the header is looked at again as part of the rest.
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
