//! The consoles of a run, and its broker's log, as plain files.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use hil_files::NewFile;
use hil_timeline::{RunEvent, What};

use crate::words::event_text;

/// Writes a file for each board that says something, line by line, and `broker.log` where the broker does.
#[derive(Debug)]
pub(crate) struct ConsoleLogs {
    folder: PathBuf,
    files: BTreeMap<String, BufWriter<NewFile>>,
}

/// So many logs are written: each is an open file. A bench has fewer boards; a record from elsewhere may name any number.
const MOST: usize = 200;

impl ConsoleLogs {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), files: BTreeMap::new() }
    }

    /// Takes the next event: lines stand with their time since the run began.
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

    /// What every log says of the record as a whole.
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

    /// Writes what is left, and puts the logs into their places.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.files.into_values().try_for_each(|file| file.into_inner()?.finish())
    }
}

/// What `hil` says itself stands in brackets.
fn note(event: &RunEvent) -> String {
    format!("({})", event_text(event).unwrap_or_default())
}

/// A board's name is made of letters, digits, `-` and `_`, checked when the bench file was read; a file from elsewhere
/// may say anything.
fn safe(board: &str) -> String {
    board.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect()
}
