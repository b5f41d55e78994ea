//! Takes what the agents recorded into the record of the whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hil_timeline::{Failure, HostName, Origin, RunEvent, ScenarioId, ScenarioInfo, Stamp, Timeline, Verdict, What};

use crate::clock::Offset;
use crate::protocol::CHUNK;

/// What one host records.
#[derive(Debug)]
pub(super) struct HostRecord {
    timeline: Timeline,
    host: HostName,
    /// The place of its clock, which never changes: times within a scenario stay exact.
    offset: Offset,
    /// The scenarios that were handed to it.
    handed: BTreeMap<ScenarioId, State>,
    capture: HostCapture,
}

/// What a host has recorded of a scenario.
#[derive(Debug)]
enum State {
    /// Nothing yet; this would be the first record.
    Handed(Box<What>),
    /// It has begun.
    Begun,
    /// It has ended.
    Ended(Verdict),
}

impl HostRecord {
    pub(super) fn new(timeline: &Timeline, host: &HostName, offset: Offset, capture: HostCapture) -> Self {
        let (timeline, host) = (timeline.clone(), host.clone());
        Self { timeline, host, offset, handed: BTreeMap::new(), capture }
    }

    /// Notes that a scenario was handed to the host: its events may come.
    pub(super) fn hand(&mut self, id: ScenarioId, (info, attempt, repetition): (ScenarioInfo, u32, Option<u32>)) {
        self.handed.insert(id, State::Handed(Box::new(What::ScenarioStarted { info, attempt, repetition })));
    }

    /// Records something about the host itself, now.
    pub(super) fn note(&self, what: What) {
        self.record(self.timeline.epoch().now(), None, what);
    }

    /// Records an event of the host, if it is one that a host may send. Unless the run is aborted, a scenario that the host
    /// aborts stays open: what that means is decided here.
    pub(super) fn take(&mut self, mut event: RunEvent, may_abort: bool) {
        let is_foreign = event.scenario.is_some_and(|id| !self.handed.contains_key(&id));
        // The whole has a beginning and an end of its own.
        let is_heads = matches!(
            event.what,
            What::RunStarted { .. }
                | What::RunFinished { .. }
                | What::HostJoined { .. }
                | What::HostLost { .. }
                | What::Clock { .. }
        );
        if is_foreign || is_heads {
            return;
        }
        if let Some(id) = event.scenario
            && !self.follows(id, &event.what, may_abort)
        {
            return;
        }
        event.shift(self.offset.delay());
        self.record(event.at, event.scenario, event.what);
    }

    /// Whether a record of a scenario fits to those before it.
    fn follows(&mut self, id: ScenarioId, what: &What, may_abort: bool) -> bool {
        let Some(state) = self.handed.get_mut(&id) else { return false };
        match (what, &*state) {
            (What::ScenarioStarted { .. }, State::Handed(_)) => *state = State::Begun,
            (What::ScenarioFinished { verdict: Verdict::Aborted, .. }, _) if !may_abort => return false,
            (What::ScenarioFinished { verdict, .. }, State::Begun) => *state = State::Ended(*verdict),
            (What::ScenarioStarted { .. } | What::ScenarioFinished { .. }, _) => return false,
            _ => {}
        }
        true
    }

    /// Whether the host has recorded anything of a scenario.
    pub(super) fn has_begun(&self, id: ScenarioId) -> bool {
        !matches!(self.handed.get(&id), None | Some(State::Handed(_)))
    }

    /// How a scenario ended there, as recorded.
    pub(super) fn verdict(&self, id: ScenarioId) -> Option<Verdict> {
        match self.handed.get(&id) {
            Some(State::Ended(verdict)) => Some(*verdict),
            _ => None,
        }
    }

    /// Ends a scenario that the host can't end any more.
    pub(super) fn end(&mut self, id: ScenarioId, verdict: Verdict, failure: Failure) {
        if let Some(State::Handed(start)) = self.handed.insert(id, State::Ended(verdict)) {
            self.record(self.timeline.epoch().now(), Some(id), *start);
        }
        let what = What::ScenarioFinished { verdict, failure: Some(failure) };
        self.record(self.timeline.epoch().now(), Some(id), what);
    }

    /// The next bytes of the capture, in base64.
    pub(super) fn capture(&mut self, chunk: &str) {
        self.capture.add(chunk);
    }

    fn record(&self, at: Stamp, scenario: Option<ScenarioId>, what: What) {
        self.timeline.record_of(Origin { host: self.host.clone(), at }, scenario, what);
    }
}

/// Records a scenario that ran nowhere.
pub(super) fn never_ran(
    timeline: &Timeline,
    id: ScenarioId,
    (info, attempt, repetition): (&ScenarioInfo, u32, Option<u32>),
    (verdict, failure): (Verdict, Failure),
) {
    let recorder = timeline.recorder(Some(id));
    recorder.record(What::ScenarioStarted { info: info.clone(), attempt, repetition });
    recorder.record(What::ScenarioFinished { verdict, failure: Some(failure) });
}

/// The capture of a host, as its agent sends it.
#[derive(Debug)]
pub(super) struct HostCapture {
    pub(super) path: PathBuf,
    file: Option<File>,
    /// How many more bytes it may have.
    room: u64,
    failed: Option<String>,
}

impl HostCapture {
    /// In the folder of the whole; made when there is something to write.
    pub(super) fn new(folder: &Path, host: &HostName, limit: u64) -> Self {
        let path = folder.join("hosts").join(host.as_str()).join("traffic.pcapng");
        Self { path, file: None, room: limit, failed: None }
    }

    fn add(&mut self, chunk: &str) {
        let Some(bytes) = STANDARD.decode(chunk).ok().filter(|bytes| bytes.len() <= CHUNK) else { return };
        // A capture has its own limit, with the same value: more comes only from an agent that does not keep to it.
        let Some(room) = self.room.checked_sub(bytes.len() as u64) else { return };
        self.room = room;
        let written = self.open().and_then(|mut file| file.write_all(&bytes));
        self.failed = self.failed.take().or(written.err().map(|error| error.to_string()));
    }

    fn open(&mut self) -> std::io::Result<&File> {
        if self.file.is_none() {
            if let Some(folder) = self.path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            self.file = Some(File::create_new(&self.path)?);
        }
        self.file.as_ref().ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }
}

impl HostRecord {
    /// Why the capture could not be written.
    pub(super) fn capture_failure(&self) -> Option<String> {
        self.capture.failed.clone()
    }

    /// The file of the capture.
    pub(super) fn capture_path(&self) -> &Path {
        &self.capture.path
    }
}

#[cfg(test)]
mod tests {
    use hil_timeline::{Cursor, Epoch};

    use super::*;

    fn record(timeline: &Timeline) -> HostRecord {
        let host = "pi-a".parse().expect("a name");
        let capture = HostCapture::new(Path::new("nowhere"), &host, 100);
        HostRecord::new(timeline, &host, Offset { us: 1_000_000, bound_us: 9 }, capture)
    }

    fn event(at: u64, id: Option<u32>, what: What) -> RunEvent {
        RunEvent { seq: 0, at: Stamp(at), scenario: id.map(ScenarioId), host: None, what }
    }

    fn lost() -> Failure {
        Failure { message: "lost".to_owned(), details: Vec::new(), hint: None }
    }

    fn started() -> What {
        What::ScenarioStarted { info: ScenarioInfo::default(), attempt: 1, repetition: None }
    }

    #[test]
    fn a_host_records_only_what_is_its_own() {
        let timeline = Timeline::in_memory(Epoch::start());
        let mut record = record(&timeline);
        record.hand(ScenarioId(4), (ScenarioInfo::default(), 1, None));
        for event in [
            event(5, Some(4), started()),
            event(6, Some(5), started()),
            event(7, None, What::RunFinished { exit_code: 0 }),
            event(8, None, What::Stalled { ms: 3 }),
            event(9, Some(4), started()),
        ] {
            record.take(event, false);
        }
        let events = timeline.since(Cursor::default());
        let shown: Vec<_> = events.iter().map(|event| (event.at.0, event.scenario)).collect();
        assert_eq!(shown, [(1_000_005, Some(ScenarioId(4))), (1_000_008, None)]);
        assert!(events.iter().all(|event| event.host.as_ref().is_some_and(|host| host.as_str() == "pi-a")));
        assert!(record.has_begun(ScenarioId(4)) && !record.has_begun(ScenarioId(5)));
    }

    /// The records of a scenario: its start, and its end if there is one.
    fn recorded(timeline: &Timeline, id: u32) -> Vec<String> {
        let events = timeline.since(Cursor::default());
        let of_it = events.iter().filter(|event| event.scenario == Some(ScenarioId(id)));
        let kind = |event: &std::sync::Arc<RunEvent>| match &event.what {
            What::ScenarioFinished { verdict, .. } => format!("{verdict:?}"),
            _ => "started".to_owned(),
        };
        of_it.map(kind).collect()
    }

    /// An agent that is sent a signal ends its scenarios as if the run were aborted.
    #[test]
    fn a_host_aborts_no_scenario_of_a_run_that_goes_on() {
        let timeline = Timeline::in_memory(Epoch::start());
        let mut record = record(&timeline);
        let aborted = || What::ScenarioFinished { verdict: Verdict::Aborted, failure: None };
        for (id, may_abort) in [(1, false), (2, true)] {
            record.hand(ScenarioId(id), (ScenarioInfo::default(), 1, None));
            record.take(event(1, Some(id), started()), may_abort);
            record.take(event(2, Some(id), aborted()), may_abort);
        }
        assert_eq!((record.verdict(ScenarioId(1)), record.verdict(ScenarioId(2))), (None, Some(Verdict::Aborted)));
        record.end(ScenarioId(1), Verdict::Errored, lost());
        assert_eq!(recorded(&timeline, 1), ["started", "Errored"]);
        assert_eq!(recorded(&timeline, 2), ["started", "Aborted"]);
    }

    /// The record on the host may be full: its scenarios must not disappear.
    #[test]
    fn what_a_host_never_recorded_has_a_start_and_an_end() {
        let timeline = Timeline::in_memory(Epoch::start());
        let mut record = record(&timeline);
        record.hand(ScenarioId(1), (ScenarioInfo::default(), 1, None));
        record.take(event(2, Some(1), What::ScenarioFinished { verdict: Verdict::Passed, failure: None }), false);
        assert_eq!(record.verdict(ScenarioId(1)), None);
        record.end(ScenarioId(1), Verdict::Errored, lost());
        assert_eq!(recorded(&timeline, 1), ["started", "Errored"]);
    }

    /// Later measurements of the clock must not stretch a scenario.
    #[test]
    fn times_within_a_scenario_are_those_of_its_host() {
        let timeline = Timeline::in_memory(Epoch::start());
        let mut record = record(&timeline);
        record.hand(ScenarioId(1), (ScenarioInfo::default(), 1, None));
        record.take(event(100, Some(1), started()), false);
        record.note(What::Clock { offset_us: 7_000_000, bound_us: 1 });
        record.take(event(350, Some(1), What::ScenarioFinished { verdict: Verdict::Passed, failure: None }), false);
        let events = timeline.since(Cursor::default());
        assert_eq!(events[2].at.0 - events[0].at.0, 250);
    }
}
