//! Collects what the page draws, attempt by attempt, compressed when each has ended: a long run needs little memory.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use hil_timeline::{Finding, HostName, RunEvent, ScenarioId, Stamp, Verdict, What};
use serde_json::{Value, json};

use crate::panics::Panics;
use crate::whole::Whole;
use crate::words::row;

/// Events of an attempt to draw; beyond that, those in the middle are left out.
const FIRST: usize = 5_000;
const LAST: usize = 15_000;

/// Compressed bytes of all attempts; base64 adds a third. Passed attempts are left out first.
const BUDGET: usize = 10_000_000;
const BUDGET_OF_PASSED: usize = 6_000_000;
/// Bytes of long payloads and lines of an attempt: of its first events, and of its last.
const ROOM_FIRST: usize = 1 << 20;
const ROOM_LAST: usize = 3 << 20;
/// Bytes of the panics of all attempts.
const ROOM_FOR_PANICS: usize = 2_000_000;

/// The drawing data of one attempt.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// JSON in zlib format (RFC 1950); empty if it is left out.
    pub(crate) packed: Vec<u8>,
    pub(crate) events: usize,
    /// Of an attempt that did not pass.
    pub(crate) panics: Panics,
}

/// Gathers events for a page.
#[derive(Debug, Default)]
pub struct Gathering {
    open: BTreeMap<ScenarioId, Open>,
    chunks: Vec<Chunk>,
    places: HashMap<ScenarioId, usize>,
    spent: usize,
    spent_on_panics: usize,
}

#[derive(Debug)]
struct Open {
    started: Stamp,
    /// Where it runs, in a run on several hosts.
    host: Option<HostName>,
    boards: Vec<String>,
    first: Vec<String>,
    /// Each with its long payload or line.
    last: VecDeque<(String, Option<Whole>)>,
    /// Those before it in `last` have no text of a long payload any more.
    last_with_text: usize,
    room_first: usize,
    room_last: usize,
    panics: Panics,
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
            // It concerns all scenarios that run on that machine.
            if matches!(event.what, What::Stalled { .. }) {
                let there = self.open.values_mut().filter(|open| open.host == event.host);
                there.for_each(|open| open.take(event));
            }
            return;
        };
        match &event.what {
            What::ScenarioStarted { .. } => {
                self.open.insert(id, Open { host: event.host.clone(), ..Open::at(event.at) });
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

    fn close(&mut self, id: ScenarioId, mut open: Open, verdict: Verdict) {
        let events = open.first.len() + open.last.len() + open.left_out;
        let budget = if verdict == Verdict::Passed { BUDGET_OF_PASSED } else { BUDGET };
        let packed = if events > 0 && self.spent < budget { open.pack() } else { Vec::new() };
        self.spent += packed.len();
        self.places.insert(id, self.chunks.len());
        let panics = std::mem::take(&mut open.panics);
        let has_room = self.spent_on_panics + panics.size() <= ROOM_FOR_PANICS;
        let panics = if verdict != Verdict::Passed && has_room { panics } else { Panics::default() };
        self.spent_on_panics += panics.size();
        self.chunks.push(Chunk { packed, events, panics });
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

/// A row with its long payload or line as the last field.
fn with_whole(line: &str, whole: Option<&Whole>) -> String {
    match (whole, line.strip_suffix(']')) {
        (Some(whole), Some(fields)) => format!("{fields},{}]", whole.json()),
        _ => line.to_owned(),
    }
}

impl Open {
    fn at(started: Stamp) -> Self {
        Self {
            started,
            host: None,
            boards: Vec::new(),
            first: Vec::new(),
            last: VecDeque::new(),
            last_with_text: 0,
            room_first: ROOM_FIRST,
            room_last: ROOM_LAST,
            panics: Panics::default(),
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
        if let What::Found { board, finding: Finding::Backtrace, detail } = &event.what {
            self.panics.take(board, detail);
        }
        let Some(row) = row(event) else { return };
        let board = event.what.board().map(|board| self.board(board));
        let at = self.within(event.at);
        let whole = Whole::of(&event.what);
        let extra = row.extra.or_else(|| whole.is_some().then_some(Value::Null));
        let line = match extra {
            Some(extra) => json!([at, board, row.kind as u8, row.text, extra]),
            None => json!([at, board, row.kind as u8, row.text]),
        };
        if self.first.len() < FIRST { self.take_first(&line, whole) } else { self.take_last(&line, whole) }
    }

    fn take_first(&mut self, line: &Value, whole: Option<Whole>) {
        let has_room = |whole: &Whole| whole.size() <= self.room_first;
        let whole = whole.map(|whole| if has_room(&whole) { whole } else { whole.without_text() });
        self.room_first -= whole.as_ref().map_or(0, Whole::size);
        self.first.push(with_whole(&line.to_string(), whole.as_ref()));
    }

    /// Adds an event to the last ones; the oldest of them make room for it.
    fn take_last(&mut self, line: &Value, whole: Option<Whole>) {
        if self.last.len() == LAST {
            let oldest = self.last.pop_front().and_then(|(_, whole)| whole);
            self.room_last += oldest.map_or(0, |whole| whole.size());
            self.last_with_text = self.last_with_text.saturating_sub(1);
            self.left_out += 1;
        }
        let size = whole.as_ref().map_or(0, Whole::size);
        while size > self.room_last && self.last_with_text < self.last.len() {
            let (_, oldest) = &mut self.last[self.last_with_text];
            self.room_last += oldest.as_ref().map_or(0, Whole::size);
            *oldest = oldest.take().map(Whole::without_text);
            self.last_with_text += 1;
        }
        self.room_last = self.room_last.saturating_sub(size);
        self.last.push_back((line.to_string(), whole));
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
        let last = self.last.iter().map(|(line, whole)| with_whole(line, whole.as_ref()));
        let rows = self.first.iter().cloned().chain(last).collect::<Vec<_>>().join(",");
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
            gathering.take(&RunEvent { seq, at: Stamp(at), scenario: Some(ScenarioId(1)), host: None, what });
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

    #[test]
    fn long_payloads_of_an_attempt_have_a_limit_and_the_last_ones_count_most() {
        let mut open = Open::at(Stamp(0));
        let long = "x".repeat(20_000);
        for n in 0..FIRST + LAST + 100 {
            let is_long = !(100..=FIRST + LAST - 200).contains(&n);
            let (board, line) = ("lamp".to_owned(), if is_long { long.clone() } else { String::new() });
            let what = What::Console { board, line };
            open.take(&RunEvent { seq: n as u64, at: Stamp(1), scenario: Some(ScenarioId(1)), host: None, what });
        }
        let whole = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")[5].clone();
        assert_eq!(whole(&open.first[0]), json!([long, 0, false]));
        assert_eq!(whole(&open.first[99]), json!(["", 20_000, false]), "only its size");
        let last: Vec<_> = open.last.iter().filter_map(|(_, whole)| whole.as_ref()).map(Whole::json).collect();
        assert_eq!(last.first(), Some(&json!(["", 20_000, false])));
        assert_eq!(last.last(), Some(&json!([long, 0, false])));
        assert_eq!(last.iter().filter(|whole| whole[0] != "").count(), ROOM_LAST / 20_000);
    }
}
