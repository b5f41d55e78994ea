//! The last lines that an emulator writes to its standard error.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, PipeReader, PipeWriter, Read as _};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// Lines that are kept, and bytes of each.
const KEPT: usize = 10;
const LONGEST: u64 = 400;

/// What a program writes, read to its end by a thread.
pub(super) struct LastWords(Receiver<VecDeque<String>>);

impl LastWords {
    /// Returns the side that the program gets.
    pub(super) fn listen() -> io::Result<(Self, PipeWriter)> {
        let (reader, writer) = io::pipe()?;
        let (send, receive) = sync_channel(1);
        let body = move || drop(send.send(read(reader)));
        std::thread::Builder::new().name("emulator errors".to_owned()).spawn(body)?;
        Ok((Self(receive), writer))
    }

    /// The lines, once nothing has the other side any more.
    pub(super) fn take(&self) -> Vec<String> {
        /// A process that left the group may keep it open.
        const PATIENCE: Duration = Duration::from_secs(1);
        self.0.recv_timeout(PATIENCE).unwrap_or_default().into()
    }
}

fn read(reader: PipeReader) -> VecDeque<String> {
    let (mut reader, mut kept) = (BufReader::new(reader), VecDeque::new());
    loop {
        let mut line = Vec::new();
        match reader.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return kept,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        if text.is_empty() {
            continue;
        }
        kept.push_back(text);
        if kept.len() > KEPT {
            kept.pop_front();
        }
    }
}
