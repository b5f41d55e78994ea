//! Collects what the page draws, attempt by attempt, compressed when each has ended: a long run needs little memory.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use hil_timeline::{RunEvent, ScenarioId, Stamp, Verdict, What};
use serde_json::{Value, json};

use crate::words::row;

/// Events of an attempt to draw; beyond that, those in the middle are left out.
const FIRST: usize = 5_000;
const LAST: usize = 15_000;

/// Compressed bytes of all attempts; base64 adds a third. Passed attempts are left out first.
const BUDGET: usize = 10_000_000;
const BUDGET_OF_PASSED: usize = 6_000_000;

/// The drawing data of one attempt.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// JSON in zlib format (RFC 1950); empty if it is left out.
    pub(crate) packed: Vec<u8>,
    pub(crate) events: usize,
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
    /// Windows in which a will was due, as computed by the steps.
    wills: Vec<Value>,
    /// The values of each gauge of a board: microseconds since the attempt began, and the value.
    gauges: BTreeMap<(String, String), Vec<(u64, f64)>>,
}

impl Gathering {
    /// Takes the next event.
    pub fn take(&mut self, event: &RunEvent) {
        let Some(id) = event.scenario else {
            // It concerns all running scenarios.
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

    /// Completes the attempts that a killed run left open.
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

    pub(crate) fn of(&self, id: ScenarioId) -> Option<(usize, &Chunk)> {
        let place = *self.places.get(&id)?;
        Some((place, self.chunks.get(place)?))
    }

    pub(crate) fn chunks(&self) -> impl Iterator<Item = (usize, &Chunk)> {
        self.chunks.iter().enumerate().filter(|(_, chunk)| !chunk.packed.is_empty())
    }
}

/// Adds a point of a curve. One with many loses every second point: its shape remains.
fn add_point(points: &mut Vec<(u64, f64)>, point: (u64, f64)) {
    const MOST: usize = 4_000;
    if points.len() >= MOST {
        let mut keep = false;
        points.retain(|_| {
            keep = !keep;
            keep
        });
    }
    points.push(point);
}

impl Open {
    fn at(started: Stamp) -> Self {
        Self {
            started,
            boards: Vec::new(),
            first: Vec::new(),
            last: VecDeque::new(),
            left_out: 0,
            wills: Vec::new(),
            gauges: BTreeMap::new(),
        }
    }

    fn take(&mut self, event: &RunEvent) {
        if let What::WillWindow { board, from, until, reason } = &event.what {
            let text = format!("{board}: the will is due, {reason}");
            self.wills.push(json!([self.within(*from), self.within(*until), text]));
        }
        if let What::Gauge { board, gauge, value, came } = &event.what {
            let at = self.within(*came);
            add_point(self.gauges.entry((board.clone(), gauge.clone())).or_default(), (at, *value));
        }
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

    fn pack(&self) -> Vec<u8> {
        let rows = self.first.iter().chain(&self.last).map(String::as_str).collect::<Vec<_>>().join(",");
        let gauge = |((board, gauge), points): (&(String, String), &Vec<(u64, f64)>)| json!({ "board": board, "name": gauge, "points": points });
        let gauges: Vec<_> = self.gauges.iter().map(gauge).collect();
        let rest = json!({
            "boards": self.boards, "gauges": gauges, "wills": self.wills, "left_out": self.left_out,
        });
        let rest = rest.to_string();
        let text = format!("{},\"rows\":[{rows}]}}", rest.trim_end_matches('}'));
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        // Writing to memory does not fail.
        let _ = encoder.write_all(text.as_bytes());
        encoder.finish().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::ZlibDecoder;
    use hil_timeline::ScenarioInfo;

    use super::*;

    #[test]
    fn a_gauge_is_a_curve_and_a_long_one_keeps_its_ends() {
        let mut gathering = Gathering::default();
        let mut record = |seq: u64, at: u64, what: What| {
            gathering.take(&RunEvent { seq, at: Stamp(at), scenario: Some(ScenarioId(1)), what });
        };
        record(0, 1_000, What::ScenarioStarted { info: ScenarioInfo::default(), attempt: 1, repetition: None });
        for n in 0..10_000_u32 {
            let (board, gauge) = ("lamp".to_owned(), "heap".to_owned());
            let came = Stamp(2_000 + u64::from(n));
            record(u64::from(n) + 1, 9_000_000, What::Gauge { board, gauge, value: f64::from(n), came });
        }
        record(10_001, 9_000_001, What::Console { board: "lamp".into(), line: "up".into() });
        record(10_002, 9_000_002, What::ScenarioFinished { verdict: Verdict::Passed, failure: None });
        let (_, chunk) = gathering.chunks().next().expect("a chunk");
        assert_eq!(chunk.events, 1, "a value has no row of its own");
        let mut text = String::new();
        ZlibDecoder::new(chunk.packed.as_slice()).read_to_string(&mut text).expect("zlib");
        let data: Value = serde_json::from_str(&text).expect("JSON");
        let gauge = &data["gauges"][0];
        assert_eq!((&gauge["board"], &gauge["name"]), (&json!("lamp"), &json!("heap")));
        let points = gauge["points"].as_array().expect("points");
        assert!((2_000..=4_000).contains(&points.len()), "{}", points.len());
        assert_eq!(points.last(), Some(&json!([10_999, 9_999.0])), "since the attempt began");
        assert!(points[0][1].as_f64().is_some_and(|first| first < 100.0));
    }
}
