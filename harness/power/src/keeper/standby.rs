//! A process that stands by a keeper, and makes its rails safe when it is killed or stops answering.
//!
//! It listens and says nothing. The keeper sends it each board whose rails it opens, and a beat every second. When the
//! line closes without a farewell, or no beat has come for ten seconds, the standby ends the keeper
//! and what it has started, takes the boards' locks and puts the rails into their safe state.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hil_config::Rail;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::client::Keeper;
use super::lock::Holder;
use super::offspring::{Offspring, Watched};
use super::process;
use super::protocol::Claimed;

/// How often the keeper says that it is there.
const BEAT: Duration = Duration::from_secs(1);
/// How many beats may be missing. Counted one by one: a standby that stood still itself has missed one at most.
const MISSES: u32 = 10;

/// A board whose rails a keeper holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) claimed: Claimed,
    pub(super) rails: Vec<Rail>,
    /// Where its locks are.
    pub(super) folder: PathBuf,
    /// What the lock is held for.
    pub(super) what: String,
}

/// What a keeper says to its standby: one JSON object a line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    /// Who it is, and the token of what it starts.
    Keeper(Offspring),
    Board(Box<Kept>),
    Beat,
    /// All rails are safe, or a note in the lock says which are not.
    Farewell,
}

/// The standby as its keeper has it.
pub(super) struct Standby {
    words: mpsc::UnboundedSender<Word>,
    task: JoinHandle<()>,
}

impl Standby {
    /// Starts it for this keeper with some boards.
    pub(super) fn start(keeper: &Offspring, boards: &[Kept]) -> std::io::Result<Self> {
        let stream = process::start_standby()?;
        stream.set_nonblocking(true)?;
        let (words, said) = mpsc::unbounded_channel();
        let task = tokio::spawn(speak(UnixStream::from_std(stream)?, said));
        let standby = Self { words, task };
        standby.say(Word::Keeper(keeper.clone()));
        boards.iter().for_each(|board| standby.board(board));
        Ok(standby)
    }

    pub(super) fn board(&self, board: &Kept) {
        self.say(Word::Board(Box::new(board.clone())));
    }

    fn say(&self, word: Word) {
        // One that has ended is replaced.
        let _ = self.words.send(word);
    }

    /// Waits until it has ended although its keeper is there.
    pub(super) async fn ended(&mut self) {
        let _ = (&mut self.task).await;
    }

    /// Lets it end.
    pub(super) async fn dismiss(mut self) {
        /// One that is stopped reads nothing; its socket takes this word all the same.
        const PATIENCE: Duration = Duration::from_secs(1);
        self.say(Word::Farewell);
        let _ = tokio::time::timeout(PATIENCE, &mut self.task).await;
    }
}

/// Says each word and, between them, that the keeper is there. Ends after the farewell, or with the standby.
async fn speak(mut stream: UnixStream, mut words: mpsc::UnboundedReceiver<Word>) {
    loop {
        let word = match tokio::time::timeout(BEAT, words.recv()).await {
            Ok(Some(word)) => word,
            Ok(None) => return,
            Err(_) => Word::Beat,
        };
        let Ok(mut line) = serde_json::to_vec(&word) else { continue };
        line.push(b'\n');
        if stream.write_all(&line).await.is_err() || matches!(word, Word::Farewell) {
            return;
        }
    }
}

/// Stands by until the keeper says farewell, or takes over from it.
pub(super) async fn stand_by(stream: UnixStream) {
    let mut lines = BufReader::new(stream).lines();
    let (mut kept, mut of) = (Vec::<Kept>::new(), None);
    let mut misses = 0;
    while misses < MISSES {
        let Ok(line) = tokio::time::timeout(BEAT, lines.next_line()).await else {
            misses += 1;
            continue;
        };
        misses = 0;
        let Ok(Some(line)) = line else { break };
        match serde_json::from_str(&line) {
            Ok(Word::Keeper(keeper)) => of = Some(Watched::of(keeper)),
            Ok(Word::Board(board)) => kept.push(*board),
            Ok(Word::Beat) | Err(_) => {}
            Ok(Word::Farewell) => return,
        }
    }
    if let Some(of) = of {
        of.end().await;
    }
    // At once: one that does not answer must not keep another on.
    futures::future::join_all(kept.into_iter().map(make_safe)).await;
}

/// Waits for the board where another process has it, and makes its rails safe unless that one has done so: then no note says
/// that they are not.
async fn make_safe(board: Kept) {
    let Ok(keeper) = Keeper::in_process(board.folder, Arc::new(|_, _| {})) else { return };
    let name = board.claimed.board.clone();
    let holder = Holder::this_process(&format!("{}, whose keeper was killed", board.what));
    if let Ok(left_unsafe) = keeper.lock(vec![board.claimed], true, holder).await
        && !left_unsafe.is_empty()
        && keeper.open(&name, &board.rails).await.is_ok()
    {
        // Its end tries once more; the note stays where that fails, too.
        let _ = keeper.make_safe(&name).await;
    }
    keeper.end().await;
}
