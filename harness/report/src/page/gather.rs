//! Gathers what the page draws, attempt by attempt, packed as soon as each has ended: a long run needs little memory.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use hil_timeline::{ConnectionChange, FaultPhase, Packet, RunEvent, ScenarioId, Stamp, Verdict, What};
use serde_json::{Value, json};

use crate::words::row;

/// Events of an attempt that are drawn; of more, those in the middle are left out.
const FIRST: usize = 5_000;
const LAST: usize = 15_000;

/// Packed bytes of all attempts; base64 makes a third more of them. What passed is left out first.
const BUDGET: usize = 10_000_000;
const BUDGET_OF_PASSED: usize = 6_000_000;

/// What the page draws of one attempt.
#[derive(Debug)]
pub(super) struct Chunk {
    /// JSON in zlib's format (RFC 1950); empty where it is left out.
    pub(super) packed: Vec<u8>,
    pub(super) events: usize,
}

/// Gathers events for a page.
#[derive(Debug, Default)]
pub struct Gathering {
    open: BTreeMap<ScenarioId, Open>,
    chunks: Vec<Chunk>,
    places: HashMap<ScenarioId, usize>,
    spent: usize,
}

#[derive(Debug)]
struct Open {
    started: Stamp,
    boards: Vec<String>,
    first: Vec<String>,
    last: VecDeque<String>,
    left_out: usize,
    sessions: BTreeMap<String, Session>,
    /// A step runs: what ends a connection after the last one is the end of the stage.
    in_step: bool,
    wills: Vec<Value>,
}

/// A session with a will, whose keep alive the broker counts from its last packet.
#[derive(Debug)]
struct Session {
    connection: u32,
    keep_alive: u16,
    last: Stamp,
}

impl Gathering {
    /// Takes the next event.
    pub fn take(&mut self, event: &RunEvent) {
        let Some(id) = event.scenario else {
            // It concerns all that runs.
            if matches!(event.what, What::Stalled { .. }) {
                self.open.values_mut().for_each(|open| open.take(event));
            }
            return;
        };
        match &event.what {
            What::ScenarioStarted { .. } => {
                self.open.insert(id, Open::at(event.at));
            }
            What::ScenarioFinished { verdict, .. } => {
                if let Some(open) = self.open.remove(&id) {
                    self.close(id, open, *verdict);
                }
            }
            _ => {
                if let Some(open) = self.open.get_mut(&id) {
                    open.take(event);
                }
            }
        }
    }

    /// Takes what a killed run left open.
    pub fn finish(&mut self) {
        for (id, open) in std::mem::take(&mut self.open) {
            self.close(id, open, Verdict::Aborted);
        }
    }

    fn close(&mut self, id: ScenarioId, open: Open, verdict: Verdict) {
        let events = open.first.len() + open.last.len() + open.left_out;
        let budget = if verdict == Verdict::Passed { BUDGET_OF_PASSED } else { BUDGET };
        let packed = if events > 0 && self.spent < budget { open.pack() } else { Vec::new() };
        self.spent += packed.len();
        self.places.insert(id, self.chunks.len());
        self.chunks.push(Chunk { packed, events });
    }

    pub(super) fn of(&self, id: ScenarioId) -> Option<(usize, &Chunk)> {
        let place = *self.places.get(&id)?;
        Some((place, self.chunks.get(place)?))
    }

    pub(super) fn chunks(&self) -> impl Iterator<Item = (usize, &Chunk)> {
        self.chunks.iter().enumerate().filter(|(_, chunk)| !chunk.packed.is_empty())
    }
}

impl Open {
    fn at(started: Stamp) -> Self {
        Self {
            started,
            boards: Vec::new(),
            first: Vec::new(),
            last: VecDeque::new(),
            left_out: 0,
            sessions: BTreeMap::new(),
            in_step: false,
            wills: Vec::new(),
        }
    }

    fn take(&mut self, event: &RunEvent) {
        match event.what {
            What::StepStarted { .. } => self.in_step = true,
            What::StepFinished { .. } => self.in_step = false,
            _ => {}
        }
        self.follow_wills(event);
        let Some(row) = row(event) else { return };
        let board = event.what.board().map(|board| self.board(board));
        let at = self.within(event.at);
        let line = match row.extra {
            Some(extra) => json!([at, board, row.kind as u8, row.text, extra]),
            None => json!([at, board, row.kind as u8, row.text]),
        };
        let line = line.to_string();
        if self.first.len() < FIRST {
            self.first.push(line);
            return;
        }
        if self.last.len() == LAST {
            self.last.pop_front();
            self.left_out += 1;
        }
        self.last.push_back(line);
    }

    fn within(&self, at: Stamp) -> u64 {
        u64::try_from(at.since(self.started).as_micros()).unwrap_or(u64::MAX)
    }

    fn board(&mut self, name: &str) -> usize {
        self.boards.iter().position(|board| board == name).unwrap_or_else(|| {
            self.boards.push(name.to_owned());
            self.boards.len() - 1
        })
    }

    /// A broker publishes the will one and a half keep alives after the last packet, at the latest (MQTT 3.1.1
    /// §3.1.2.10); that time is shaded where the connection ended without a DISCONNECT.
    fn follow_wills(&mut self, event: &RunEvent) {
        if let Some((board, connection, packet)) = event.what.sent_by_board() {
            match packet {
                Packet::Connect { will: Some(_), keep_alive, .. } => {
                    let session = Session { connection, keep_alive: *keep_alive, last: event.at };
                    self.sessions.insert(board.to_owned(), session);
                }
                Packet::Disconnect { .. } => drop(self.sessions.remove(board)),
                _ => {
                    if let Some(session) = self.sessions.get_mut(board).filter(|it| it.connection == connection) {
                        session.last = event.at;
                    }
                }
            }
            return;
        }
        let ended = match &event.what {
            What::Power { board, on: false, .. } | What::Fault { board, phase: FaultPhase::Begins, .. } => board,
            What::Connection { board, connection, change: ConnectionChange::Closed { .. } }
                if self.sessions.get(board).is_some_and(|session| session.connection == *connection) =>
            {
                board
            }
            _ => return,
        };
        let Some(session) = self.sessions.remove(ended) else { return };
        if session.keep_alive > 0 && self.in_step {
            let from = self.within(session.last);
            let to = from + u64::from(session.keep_alive) * 1_500_000;
            let text = format!("{ended}: the will is due until 1.5 × keep alive ({} s)", session.keep_alive);
            self.wills.push(json!([from, to, text]));
        }
    }

    fn pack(&self) -> Vec<u8> {
        let rows = self.first.iter().chain(&self.last).map(String::as_str).collect::<Vec<_>>().join(",");
        let rest = json!({ "boards": self.boards, "wills": self.wills, "left_out": self.left_out }).to_string();
        let text = format!("{},\"rows\":[{rows}]}}", rest.trim_end_matches('}'));
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        // Writing to memory does not fail.
        let _ = encoder.write_all(text.as_bytes());
        encoder.finish().unwrap_or_default()
    }
}
