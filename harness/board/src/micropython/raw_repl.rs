//! MicroPython's raw REPL, and its raw-paste mode with flow control (MicroPython, "The MicroPython Interactive
//! Interpreter Mode", sections "Raw mode" and "Raw-paste mode").

use std::io;
use std::time::Duration;

use hil_timeline::escaped;
use tokio::time::{Instant, timeout_at};

use crate::ports::OpenPort;

/// A board in its raw REPL.
pub(crate) struct RawRepl {
    port: OpenPort,
    /// What was read and not yet looked at.
    heard: Vec<u8>,
    /// None until it was tried.
    pastes: Option<bool>,
    /// Tells the code of one try from that of another.
    nonce: u32,
}

/// Why the REPL did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplError {
    /// The port failed or vanished.
    #[error("the port failed: {0}")]
    Port(#[from] io::Error),
    /// No raw REPL came up.
    #[error("no REPL answers on its console{}", heard_last(.0))]
    NoRepl(Vec<u8>),
    /// It fell silent.
    #[error("it stopped answering{}", heard_last(.0))]
    Silent(Vec<u8>),
    /// A file is not what was sent.
    #[error("`{0}` did not arrive as it was sent")]
    Garbled(String),
    /// The code raised an exception.
    #[error("it says `{}`", escaped(.0))]
    Raised(String),
}

fn heard_last(heard: &[u8]) -> String {
    let text = String::from_utf8_lossy(heard);
    // An old board echoes the upload, which may hold secrets.
    let is_ours = |line: &&str| line.is_empty() || line.contains("_W(b");
    let line = text.lines().rev().map(str::trim).find(|line| !is_ours(line));
    line.map(|line| format!("; its last line is `{}`", escaped(line))).unwrap_or_default()
}

const BANNER: &[u8] = b"raw REPL; CTRL-B to exit\r\n>";
/// Ctrl-C twice, as long as something runs; Ctrl-A.
const INTERRUPT: &[u8] = b"\r\x03\x03\r\x01";
const CTRL_A: u8 = 1;
const CTRL_B: u8 = 2;
const CTRL_D: u8 = 4;

impl RawRepl {
    /// How long an interruption may take to show, in milliseconds, one after another. A script that catches it and
    /// resets its chip must be met in its next life before it catches it again; when that is differs from board to
    /// board, and so do these.
    const TRIES: [u64; 8] = [250, 30, 60, 100, 150, 400, 200, 700];
    /// How long one piece of code may take.
    const CODE: Duration = Duration::from_secs(15);

    /// Interrupts whatever runs, until the raw REPL is there; after `patience` the board is taken for one without.
    pub(crate) async fn enter(port: OpenPort, patience: Duration) -> Result<Self, ReplError> {
        let mut repl = Self { port, heard: Vec::new(), pastes: None, nonce: 0 };
        let deadline = Instant::now() + patience;
        for patience in Self::TRIES.into_iter().cycle() {
            repl.send(INTERRUPT, deadline).await?;
            match repl.read_past(BANNER, Instant::now() + Duration::from_millis(patience)).await {
                Ok(_) if repl.listens().await? => return Ok(repl),
                Ok(_) | Err(ReplError::Silent(_)) => {}
                Err(error) => return Err(error),
            }
            if Instant::now() > deadline {
                break;
            }
        }
        Err(ReplError::NoRepl(repl.heard))
    }

    /// Whether code is run: banners of earlier tries lie before its answer.
    async fn listens(&mut self) -> Result<bool, ReplError> {
        self.nonce += 1;
        let deadline = Instant::now() + Duration::from_secs(2);
        self.send(format!("print('hil-','{0}')", self.nonce).as_bytes(), deadline).await?;
        self.send(&[CTRL_D], deadline).await?;
        let answer = format!("OKhil- {}\r\n\x04\x04>", self.nonce);
        match self.read_past(answer.as_bytes(), deadline).await {
            Ok(_) => Ok(true),
            Err(ReplError::Silent(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Runs code and returns what it printed.
    pub(crate) async fn run(&mut self, code: &str) -> Result<String, ReplError> {
        let deadline = Instant::now() + Self::CODE;
        if !self.paste(code.as_bytes(), deadline).await? {
            self.send(code.as_bytes(), deadline).await?;
            self.send(&[CTRL_D], deadline).await?;
            self.read_past(b"OK", deadline).await?;
        }
        let printed = self.read_past(&[CTRL_D], deadline).await?;
        let raised = self.read_past(&[CTRL_D], deadline).await?;
        self.read_past(b">", deadline).await?;
        if raised.is_empty() {
            return Ok(String::from_utf8_lossy(&printed).replace('\r', ""));
        }
        let text = String::from_utf8_lossy(&raised);
        let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty());
        Err(ReplError::Raised(line.unwrap_or_default().to_owned()))
    }

    /// Back to the friendly REPL; returns the port.
    pub(crate) async fn leave(mut self) -> OpenPort {
        // Its next reset finds it either way.
        let _ = self.send(&[b'\r', CTRL_B], Instant::now() + Duration::from_millis(250)).await;
        self.port
    }

    /// Sends code in raw-paste mode; false if the board does not know it.
    async fn paste(&mut self, code: &[u8], deadline: Instant) -> Result<bool, ReplError> {
        if self.pastes == Some(false) {
            return Ok(false);
        }
        self.send(&[5, b'A', CTRL_A], deadline).await?;
        match &self.read(2, deadline).await?[..] {
            b"R\x01" => {}
            b"R\x00" => {
                self.read_past(b">", deadline).await?;
                self.pastes = Some(false);
                return Ok(false);
            }
            // An old REPL takes it for code, and Ctrl-A for a restart.
            _ => {
                self.read_past(BANNER.split_at(2).1, deadline).await?;
                self.pastes = Some(false);
                return Ok(false);
            }
        }
        self.pastes = Some(true);
        let window = self.read(2, deadline).await?;
        let window = usize::from(u16::from_le_bytes([window[0], window[1]]));
        let (mut room, mut rest) = (0, code);
        while !rest.is_empty() {
            if room == 0 || !self.heard.is_empty() {
                match self.read(1, deadline).await?[0] {
                    1 => room += window,
                    // It wants no more: what it says of it comes next.
                    CTRL_D => {
                        self.send(&[CTRL_D], deadline).await?;
                        return Ok(true);
                    }
                    _ => return Err(ReplError::Silent(std::mem::take(&mut self.heard))),
                }
                continue;
            }
            let (piece, left) = rest.split_at(rest.len().min(room));
            self.send(piece, deadline).await?;
            (room, rest) = (room - piece.len(), left);
        }
        self.send(&[CTRL_D], deadline).await?;
        // Windows that were not needed come before it.
        self.read_past(&[CTRL_D], deadline).await?;
        Ok(true)
    }

    async fn send(&mut self, mut bytes: &[u8], deadline: Instant) -> Result<(), ReplError> {
        let mut buffer = [0; 4096];
        while !bytes.is_empty() {
            // A board that floods its console accepts nothing while it is not read.
            let moved = timeout_at(deadline, async {
                tokio::select! {
                    written = self.port.write_some(bytes) => written.map(|length| (length, 0)),
                    read = self.port.read(&mut buffer) => read.map(|length| (0, length)),
                }
            });
            let silent = |_| ReplError::Silent(self.heard.clone());
            let (written, read) = moved.await.map_err(silent)??;
            if written == 0 && read == 0 {
                return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
            }
            bytes = &bytes[written..];
            self.keep(&buffer[..read]);
        }
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.heard.extend_from_slice(bytes);
    }

    async fn more(&mut self, deadline: Instant) -> Result<(), ReplError> {
        let mut buffer = [0; 4096];
        match timeout_at(deadline, self.port.read(&mut buffer)).await {
            Ok(Ok(0)) => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(Ok(length)) => {
                self.keep(&buffer[..length]);
                Ok(())
            }
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(ReplError::Silent(self.heard.clone())),
        }
    }

    async fn read(&mut self, length: usize, deadline: Instant) -> Result<Vec<u8>, ReplError> {
        while self.heard.len() < length {
            self.more(deadline).await?;
        }
        Ok(self.heard.drain(..length).collect())
    }

    /// Everything before a mark; the mark is taken as well.
    async fn read_past(&mut self, mark: &[u8], deadline: Instant) -> Result<Vec<u8>, ReplError> {
        /// Of a console that floods, so much is kept.
        const MOST: usize = 1 << 20;
        let mut from = 0;
        loop {
            let found = self.heard[from..].windows(mark.len()).position(|window| window == mark);
            if let Some(at) = found.map(|at| from + at) {
                let rest = self.heard.split_off(at + mark.len());
                let mut before = std::mem::replace(&mut self.heard, rest);
                before.truncate(at);
                return Ok(before);
            }
            from = self.heard.len().saturating_sub(mark.len() - 1);
            if self.heard.len() > MOST {
                self.heard.drain(..from);
                from = 0;
            }
            self.more(deadline).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use hil_fuzz::{Corpus, Random, fuzz};

    use super::*;
    use crate::console_port::{ConsolePort, Transfer};
    use crate::micropython::Script;
    use crate::micropython::upload::upload;
    use parking_lot::Mutex;

    /// A board that says what it was made to say, piece by piece, whatever it is asked; then it is gone.
    struct Scripted(Mutex<VecDeque<Vec<u8>>>);

    impl ConsolePort for Scripted {
        fn read<'a>(&'a self, buffer: &'a mut [u8]) -> Transfer<'a> {
            let mut pieces = self.0.lock();
            let Some(mut piece) = pieces.pop_front() else { return Box::pin(async { Ok(0) }) };
            let length = piece.len().min(buffer.len());
            buffer[..length].copy_from_slice(&piece[..length]);
            if piece.len() > length {
                pieces.push_front(piece.split_off(length));
            }
            Box::pin(async move { Ok(length) })
        }

        fn write<'a>(&'a self, bytes: &'a [u8]) -> Transfer<'a> {
            Box::pin(async { Ok(bytes.len()) })
        }

        fn set_baud(&mut self, _: u32) -> io::Result<()> {
            Ok(())
        }
    }

    fn pieces(bytes: &[u8]) -> VecDeque<Vec<u8>> {
        let (mut random, mut rest, mut pieces) = (Random::new(bytes.len() as u64), bytes, VecDeque::new());
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(1 + random.below(rest.len().min(64)));
            pieces.push_back(piece.to_vec());
            rest = later;
        }
        pieces
    }

    #[test]
    fn a_board_may_answer_an_upload_with_any_bytes() {
        let corpus = Corpus::from_hex(include_str!("../../../../fixtures/corpora/raw-repl.hex"));
        let words: [&[u8]; 6] = [BANNER, b"OKhil- 1\r\n\x04\x04>", b"\x04\x04>", b"R\x01", b"R\x00>", b"\x01\x00\x01"];
        let scripts = [Script { path: "lib/main.py".to_owned(), contents: b"print(1)\n".repeat(100) }];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = Mutex::new(runtime.expect("runtime"));
        fuzz("raw REPL", &corpus.with_words(words), 2000, |bytes| {
            let port = OpenPort::new(Box::new(Scripted(Mutex::new(pieces(bytes)))));
            let outcome = runtime.lock().block_on(async {
                let mut repl = RawRepl::enter(port, Duration::from_secs(1)).await?;
                upload(&mut repl, &scripts, &|_| {}).await
            });
            if let Err(error) = outcome {
                assert!(!error.to_string().contains('\u{1b}'), "what a board says is shown escaped: {error}");
            }
        });
    }
}
