//! `events.jsonl`: one event per line, appended as it happens.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{ConsoleMask, Mask, RunEvent, SCHEMA, What};

/// Bytes of a run's `events.jsonl` unless another limit is set: 1 GiB. A UART at 3 Mbaud that never pauses fills it in
/// about half an hour: 5000 lines of 60 bytes a second, each 130 bytes in the file.
pub const RECORD_LIMIT: u64 = 1 << 30;

/// How many events are read at once.
const CHUNK: u64 = 512;

/// The result of writing events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// They are in the file, or were left out because of its size.
    Done,
    /// The file can't be written any more.
    Failed,
}

/// Events that were left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Dropped {
    lines: u64,
    packets: u64,
    others: u64,
}

/// No line is longer: a file has no more bytes unless a higher limit is set.
const LONGEST_LINE: u64 = RECORD_LIMIT;

/// A line that is not an event may be the end of a file that was padded in a crash; a longer one is something else,
/// such as the terabyte of zeros of a sparse file.
const LONGEST_TORN: u64 = 64 << 10;

/// Appends events to a file, with one `write` for each event or group of simultaneous events.
#[derive(Debug)]
pub(crate) struct EventLog {
    path: PathBuf,
    file: File,
    mask: Mask,
    consoles: ConsoleMask,
    line: Vec<u8>,
    written: u64,
    events: u64,
    /// Number and offset of every [`CHUNK`]th event in the file.
    index: Vec<(u64, u64)>,
    /// The maximum size of the file.
    limit: u64,
    dropped: Dropped,
    /// Events in which secrets were hidden since the last call of `take_altered`.
    altered: Vec<u64>,
    /// The first write that failed; later ones are not attempted.
    failed: Option<String>,
}

impl EventLog {
    pub(crate) fn create(path: &Path, mask: Mask, limit: u64) -> std::io::Result<Self> {
        let file = File::create_new(path)?;
        // `hil` may change its working directory.
        let path = path.canonicalize()?;
        Ok(Self {
            path,
            file,
            consoles: ConsoleMask::new(mask.clone()),
            mask,
            line: Vec::new(),
            written: 0,
            events: 0,
            index: Vec::new(),
            limit,
            dropped: Dropped::default(),
            altered: Vec::new(),
            failed: None,
        })
    }

    pub(crate) fn append(&mut self, event: &RunEvent) -> Written {
        self.append_all([event])
    }

    /// Appends simultaneous events with one write.
    pub(crate) fn append_all<'a>(&mut self, events: impl IntoIterator<Item = &'a RunEvent>) -> Written {
        if self.failed.is_some() {
            return Written::Failed;
        }
        self.line.clear();
        let serialized = events.into_iter().try_for_each(|event| self.add(event));
        let written = serialized.map_err(std::io::Error::from).and_then(|()| self.file.write_all(&self.line));
        self.failed = written.err().map(|error| error.to_string());
        self.written += self.line.len() as u64;
        if self.failed.is_some() { Written::Failed } else { Written::Done }
    }

    /// Adds an event to those that are written with it, unless the limit is reached.
    fn add(&mut self, event: &RunEvent) -> serde_json::Result<()> {
        let begin = self.line.len();
        // Once one is left out, all are: a record with gaps would look complete.
        let is_full = self.full().is_some() && !event.what.is_frame();
        if !is_full {
            self.serialize(event)?;
            self.line.push(b'\n');
        }
        let fits = event.what.is_frame() || self.written + self.line.len() as u64 <= self.limit;
        if is_full || !fits {
            self.line.truncate(begin);
            self.dropped.count(&event.what);
            return Ok(());
        }
        if self.events.is_multiple_of(CHUNK) {
            self.index.push((event.seq, self.written + begin as u64));
        }
        self.events += 1;
        Ok(())
    }

    /// The limit, if something was left out because of it.
    pub(crate) fn full(&self) -> Option<u64> {
        (self.dropped != Dropped::default()).then_some(self.limit)
    }

    /// What was left out, as an event.
    pub(crate) fn dropped(&self) -> Option<What> {
        let Dropped { lines, packets, others } = self.dropped;
        self.full().map(|_| What::RecordDropped { lines, packets, others })
    }

    fn serialize(&mut self, event: &RunEvent) -> serde_json::Result<()> {
        if self.mask.is_empty() {
            return serde_json::to_writer(&mut self.line, event);
        }
        let mut value = serde_json::to_value(event)?;
        let mut is_altered = self.mask.json(&mut value);
        // Secrets that span several lines are found only if all lines are searched.
        if let What::Console { board, line } = &event.what {
            let masked = self.consoles.line(board, line);
            is_altered |= masked != line.as_str();
            value["line"] = masked.into();
        }
        if is_altered {
            self.altered.push(event.seq);
        }
        serde_json::to_writer(&mut self.line, &value)
    }

    /// Events in which secrets were hidden since the last call.
    pub(crate) fn take_altered(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.altered)
    }

    /// Events from a number on, up to the end of their chunk.
    pub(crate) fn read_from(&self, seq: u64) -> std::io::Result<VecDeque<Arc<RunEvent>>> {
        let chunk = self.index.partition_point(|(first, _)| *first <= seq);
        let Some((_, start)) = chunk.checked_sub(1).and_then(|chunk| self.index.get(chunk)) else {
            return Ok(VecDeque::new());
        };
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

impl Dropped {
    fn count(&mut self, what: &What) {
        *match what {
            What::Console { .. } => &mut self.lines,
            What::Packet { .. } => &mut self.packets,
            _ => &mut self.others,
        } += 1;
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
        /// What the system reports.
        source: std::io::Error,
    },
    /// A line other than the last is not an event.
    #[error("`{}` line {line} is not an event of a run", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The run was written by a newer version of `hil`.
    #[error("`{}` has schema version {found}, this `hil` reads up to {SCHEMA}", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u32,
    },
}

/// Reads a recorded run. An incomplete last line (the run was killed while writing it) is left out.
///
/// # Errors
/// When the file can't be read, a complete line is not an event, or a newer `hil` wrote it.
pub fn read_events(path: &Path) -> Result<Vec<RunEvent>, ReadError> {
    EventReader::open(path)?.collect()
}

/// The fields that every version of a record begins with.
#[derive(serde::Deserialize)]
struct Begin {
    schema: Option<u32>,
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
        let failed = |source| ReadError::Io { path: self.path.clone(), source };
        let begins = self.reader.fill_buf().map_err(failed)?.first().copied();
        let most = if begins == Some(b'{') { LONGEST_LINE } else { LONGEST_TORN };
        let read = self.reader.by_ref().take(most).read_until(b'\n', &mut self.line).map_err(failed)?;
        if self.line.last() != Some(&b'\n') && (read as u64) < most {
            return Ok(None);
        }
        // A newer version is recognized by the first line, whatever else that line contains.
        if self.number == 1
            && let Ok(Begin { schema: Some(found) }) = serde_json::from_slice(&self.line)
            && found > SCHEMA
        {
            return Err(ReadError::Schema { path: self.path.clone(), found });
        }
        let event = serde_json::from_slice(&self.line);
        let malformed = |source| ReadError::Malformed { path: self.path.clone(), line: self.number, source };
        event.map(Some).map_err(malformed)
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
    fn a_file_that_is_not_a_record_does_not_fill_the_memory() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("events.jsonl");
        File::create(&path).expect("create").set_len(1 << 40).expect("sparse");
        let error = read_events(&path).expect_err("no run").to_string();
        assert!(error.ends_with("line 1 is not an event of a run"), "{error}");
    }

    #[test]
    fn a_file_that_is_not_a_run_is_rejected_with_its_line() {
        assert_eq!(error("{\"seq\":0}\n"), "`RUN/events.jsonl` line 1 is not an event of a run");
        let newer = r#"{"seq":0,"at":1,"event":"run-started","schema":99,"version":"9","unix_ms":0,"bench":"b","broker":"e","boards":[],"plan":[]}"#;
        assert_eq!(error(&format!("{newer}\n")), "`RUN/events.jsonl` has schema version 99, this `hil` reads up to 4");
        let unknown = r#"{"seq":0,"at":1,"event":"run-begun","schema":5,"runner":{"version":"2"}}"#;
        assert_eq!(error(&format!("{unknown}\n")), "`RUN/events.jsonl` has schema version 5, this `hil` reads up to 4");
        let missing = read_events(Path::new("nowhere/events.jsonl")).expect_err("missing").to_string();
        assert_eq!(missing, "can't read `nowhere/events.jsonl`");
    }
}
