//! The consoles of a run, and its broker's log, as text files.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use hil_files::NewFile;
use hil_timeline::{RunEvent, What, event_text};

/// Writes a file for each board with output, line by line, and `broker.log` for the broker's.
#[derive(Debug)]
pub(crate) struct ConsoleLogs {
    folder: PathBuf,
    files: BTreeMap<String, BufWriter<NewFile>>,
}

/// The maximum number of logs: each is an open file. A bench has fewer boards; a foreign record may name any number.
const MOST: usize = 200;

impl ConsoleLogs {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), files: BTreeMap::new() }
    }

    /// Takes the next event: lines get the time since the run began.
    pub(crate) fn take(&mut self, event: &RunEvent) -> io::Result<()> {
        let (board, line) = match &event.what {
            What::Console { board, line } => (Some(board), line.clone()),
            What::ConsoleLost { board } | What::ConsoleOpened { board, .. } => (Some(board), note(event)),
            What::RecordFull { .. } | What::RecordDropped { .. } => return self.note_on_all(event),
            What::BrokerLog { line } => (None, line.clone()),
            What::BrokerDied { .. } => (None, note(event)),
            _ => return Ok(()),
        };
        writeln!(self.file(board)?, "[{}] {line}", event.at)
    }

    /// Notes about the whole record, for every log.
    fn note_on_all(&mut self, event: &RunEvent) -> io::Result<()> {
        self.files.values_mut().try_for_each(|file| writeln!(file, "[{}] {}", event.at, note(event)))
    }

    fn file(&mut self, board: Option<&String>) -> io::Result<&mut BufWriter<NewFile>> {
        let name = board.map_or_else(|| "broker.log".to_owned(), |board| format!("console-{}.log", safe(board)));
        let is_full = self.files.len() == MOST;
        match self.files.entry(name) {
            Entry::Occupied(file) => Ok(file.into_mut()),
            Entry::Vacant(_) if is_full => {
                Err(io::Error::other(format!("its events name more than {MOST} boards with a console")))
            }
            Entry::Vacant(place) => {
                let file = BufWriter::new(NewFile::create(&self.folder.join(place.key()))?);
                Ok(place.insert(file))
            }
        }
    }

    /// Completes the logs and moves them to their places.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.files.into_values().try_for_each(|file| file.into_inner()?.finish())
    }
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
