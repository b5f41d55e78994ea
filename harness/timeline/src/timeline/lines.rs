//! Reading the lines of `events.jsonl` while it is written.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use tokio::sync::watch;

/// Reads the lines of a record as they are written, see [`Timeline::lines`](super::Timeline::lines).
///
/// Lines that are not yet read are in the file and not in memory, however slowly they are read.
#[derive(Debug)]
pub struct LineFollower {
    file: BufReader<File>,
    /// A change wakes: an event was recorded.
    recorded: watch::Receiver<u64>,
    line: Vec<u8>,
}

impl LineFollower {
    pub(super) fn open(path: &Path, recorded: watch::Receiver<u64>) -> std::io::Result<Self> {
        let file = hil_files::open(path, hil_files::Links::Refuse)?;
        Ok(Self { file: BufReader::with_capacity(1 << 16, file), recorded, line: Vec::new() })
    }

    /// The next line that is in the file, without its end; none if all have been read. Does not wait.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn next_written(&mut self) -> std::io::Result<Option<String>> {
        // Part of a line may be there already: it is kept until its end comes.
        self.file.read_until(b'\n', &mut self.line)?;
        if self.line.last() != Some(&b'\n') {
            return Ok(None);
        }
        self.line.pop();
        let line = std::mem::take(&mut self.line);
        String::from_utf8(line).map(Some).map_err(std::io::Error::other)
    }

    /// Waits until something was recorded since the last call. Cancel-safe.
    pub async fn recorded(&mut self) {
        if self.recorded.changed().await.is_err() {
            // The timeline is gone: nothing will be recorded.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Epoch, Mask, Timeline, What};

    #[tokio::test]
    async fn lines_come_as_they_are_in_the_file_without_secrets() {
        let folder = tempfile::tempdir().expect("folder");
        let timeline = Timeline::in_memory(Epoch::start());
        assert!(timeline.lines().expect("no file").is_none());
        timeline
            .write_to(&folder.path().join("events.jsonl"), Mask::new(["hunter22".to_owned()]), 1 << 20)
            .expect("file");
        let mut lines = timeline.lines().expect("opened").expect("a file");
        assert_eq!(lines.next_written().expect("read"), None);
        let said = |line: &str| What::Console { board: "lamp".to_owned(), line: line.to_owned() };
        timeline.record_all(None, vec![said("a"), said("password hunter22")]);
        lines.recorded().await;
        let first = lines.next_written().expect("read").expect("a line");
        assert!(first.contains(r#""line":"a""#), "{first}");
        let second = lines.next_written().expect("read").expect("a line");
        assert!(!second.contains("hunter22") && second.contains("password"), "{second}");
        assert_eq!(lines.next_written().expect("read"), None);
    }
}
