//! Marks the end of a program's output: bytes that are written after it, and never shown.
//!
//! A terminal has no event for "all output is read", and bytes that are read may not be recorded yet. A mark that comes
//! through the same terminal proves both: when its reader reads again, all output before the mark is recorded.

use std::io;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use rustix::rand::GetRandomFlags;

/// The mark of one terminal, and how far its reader is.
#[derive(Debug)]
pub(super) struct EndMark {
    bytes: Vec<u8>,
    stream: Mutex<Stream>,
    passed: Condvar,
}

/// What has come, without the marks.
#[derive(Debug, Default)]
struct Stream {
    /// To be delivered.
    ready: Vec<u8>,
    /// May be the beginning of a mark.
    held: Vec<u8>,
    /// The last byte before those held ended a line.
    in_line: bool,
    /// Marks that have come.
    marks: u64,
    /// Marks before which nothing is left to deliver.
    passed: u64,
}

impl EndMark {
    pub(super) fn new() -> io::Result<Self> {
        let mut random = [0_u8; 16];
        rustix::rand::getrandom(&mut random, GetRandomFlags::empty())?;
        // No program prints this by chance, nor on purpose: it never sees the number.
        let bytes = format!("\0end {}\0", hex::encode(random)).into_bytes();
        Ok(Self { bytes, stream: Mutex::default(), passed: Condvar::new() })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes what has come.
    pub(super) fn push(&self, bytes: &[u8]) {
        self.lock().push(bytes, &self.bytes);
    }

    /// What is to be delivered; the reader has dealt with all that was delivered before.
    pub(super) fn deliver(&self, buffer: &mut [u8]) -> usize {
        let mut stream = self.lock();
        let length = stream.ready.len().min(buffer.len());
        for (to, byte) in buffer.iter_mut().zip(stream.ready.drain(..length)) {
            *to = byte;
        }
        if length == 0 {
            stream.passed = stream.marks;
            self.passed.notify_all();
        }
        length
    }

    /// How many marks have passed.
    pub(super) fn count(&self) -> u64 {
        self.lock().passed
    }

    /// Waits until another mark has passed.
    pub(super) fn wait(&self, count: u64, patience: Duration) {
        // Without a reader, the output does not matter.
        let _ = self.passed.wait_while_for(&mut self.lock(), |stream| stream.passed <= count, patience);
    }

    /// What was not delivered is gone.
    pub(super) fn renew(&self) {
        let mut stream = self.lock();
        *stream = Stream { marks: stream.marks, passed: stream.passed, ..Stream::default() };
    }

    fn lock(&self) -> MutexGuard<'_, Stream> {
        self.stream.lock()
    }
}

impl Stream {
    fn push(&mut self, bytes: &[u8], mark: &[u8]) {
        self.held.extend(bytes);
        while let Some(at) = self.held.windows(mark.len()).position(|window| window == mark) {
            self.release(at);
            self.held.drain(..mark.len());
            self.marks += 1;
            // A line that was not ended is ended with the program.
            if std::mem::take(&mut self.in_line) {
                self.ready.push(b'\n');
            }
        }
        let begins = |at: &usize| mark.starts_with(&self.held[*at..]);
        let longest = self.held.len().saturating_sub(mark.len() - 1);
        let kept = (longest..self.held.len()).find(begins).unwrap_or(self.held.len());
        self.release(kept);
    }

    fn release(&mut self, length: usize) {
        self.ready.extend(self.held.drain(..length));
        if length > 0 {
            self.in_line = self.ready.last() != Some(&b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mark: &EndMark) -> Vec<u8> {
        let mut buffer = [0; 3];
        let mut all = Vec::new();
        loop {
            match mark.deliver(&mut buffer) {
                0 => return all,
                length => all.extend(&buffer[..length]),
            }
        }
    }

    #[test]
    fn a_mark_is_never_shown_wherever_it_is_split() {
        let mark = EndMark::new().expect("random");
        let sent = [b"last\0 words".as_slice(), mark.bytes(), b"next\n", mark.bytes()].concat();
        for at in 0..=sent.len() {
            let count = mark.count();
            mark.push(&sent[..at]);
            let mut came = all(&mark);
            mark.push(&sent[at..]);
            came.extend(all(&mark));
            assert_eq!(came, b"last\0 words\nnext\n", "split at {at}");
            assert_eq!(mark.count(), count + 2);
            mark.renew();
        }
    }

    #[test]
    fn what_only_begins_like_a_mark_comes_when_it_is_none() {
        let mark = EndMark::new().expect("random");
        mark.push(&mark.bytes()[..9]);
        assert_eq!(all(&mark), b"");
        mark.push(b"!");
        assert_eq!(all(&mark), [&mark.bytes()[..9], b"!"].concat());
    }

    #[test]
    fn a_mark_has_passed_only_when_the_reader_comes_back() {
        let mark = EndMark::new().expect("random");
        mark.push(&[b"words\n", mark.bytes()].concat());
        let mut buffer = [0; 100];
        assert_eq!(mark.deliver(&mut buffer), 6);
        assert_eq!(mark.count(), 0, "it may still be busy with them");
        assert_eq!(mark.deliver(&mut buffer), 0);
        assert_eq!(mark.count(), 1);
    }
}
