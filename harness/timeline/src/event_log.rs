//! `events.jsonl`: one event a line, appended as they happen.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Mask, RunEvent, SCHEMA, What};

/// So many events are read back at once.
const CHUNK: u64 = 512;

/// Appends events to a file, one `write` each, or one for those that happen at once.
#[derive(Debug)]
pub(crate) struct EventLog {
    path: PathBuf,
    file: File,
    mask: Mask,
    line: Vec<u8>,
    written: u64,
    events: u64,
    /// Where every [`CHUNK`]th event begins.
    index: Vec<u64>,
    /// The first write that failed; later ones are not tried.
    failed: Option<String>,
}

impl EventLog {
    pub(crate) fn create(path: &Path, mask: Mask) -> std::io::Result<Self> {
        let file = File::create_new(path)?;
        // `hil` may change its folder.
        let path = path.canonicalize()?;
        Ok(Self { path, file, mask, line: Vec::new(), written: 0, events: 0, index: Vec::new(), failed: None })
    }

    pub(crate) fn append(&mut self, event: &RunEvent) {
        self.append_all([event]);
    }

    /// Appends what happened at once with one write.
    pub(crate) fn append_all<'a>(&mut self, events: impl IntoIterator<Item = &'a RunEvent>) {
        if self.failed.is_some() {
            return;
        }
        self.line.clear();
        let serialized = events.into_iter().try_for_each(|event| {
            if self.events.is_multiple_of(CHUNK) {
                self.index.push(self.written + self.line.len() as u64);
            }
            self.events += 1;
            self.serialize(event).map(|()| self.line.push(b'\n'))
        });
        let written = serialized.map_err(std::io::Error::from).and_then(|()| self.file.write_all(&self.line));
        self.failed = written.err().map(|error| error.to_string());
        self.written += self.line.len() as u64;
    }

    fn serialize(&mut self, event: &RunEvent) -> serde_json::Result<()> {
        if self.mask.is_empty() {
            return serde_json::to_writer(&mut self.line, event);
        }
        let mut value = serde_json::to_value(event)?;
        self.mask.json(&mut value);
        serde_json::to_writer(&mut self.line, &value)
    }

    /// Events from a number on: as many as lie together.
    pub(crate) fn read_from(&self, seq: u64) -> std::io::Result<VecDeque<Arc<RunEvent>>> {
        let chunk = usize::try_from(seq / CHUNK).unwrap_or(usize::MAX);
        let Some(start) = self.index.get(chunk) else { return Ok(VecDeque::new()) };
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(*start))?;
        let lines = BufReader::new(file).lines().take(usize::try_from(CHUNK).unwrap_or(usize::MAX));
        let mut events = VecDeque::new();
        for line in lines {
            let event: RunEvent = serde_json::from_str(&line?)?;
            if event.seq >= seq {
                events.push_back(Arc::new(event));
            }
        }
        Ok(events)
    }

    pub(crate) fn failure(&self) -> Option<&str> {
        self.failed.as_deref()
    }
}

/// Why a recorded run can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file can't be opened or read.
    #[error("can't read `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line other than the last is no event.
    #[error("`{}` line {line} is not an event of a run", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The run was written by another version of `hil`.
    #[error("`{}` has schema version {found}, this `hil` reads up to {SCHEMA}", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u32,
    },
}

/// Reads a recorded run. A torn last line (the run was killed while writing it) is left out.
///
/// # Errors
/// When the file can't be read, a whole line is no event, or it was written by a newer `hil`.
pub fn read_events(path: &Path) -> Result<Vec<RunEvent>, ReadError> {
    EventReader::open(path)?.collect()
}

/// Reads a recorded run event by event, however long it is; see [`read_events`].
#[derive(Debug)]
pub struct EventReader {
    path: PathBuf,
    reader: BufReader<File>,
    line: Vec<u8>,
    number: usize,
}

impl EventReader {
    /// Opens `events.jsonl` of a run.
    ///
    /// # Errors
    /// When the file can't be opened.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let file = hil_files::open(path, hil_files::Links::Refuse);
        let file = file.map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
        let reader = BufReader::with_capacity(1 << 16, file);
        Ok(Self { path: path.to_owned(), reader, line: Vec::new(), number: 0 })
    }

    fn read(&mut self) -> Result<Option<RunEvent>, ReadError> {
        self.line.clear();
        self.number += 1;
        let read = self.reader.read_until(b'\n', &mut self.line);
        read.map_err(|source| ReadError::Io { path: self.path.clone(), source })?;
        if self.line.last() != Some(&b'\n') {
            return Ok(None);
        }
        let event: RunEvent = serde_json::from_slice(&self.line).map_err(|source| ReadError::Malformed {
            path: self.path.clone(),
            line: self.number,
            source,
        })?;
        match &event.what {
            What::RunStarted { schema, .. } if *schema > SCHEMA => {
                Err(ReadError::Schema { path: self.path.clone(), found: *schema })
            }
            _ => Ok(Some(event)),
        }
    }
}

impl Iterator for EventReader {
    type Item = Result<RunEvent, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(lines: &str) -> String {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("events.jsonl");
        std::fs::write(&path, lines).expect("write");
        let text = read_events(&path).expect_err("not a run").to_string();
        text.replace(&folder.path().display().to_string(), "RUN")
    }

    #[test]
    fn what_is_no_run_is_refused_with_its_line() {
        assert_eq!(error("{\"seq\":0}\n"), "`RUN/events.jsonl` line 1 is not an event of a run");
        let newer = r#"{"seq":0,"at":1,"event":"run-started","schema":99,"version":"9","unix_ms":0,"bench":"b","broker":"e","boards":[],"plan":[]}"#;
        assert_eq!(error(&format!("{newer}\n")), "`RUN/events.jsonl` has schema version 99, this `hil` reads up to 2");
        let missing = read_events(Path::new("nowhere/events.jsonl")).expect_err("missing").to_string();
        assert_eq!(missing, "can't read `nowhere/events.jsonl`");
    }
}
