//! The events in memory, and the places of those that are only on disk.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::Arc;

use crate::event_log::{EventLog, Written};
use crate::{RunEvent, ScenarioId, Stamp, What};

/// Console lines kept in memory. A board that prints endlessly must not fill it.
const LINES_KEPT: usize = 50_000;

/// Bytes of console lines, and the same for packets of ended scenarios: 64 MiB each, as counted by [`weight`].
const BYTES_KEPT: usize = 64 << 20;

/// What is at a place of the timeline.
#[derive(Debug)]
pub(crate) enum Place {
    /// The event, or the next one in memory if it was forgotten.
    Here(Arc<RunEvent>),
    /// It is in the file; these are the event and the following ones.
    OnDisk(VecDeque<Arc<RunEvent>>),
    /// Forgotten, and so is everything up to this place.
    Gone(u64),
    /// Nothing has happened yet.
    Ahead,
}

#[derive(Debug)]
pub(crate) struct Store {
    events: BTreeMap<u64, Arc<RunEvent>>,
    next: u64,
    /// Console lines in memory.
    lines: Queue,
    /// Lines in which the file has secrets hidden: steps need what the board printed.
    secret: Queue,
    /// Other events that may be forgotten: packets of ended scenarios.
    past: Queue,
    /// Packets of running scenarios: their steps still look at them.
    running: HashMap<Option<ScenarioId>, Vec<(u64, usize)>>,
    /// Scenarios whose verdict is recorded.
    ended: HashSet<ScenarioId>,
    log: Option<EventLog>,
    /// Old events are forgotten even if no file has them.
    forgetful: bool,
}

/// Events that may be forgotten, oldest first.
#[derive(Debug)]
struct Queue {
    places: VecDeque<(u64, usize)>,
    bytes: usize,
    most: usize,
    most_bytes: usize,
}

impl Queue {
    fn new(most: usize) -> Self {
        Self { places: VecDeque::new(), bytes: 0, most, most_bytes: BYTES_KEPT }
    }

    fn push(&mut self, place: u64, bytes: usize) {
        self.places.push_back((place, bytes));
        self.bytes += bytes;
    }

    /// The oldest events, if there are too many.
    fn pop(&mut self) -> Option<u64> {
        let is_too_much = self.places.len() > self.most || (self.bytes > self.most_bytes && self.places.len() > 1);
        let (place, bytes) = is_too_much.then(|| self.places.pop_front())??;
        self.bytes -= bytes;
        Some(place)
    }
}

impl Store {
    pub(crate) fn new() -> Self {
        Self {
            events: BTreeMap::new(),
            next: 0,
            lines: Queue::new(LINES_KEPT),
            secret: Queue::new(LINES_KEPT),
            past: Queue::new(usize::MAX),
            running: HashMap::new(),
            ended: HashSet::new(),
            log: None,
            forgetful: false,
        }
    }

    pub(crate) fn write_to(&mut self, path: &Path, mask: crate::Mask, limit: u64) -> std::io::Result<()> {
        let mut log = EventLog::create(path, mask, limit)?;
        self.events.values().for_each(|event| {
            // The run's end reports a failed write.
            let _ = log.append(event);
        });
        self.log = Some(log);
        Ok(())
    }

    pub(crate) fn forget_after(&mut self, events: usize) {
        self.forgetful = true;
        (self.lines.most, self.secret.most, self.past.most) = (events, events, events);
    }

    #[cfg(test)]
    pub(crate) fn keep(&mut self, lines: usize, bytes: usize) {
        self.lines.most = lines;
        (self.lines.most_bytes, self.past.most_bytes) = (bytes, bytes);
    }

    #[cfg(test)]
    pub(crate) fn in_memory(&self) -> usize {
        self.events.len()
    }

    /// The next place.
    pub(crate) fn len(&self) -> u64 {
        self.next
    }

    /// Appends simultaneous events; returns their records.
    pub(crate) fn record(&mut self, at: Stamp, scenario: Option<ScenarioId>, all: Vec<What>) -> Vec<Arc<RunEvent>> {
        // The last line of the run would report it too late.
        if all.iter().any(|what| matches!(what, What::RunFinished { .. }))
            && let Some(dropped) = self.log.as_ref().and_then(EventLog::dropped)
        {
            self.append(at, None, vec![dropped]);
        }
        let was_full = self.is_full();
        let events = self.append(at, scenario, all);
        if !was_full && let Some(limit) = self.log.as_ref().and_then(EventLog::full) {
            self.append(at, None, vec![What::RecordFull { limit }]);
        }
        events
    }

    fn append(&mut self, at: Stamp, scenario: Option<ScenarioId>, all: Vec<What>) -> Vec<Arc<RunEvent>> {
        // What comes behind the verdict, such as the end of a connection or a line of a broker's log, no longer belongs to
        // the scenario: its boards may be those of another one by then.
        let scenario = scenario.filter(|id| !self.ended.contains(id));
        if all.iter().any(|what| matches!(what, What::ScenarioFinished { .. })) {
            self.ended.extend(scenario);
        }
        let numbered = (self.next..).zip(all);
        let events: Vec<_> = numbered.map(|(seq, what)| Arc::new(RunEvent { seq, at, scenario, what })).collect();
        let written = self.log.as_mut().map(|log| log.append_all(events.iter().map(AsRef::as_ref)));
        // Events that could not be written are kept; those left out because of the file's size are not.
        let is_safe = self.forgetful || written.is_some_and(|written| written != Written::Failed);
        let altered = self.log.as_mut().map(EventLog::take_altered).unwrap_or_default();
        events.iter().for_each(|event| self.keep_event(event, altered.contains(&event.seq)));
        self.forget(is_safe);
        events
    }

    fn keep_event(&mut self, event: &Arc<RunEvent>, is_altered: bool) {
        let (place, bytes) = (event.seq, weight(event));
        match &event.what {
            What::Console { .. } if is_altered => self.secret.push(place, bytes),
            What::Console { .. } => self.lines.push(place, bytes),
            _ if self.forgetful => self.past.push(place, bytes),
            What::Packet { .. }
            | What::Observed { .. }
            | What::Published { .. }
            | What::BrokerLog { .. }
            | What::Pin { .. }
            | What::Connection { .. } => {
                self.running.entry(event.scenario).or_default().push((place, bytes));
            }
            What::ScenarioFinished { .. } => {
                let ended = [self.running.remove(&event.scenario), self.running.remove(&None)];
                ended.into_iter().flatten().flatten().for_each(|(place, bytes)| self.past.push(place, bytes));
            }
            _ => {}
        }
        self.events.insert(place, Arc::clone(event));
        self.next = place + 1;
    }

    fn forget(&mut self, is_safe: bool) {
        while is_safe && let Some(oldest) = self.lines.pop().or_else(|| self.secret.pop()).or_else(|| self.past.pop()) {
            self.events.remove(&oldest);
        }
    }

    /// The events in memory from a place on.
    pub(crate) fn since(&self, from: u64) -> Vec<Arc<RunEvent>> {
        self.events.range(from..).map(|(_, event)| Arc::clone(event)).collect()
    }

    pub(crate) fn get(&self, seq: u64) -> Place {
        if seq >= self.next {
            return Place::Ahead;
        }
        let here = self.events.range(seq..).next();
        if let Some((_, event)) = here.filter(|(place, _)| **place == seq) {
            return Place::Here(Arc::clone(event));
        }
        // If the file can't be read any more, its events are lost.
        let read = self.log.as_ref().and_then(|log| log.read_from(seq).ok()).unwrap_or_default();
        let end = here.map_or(self.next, |(place, _)| *place);
        // Events that may be missing in the file come from memory; otherwise one read returns a whole chunk.
        let is_wanted = |event: &Arc<RunEvent>| !self.is_full() || event.seq < end;
        let ours = |event: Arc<RunEvent>| self.events.get(&event.seq).cloned().unwrap_or(event);
        let read: VecDeque<_> = read.into_iter().take_while(is_wanted).map(ours).collect();
        match here {
            _ if !read.is_empty() => Place::OnDisk(read),
            Some((_, event)) => Place::Here(Arc::clone(event)),
            None => Place::Gone(self.next),
        }
    }

    pub(crate) fn write_failure(&self) -> Option<String> {
        self.log.as_ref().and_then(|log| log.failure().map(str::to_owned))
    }

    /// Whether something was left out of the file because of its size.
    pub(crate) fn is_full(&self) -> bool {
        self.log.as_ref().and_then(EventLog::full).is_some()
    }
}

/// The approximate memory of an event: its texts and the overhead.
fn weight(event: &RunEvent) -> usize {
    const FRAME: usize = 400;
    FRAME
        + match &event.what {
            What::Console { line, .. } | What::BrokerLog { line } => line.len(),
            // Topic, payload and properties are as long as on the wire.
            What::Packet { bytes, .. } => *bytes,
            What::Observed { topic, payload, .. } | What::Published { topic, payload, .. } => {
                topic.len() + payload.0.len()
            }
            What::Typed { text, .. } => text.len(),
            _ => 0,
        }
}
