//! Reads the messages of the head, in a thread of its own: standard input blocks.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hil_files::NewFile;
use hil_timeline::Epoch;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::output::Outbox;
use crate::lifeline::Heard;
use crate::lines;
use crate::protocol::{CHUNK, LONGEST_TO_AGENT, ToAgent, ToHead};

/// What came.
#[derive(Debug)]
pub(super) enum Input {
    /// A message.
    Message(ToAgent),
    /// Every file that was asked for is there.
    AllReceived,
    /// Nothing more comes: the head is gone, or says what no head says.
    Lost(String),
}

/// Files that are wanted, by their hash, with their sizes, and where they go.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted(Arc<Mutex<(PathBuf, BTreeMap<String, u64>)>>);

impl Wanted {
    /// From now on these files may come.
    pub(super) fn ask(&self, folder: PathBuf, files: BTreeMap<String, u64>) {
        *self.0.lock() = (folder, files);
    }

    /// Begins a file; refuses one that was not asked for.
    fn begin(&self, sha256: &str, size: u64) -> Result<Incoming, String> {
        let mut wanted = self.0.lock();
        if wanted.1.get(sha256) != Some(&size) {
            return Err("the head sent a file that was not asked for".to_owned());
        }
        wanted.1.remove(sha256);
        let file = NewFile::create_private(&wanted.0.join(sha256));
        let file = file.map_err(|error| format!("a file of the project can't be kept: {error}"))?;
        Ok(Incoming { file, sha256: sha256.to_owned(), left: size, hash: Sha256::new() })
    }

    fn is_empty(&self) -> bool {
        self.0.lock().1.is_empty()
    }
}

/// A file that is being received.
struct Incoming {
    file: NewFile,
    sha256: String,
    left: u64,
    hash: Sha256,
}

impl Incoming {
    fn add(&mut self, chunk: &str) -> Result<(), String> {
        let bytes = STANDARD.decode(chunk).map_err(|_| "the head sent a chunk that is not base64".to_owned())?;
        let left = self.left.checked_sub(bytes.len() as u64).filter(|_| bytes.len() <= CHUNK && !bytes.is_empty());
        self.left = left.ok_or("the head sent more bytes than it announced")?;
        self.hash.update(&bytes);
        self.file.write_all(&bytes).map_err(|error| format!("a file of the project can't be kept: {error}"))
    }

    fn finish(self) -> Result<(), String> {
        if hex::encode(self.hash.finalize()) != self.sha256 {
            return Err("a file of the project changed on its way".to_owned());
        }
        self.file.finish().map_err(|error| format!("a file of the project can't be kept: {error}"))
    }
}

/// Starts the thread.
pub(super) fn start(
    from: Box<dyn Read + Send>,
    epoch: Epoch,
    heard: Heard,
    wanted: Wanted,
    out: Outbox,
) -> std::io::Result<UnboundedReceiver<Input>> {
    let (send, received) = unbounded_channel();
    let reader = Reader { heard, wanted, out, epoch, send, incoming: None };
    std::thread::Builder::new().name("head".to_owned()).spawn(move || reader.run(from))?;
    Ok(received)
}

struct Reader {
    heard: Heard,
    wanted: Wanted,
    out: Outbox,
    epoch: Epoch,
    send: UnboundedSender<Input>,
    incoming: Option<Incoming>,
}

impl Reader {
    fn run(mut self, from: Box<dyn Read + Send>) {
        let mut from = BufReader::with_capacity(1 << 16, from);
        let lost = loop {
            match lines::read::<ToAgent>(&mut from, LONGEST_TO_AGENT) {
                Ok(message) => {
                    self.heard.again();
                    if let Err(wrong) = self.take(message) {
                        break wrong;
                    }
                }
                Err(error) => break error.to_string(),
            }
        };
        // A part of a file must not outlast the session.
        self.incoming = None;
        let _ = self.send.send(Input::Lost(lost));
    }

    fn take(&mut self, message: ToAgent) -> Result<(), String> {
        match message {
            ToAgent::Ping { n } => self.out.send(&ToHead::Pong { n, at: self.epoch.now().0 }),
            ToAgent::File { sha256, size } if self.incoming.is_none() => {
                self.incoming = Some(self.wanted.begin(&sha256, size)?);
                self.finish_file()?;
            }
            ToAgent::Chunk(chunk) => {
                self.incoming.as_mut().ok_or("the head sent a chunk of no file")?.add(&chunk)?;
                // A sign of life: on a slow connection, the head's questions come late.
                self.out.send(&ToHead::Pong { n: 0, at: self.epoch.now().0 });
                self.finish_file()?;
            }
            // The session may be gone already.
            message => drop(self.send.send(Input::Message(message))),
        }
        Ok(())
    }

    /// Keeps the file if it is whole.
    fn finish_file(&mut self) -> Result<(), String> {
        if let Some(file) = self.incoming.take_if(|file| file.left == 0) {
            file.finish()?;
            if self.wanted.is_empty() {
                let _ = self.send.send(Input::AllReceived);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::hash;

    /// What the session gets from these messages, and the files that are kept.
    async fn taken(wanted: &[&[u8]], messages: &[ToAgent]) -> (Vec<String>, Vec<Vec<u8>>) {
        let folder = tempfile::tempdir().expect("folder");
        let asked = Wanted::default();
        asked.ask(folder.path().to_owned(), wanted.iter().map(|bytes| (hash(bytes), bytes.len() as u64)).collect());
        let text: String = messages.iter().map(lines::line).collect();
        let (out, _kept) = Outbox::new();
        let from = Box::new(std::io::Cursor::new(text.into_bytes()));
        let mut inputs = start(from, Epoch::start(), Heard::now(), asked, out).expect("a thread");
        let mut said = Vec::new();
        while let Some(input) = inputs.recv().await {
            said.push(match input {
                Input::Message(message) => format!("{message:?}"),
                Input::AllReceived => "all received".to_owned(),
                Input::Lost(why) => why,
            });
        }
        let files = std::fs::read_dir(folder.path()).expect("folder").flatten();
        (said, files.map(|file| std::fs::read(file.path()).expect("read")).collect())
    }

    fn file(bytes: &[u8], size: u64) -> ToAgent {
        ToAgent::File { sha256: hash(bytes), size }
    }

    fn chunk(bytes: &[u8]) -> ToAgent {
        ToAgent::Chunk(STANDARD.encode(bytes))
    }

    #[tokio::test]
    async fn a_file_is_kept_when_it_is_whole_and_right() {
        let messages = [file(b"abc", 3), chunk(b"ab"), ToAgent::Finish, chunk(b"c"), file(b"", 0)];
        let (said, files) = taken(&[b"abc", b""], &messages).await;
        assert_eq!(said, ["Finish", "all received", "the connection ended"]);
        assert_eq!(files.iter().map(Vec::len).sum::<usize>(), 3);
    }

    #[tokio::test]
    async fn nothing_else_is_kept() {
        let abc: &[u8] = b"abc";
        let cases: [(&[ToAgent], &str); 6] = [
            (&[file(b"other", 5)], "the head sent a file that was not asked for"),
            (&[file(abc, 4)], "the head sent a file that was not asked for"),
            (&[file(abc, 3), chunk(b"abd")], "a file of the project changed on its way"),
            (&[file(abc, 3), chunk(b"abcd")], "the head sent more bytes than it announced"),
            (&[chunk(abc)], "the head sent a chunk of no file"),
            (&[file(abc, 3), ToAgent::Chunk("?".to_owned())], "the head sent a chunk that is not base64"),
        ];
        for (messages, wrong) in cases {
            let (said, files) = taken(&[abc], messages).await;
            assert_eq!((said.as_slice(), files.len()), ([wrong.to_owned()].as_slice(), 0));
        }
        let (said, files) = taken(&[abc], &[file(abc, 3), chunk(b"ab")]).await;
        assert_eq!((said.as_slice(), files.len()), (["the connection ended".to_owned()].as_slice(), 0), "torn");
    }
}
