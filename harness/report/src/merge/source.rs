//! A run that is being merged.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hil_timeline::{BoardInfo, Choice, EventReader, Provenance, RunEvent, ScenarioInfo, Stamp, What};

use super::MergeError;

/// What the first event of a run says.
#[derive(Debug, Clone)]
pub(super) struct Start {
    pub(super) schema: u32,
    pub(super) version: String,
    pub(super) unix_ms: u64,
    pub(super) bench: String,
    pub(super) project: Option<String>,
    pub(super) broker: String,
    pub(super) boards: Vec<BoardInfo>,
    pub(super) provenance: Provenance,
    pub(super) plan: Vec<ScenarioInfo>,
    pub(super) choice: Choice,
}

/// A run, read event by event.
pub(super) struct Source {
    pub(super) folder: PathBuf,
    pub(super) start: Start,
    /// How much later than the whole it began.
    pub(super) offset: Duration,
    /// None if it was killed.
    pub(super) exit_code: Option<u8>,
    events: EventReader,
    next: Option<RunEvent>,
}

impl Source {
    pub(super) fn open(run: &Path) -> Result<Self, MergeError> {
        let mut events = EventReader::open(&run.join("events.jsonl"))?;
        let first = events.next().transpose()?;
        let started = first.map(|event| event.what);
        let Some(What::RunStarted {
            schema,
            version,
            unix_ms,
            bench,
            project,
            broker,
            boards,
            provenance,
            plan,
            choice,
        }) = started
        else {
            return Err(MergeError::NotARun(run.to_owned()));
        };
        let start = Start { schema, version, unix_ms, bench, project, broker, boards, provenance, plan, choice };
        let folder = run.to_owned();
        Ok(Self { folder, start, offset: Duration::ZERO, exit_code: None, events, next: None })
    }

    /// Reads the next event. The end of the run is only noted: the whole has an end of its own.
    pub(super) fn advance(&mut self) -> Result<(), MergeError> {
        self.next = None;
        for event in self.events.by_ref() {
            let mut event = event?;
            if let What::RunFinished { exit_code } = event.what {
                self.exit_code = Some(exit_code);
                continue;
            }
            event.shift(self.offset);
            self.next = Some(event);
            break;
        }
        Ok(())
    }

    /// The time of its next event; none if it has ended.
    pub(super) fn next_at(&self) -> Option<Stamp> {
        self.next.as_ref().map(|event| event.at)
    }

    pub(super) fn take(&mut self) -> Result<Option<RunEvent>, MergeError> {
        let taken = self.next.take();
        self.advance()?;
        Ok(taken)
    }
}
