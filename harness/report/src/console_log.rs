//! The consoles of a run, and its broker's log, as text files.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use hil_files::NewFile;
use hil_timeline::{HostName, RunEvent, ScenarioId, ScenarioInfo, What, escaped, event_text};

/// Writes a file for each board with output, line by line, and `broker.log` for the broker's.
#[derive(Debug)]
pub(crate) struct ConsoleLogs {
    folder: PathBuf,
    files: BTreeMap<String, Log>,
    /// The heading of each scenario that runs.
    headings: BTreeMap<ScenarioId, String>,
}

#[derive(Debug)]
struct Log {
    file: BufWriter<NewFile>,
    /// The scenario of its last line.
    of: Option<ScenarioId>,
}

/// The maximum number of logs: each is an open file. A bench has fewer boards; a foreign record may name any number.
const MOST: usize = 200;

impl ConsoleLogs {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), files: BTreeMap::new(), headings: BTreeMap::new() }
    }

    /// Takes the next event: lines get the time since the run began, below the name of their scenario.
    pub(crate) fn take(&mut self, event: &RunEvent) -> io::Result<()> {
        if let (What::ScenarioStarted { info, attempt, .. }, Some(id)) = (&event.what, event.scenario) {
            self.headings.insert(id, heading(info, *attempt));
        }
        let (board, line) = match &event.what {
            What::Console { board, line } => (Some(board), line.clone()),
            What::ConsoleLost { board } | What::ConsoleOpened { board, .. } => (Some(board), note(event)),
            What::RecordFull { .. } | What::RecordDropped { .. } => return self.note_on_all(event),
            What::BrokerLog { line } => (None, line.clone()),
            What::BrokerDied { .. } => (None, note(event)),
            _ => return Ok(()),
        };
        let heading = event.scenario.and_then(|id| self.headings.get(&id)).cloned();
        let log = self.log(board, event.host.as_ref())?;
        if board.is_some() && log.of != event.scenario {
            log.of = event.scenario;
            let heading = heading.unwrap_or_else(|| "between scenarios".to_owned());
            writeln!(log.file, "[{}] ({heading})", event.at)?;
        }
        writeln!(log.file, "[{}] {line}", event.at)
    }

    /// Notes about the whole record, for every log.
    fn note_on_all(&mut self, event: &RunEvent) -> io::Result<()> {
        self.files.values_mut().try_for_each(|log| writeln!(log.file, "[{}] {}", event.at, note(event)))
    }

    fn log(&mut self, board: Option<&String>, host: Option<&HostName>) -> io::Result<&mut Log> {
        let file = board.map_or_else(|| "broker.log".to_owned(), |board| format!("console-{}.log", safe(board)));
        let name = host.map_or_else(|| file.clone(), |host| format!("hosts/{host}/{file}"));
        let is_full = self.files.len() == MOST;
        match self.files.entry(name) {
            Entry::Occupied(log) => Ok(log.into_mut()),
            Entry::Vacant(_) if is_full => {
                Err(io::Error::other(format!("its events name more than {MOST} boards with a console")))
            }
            Entry::Vacant(place) => {
                let path = self.folder.join(place.key());
                if let Some(folder) = host.and(path.parent()) {
                    std::fs::create_dir_all(folder)?;
                }
                let file = BufWriter::new(NewFile::create(&path)?);
                Ok(place.insert(Log { file, of: None }))
            }
        }
    }

    /// Completes the logs and moves them to their places.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.files.into_values().try_for_each(|log| log.file.into_inner()?.finish())
    }
}

/// Comes before the lines of a scenario.
fn heading(info: &ScenarioInfo, attempt: u32) -> String {
    let again = if attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
    format!("scenario `{}`, {}:{}{again}", escaped(&info.name), escaped(&info.path), info.line)
}

/// A note of `hil` itself, in parentheses.
fn note(event: &RunEvent) -> String {
    format!("({})", event_text(event).unwrap_or_default())
}

/// A board's name consists of letters, digits, `-` and `_`, checked when the bench file was read; a foreign file may
/// contain anything.
fn safe(board: &str) -> String {
    board.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect()
}

#[cfg(test)]
mod tests {
    use hil_timeline::Stamp;

    use super::*;

    #[test]
    fn lines_are_below_their_scenario() {
        let folder = tempfile::tempdir().expect("folder");
        let mut logs = ConsoleLogs::new(folder.path());
        let started = |name: &str, attempt| What::ScenarioStarted {
            info: ScenarioInfo { name: name.into(), path: "a.feature".into(), line: 3, ..ScenarioInfo::default() },
            attempt,
            repetition: None,
        };
        let said = |line: &str| What::Console { board: "lamp".into(), line: line.into() };
        let events = [
            (Some(1), started("on\n", 1)),
            (Some(1), said("a")),
            (Some(1), said("b")),
            (Some(2), started("on\n", 2)),
            (Some(2), said("c")),
            (None, said("d")),
        ];
        for (seq, (id, what)) in events.into_iter().enumerate() {
            let event = RunEvent { seq: seq as u64, at: Stamp(0), scenario: id.map(ScenarioId), host: None, what };
            logs.take(&event).expect("taken");
        }
        logs.finish().expect("finished");
        let log = std::fs::read_to_string(folder.path().join("console-lamp.log")).expect("log");
        let lines: Vec<_> = log.lines().map(|line| line.split_once("] ").expect("a time").1).collect();
        let first = "(scenario `on\\n`, a.feature:3)";
        let again = "(scenario `on\\n`, a.feature:3, attempt 2)";
        assert_eq!(lines, [first, "a", "b", again, "c", "(between scenarios)", "d"]);
    }
}
