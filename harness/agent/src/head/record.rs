//! Takes what the agents recorded into the record of the whole.

use std::collections::BTreeSet;
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
    handed: BTreeSet<ScenarioId>,
    /// Those that have begun there and not ended.
    open: BTreeSet<ScenarioId>,
    capture: HostCapture,
}

impl HostRecord {
    pub(super) fn new(timeline: &Timeline, host: &HostName, offset: Offset, capture: HostCapture) -> Self {
        let (timeline, host) = (timeline.clone(), host.clone());
        Self { timeline, host, offset, handed: BTreeSet::new(), open: BTreeSet::new(), capture }
    }

    /// Notes that a scenario was handed to the host: its events may come.
    pub(super) fn hand(&mut self, id: ScenarioId) {
        self.handed.insert(id);
    }

    /// Records something about the host itself, now.
    pub(super) fn note(&self, what: What) {
        self.record(self.timeline.epoch().now(), None, what);
    }

    /// Records an event of the host, if it is one that a host may send.
    pub(super) fn take(&mut self, mut event: RunEvent) {
        let is_foreign = event.scenario.is_some_and(|id| !self.handed.contains(&id));
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
        match (&event.what, event.scenario) {
            (What::ScenarioStarted { .. }, Some(id)) => drop(self.open.insert(id)),
            (What::ScenarioFinished { .. }, Some(id)) => drop(self.open.remove(&id)),
            _ => {}
        }
        event.shift(self.offset.delay());
        self.record(event.at, event.scenario, event.what);
    }

    /// Whether a scenario has begun there and not ended.
    pub(super) fn is_open(&self, id: ScenarioId) -> bool {
        self.open.contains(&id)
    }

    /// Ends a scenario that the host can't end any more.
    pub(super) fn end(&mut self, id: ScenarioId, verdict: Verdict, failure: Failure) {
        self.open.remove(&id);
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

    fn started() -> What {
        What::ScenarioStarted { info: ScenarioInfo::default(), attempt: 1, repetition: None }
    }

    #[test]
    fn a_host_records_only_what_is_its_own() {
        let timeline = Timeline::in_memory(Epoch::start());
        let mut record = record(&timeline);
        record.hand(ScenarioId(4));
        record.take(event(5, Some(4), started()));
        record.take(event(6, Some(5), started()));
        record.take(event(7, None, What::RunFinished { exit_code: 0 }));
        record.take(event(8, None, What::Stalled { ms: 3 }));
        let events = timeline.since(Cursor::default());
        let shown: Vec<_> = events.iter().map(|event| (event.at.0, event.scenario)).collect();
        assert_eq!(shown, [(1_000_005, Some(ScenarioId(4))), (1_000_008, None)]);
        assert!(events.iter().all(|event| event.host.as_ref().is_some_and(|host| host.as_str() == "pi-a")));
        assert!(record.is_open(ScenarioId(4)) && !record.is_open(ScenarioId(5)));
    }

    /// Later measurements of the clock must not stretch a scenario.
    #[test]
    fn times_within_a_scenario_are_those_of_its_host() {
        let timeline = Timeline::in_memory(Epoch::start());
        let mut record = record(&timeline);
        record.hand(ScenarioId(1));
        record.take(event(100, Some(1), started()));
        record.note(What::Clock { offset_us: 7_000_000, bound_us: 1 });
        record.take(event(350, Some(1), What::ScenarioFinished { verdict: Verdict::Passed, failure: None }));
        let events = timeline.since(Cursor::default());
        assert_eq!(events[2].at.0 - events[0].at.0, 250);
    }
}
