//! Merges several runs into one: the parts of a sharded run, or runs of several hosts.
//!
//! The merged record is a record like any other, so every report can be computed from it. Each run keeps its own times
//! and is placed on the common clock by the wall clock of its host at its start. So the order of events of one run is
//! exact; that of events of different hosts is as good as their clocks agree. No verdict depends on it.

mod source;
mod start;

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hil_files::{Links, NewFile};
use hil_timeline::{ReadError, RunEvent, ScenarioKey, Stamp, What};

use self::source::Source;
use self::start::merged_start;

/// Why runs can't be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A run can't be read.
    #[error(transparent)]
    Events(#[from] ReadError),
    /// A record does not begin with the start of a run.
    #[error("`{}` is not the record of a run: its first event is not `run-started`", .0.display())]
    NotARun(PathBuf),
    /// Two runs planned the same scenario.
    #[error("`{scenario}` ({place}) is in both `{}` and `{}`", runs.0.display(), runs.1.display())]
    Twice {
        /// Its name.
        scenario: String,
        /// Its place.
        place: String,
        /// Both runs.
        runs: (PathBuf, PathBuf),
    },
    /// The folder already contains a run.
    #[error("`{}` already contains a run", .0.display())]
    Taken(PathBuf),
    /// A file can't be written.
    #[error("can't write `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system reports.
        source: std::io::Error,
    },
}

impl MergeError {
    /// A hint on how to fix it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Events(_) | Self::NotARun(_) => "name run folders: each contains `events.jsonl`",
            Self::Twice { .. } => "name each part once; of a part that ran again, only the run that counts",
            Self::Taken(_) | Self::Io { .. } => "choose another folder with `--out`",
        }
    }
}

/// What a merge found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// When the runs began, in milliseconds since 1970: their records are part of the whole's.
    pub parts: Vec<u64>,
    /// Why the runs are not the whole of what was selected; empty if they are.
    pub incomplete: Vec<String>,
}

/// Runs that can be merged.
pub struct Merge {
    sources: Vec<Source>,
}

impl Merge {
    /// Opens runs; writes nothing.
    ///
    /// # Errors
    /// When a run can't be read, or two runs have a scenario in common.
    pub fn open(runs: &[PathBuf]) -> Result<Self, MergeError> {
        let mut sources = runs.iter().map(|run| Source::open(run)).collect::<Result<Vec<_>, _>>()?;
        sources.sort_by_key(|source| source.start.unix_ms);
        refuse_twice(&sources)?;
        Ok(Self { sources })
    }

    /// Writes `events.jsonl` and `traffic.pcapng` of the whole into a folder. Reports are written by
    /// [`read_run`](crate::read_run) as for any run.
    ///
    /// # Errors
    /// When the rest of a run can't be read, or the folder can't be written.
    pub fn write(self, folder: &Path) -> Result<Merged, MergeError> {
        write(self.sources, folder)
    }
}

fn write(mut sources: Vec<Source>, folder: &Path) -> Result<Merged, MergeError> {
    let runs: Vec<_> = sources.iter().map(|source| source.folder.clone()).collect();
    let parts = sources.iter().map(|source| source.start.unix_ms).collect();
    let events = folder.join("events.jsonl");
    if events.exists() {
        return Err(MergeError::Taken(folder.to_owned()));
    }
    let (start, incomplete) = merged_start(&sources);
    let first = sources.first().map_or(0, |source| source.start.unix_ms);
    for source in &mut sources {
        source.offset = Duration::from_millis(source.start.unix_ms.saturating_sub(first));
    }
    write_events(&events, start, sources, !incomplete.is_empty())?;
    let traffic = folder.join("traffic.pcapng");
    append_captures(&runs, &traffic).map_err(|source| MergeError::Io { path: traffic.clone(), source })?;
    Ok(Merged { parts, incomplete })
}

fn refuse_twice(sources: &[Source]) -> Result<(), MergeError> {
    let mut seen: HashMap<ScenarioKey, &Source> = HashMap::new();
    for source in sources {
        for planned in &source.start.plan {
            if let Some(other) = seen.insert(planned.key(), source) {
                return Err(MergeError::Twice {
                    scenario: planned.name.clone(),
                    place: format!("{}:{}", planned.path, planned.line),
                    runs: (other.folder.clone(), source.folder.clone()),
                });
            }
        }
    }
    Ok(())
}

/// Writes the events of all runs, ordered by time.
fn write_events(path: &Path, start: What, sources: Vec<Source>, is_incomplete: bool) -> Result<(), MergeError> {
    let failed = |source| MergeError::Io { path: path.to_owned(), source };
    let mut file = BufWriter::new(NewFile::create(path).map_err(failed)?);
    let mut seq = 0;
    let mut write = |mut event: RunEvent| {
        event.seq = seq;
        seq += 1;
        serde_json::to_writer(&mut file, &event).map_err(std::io::Error::from)?;
        file.write_all(b"\n")
    };
    write(RunEvent { seq: 0, at: Stamp::default(), scenario: None, what: start }).map_err(failed)?;
    let mut numbers = Numbers::default();
    let (mut open, mut codes, mut last) = (sources, Vec::new(), Stamp::default());
    for source in &mut open {
        source.advance()?;
    }
    while let Some(at) = earliest(&open) {
        let Some(mut event) = open[at].take()? else {
            codes.push(open.remove(at).exit_code);
            continue;
        };
        numbers.renumber(&open[at].folder, &mut event);
        last = last.max(event.at);
        write(event).map_err(failed)?;
    }
    let exit_code = exit_code(&codes, is_incomplete);
    write(RunEvent { seq: 0, at: last, scenario: None, what: What::RunFinished { exit_code } }).map_err(failed)?;
    let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
    file.finish().map_err(failed)
}

/// The run with the earliest next event; one that has ended comes first, so that it is closed.
fn earliest(open: &[Source]) -> Option<usize> {
    (0..open.len()).min_by_key(|at| open[*at].next_at())
}

/// The exit code of the whole: the worst.
fn exit_code(codes: &[Option<u8>], is_incomplete: bool) -> u8 {
    const ABORTED: u8 = 130;
    const FAILED: u8 = 100;
    const ERRORED: u8 = 102;
    const NOTHING_RAN: u8 = 4;
    let has = |wanted: u8| codes.contains(&Some(wanted));
    let is_unknown = |code: &Option<u8>| !matches!(code, Some(0 | NOTHING_RAN));
    match () {
        // A run without a code was killed.
        () if has(ABORTED) || codes.contains(&None) => ABORTED,
        () if has(FAILED) => FAILED,
        () if is_incomplete || codes.iter().any(is_unknown) => ERRORED,
        () if has(0) => 0,
        () => NOTHING_RAN,
    }
}

/// Gives scenarios and connections numbers that are unique in the whole.
#[derive(Default)]
struct Numbers {
    scenarios: HashMap<(PathBuf, u32), u32>,
    connections: HashMap<(PathBuf, String, u32), u32>,
    /// The last connection of each board.
    last: HashMap<String, u32>,
}

impl Numbers {
    fn renumber(&mut self, run: &Path, event: &mut RunEvent) {
        if let Some(id) = &mut event.scenario {
            let next = u32::try_from(self.scenarios.len()).unwrap_or(u32::MAX).saturating_add(1);
            id.0 = *self.scenarios.entry((run.to_owned(), id.0)).or_insert(next);
        }
        let (board, connection) = match &mut event.what {
            What::Packet { board, connection, .. }
            | What::Connection { board, connection, .. }
            | What::ProtocolViolation { board, connection, .. } => (board, connection),
            _ => return,
        };
        let known = self.connections.entry((run.to_owned(), board.clone(), *connection));
        *connection = *known.or_insert_with(|| {
            let last = self.last.entry(board.clone()).or_default();
            *last += 1;
            *last
        });
    }
}

/// A capture consists of sections that stand alone (pcapng, §4.1), so captures can be put one after the other.
fn append_captures(runs: &[PathBuf], path: &Path) -> std::io::Result<()> {
    let mut whole = NewFile::create(path)?;
    for run in runs {
        match hil_files::open(&run.join("traffic.pcapng"), Links::Refuse) {
            Ok(mut part) => drop::<u64>(std::io::copy::<File, _>(&mut part, &mut whole)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    whole.finish()
}

#[cfg(test)]
mod tests;
