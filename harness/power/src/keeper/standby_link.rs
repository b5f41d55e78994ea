//! How a keeper starts its standby and what it sends to it.

use std::path::PathBuf;
use std::time::Duration;

use hil_config::Rail;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::launch;
use super::offspring::Offspring;
use super::protocol::Claimed;

/// How often the keeper reports that it runs.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(1);

/// A board whose rails a keeper holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptRails {
    pub(super) claimed: Claimed,
    pub(super) rails: Vec<Rail>,
    /// Where its locks are.
    pub(super) folder: PathBuf,
    /// What the lock is held for.
    pub(super) what: String,
}

/// What a keeper sends to its standby: one JSON object a line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum KeeperMessage {
    /// Who it is, and the token of what it starts.
    Keeper(Offspring),
    Board(Box<KeptRails>),
    Heartbeat,
    /// All rails are safe, or a note in the lock says which are not.
    ShuttingDown,
}

/// The keeper's end of the line to its standby.
pub(super) struct StandbyLink {
    messages: mpsc::UnboundedSender<KeeperMessage>,
    task: JoinHandle<()>,
}

impl StandbyLink {
    /// Starts a standby for this keeper with some boards.
    pub(super) fn start(keeper: &Offspring, boards: &[KeptRails]) -> std::io::Result<Self> {
        let stream = launch::start_standby()?;
        stream.set_nonblocking(true)?;
        let (messages, received) = mpsc::unbounded_channel();
        let task = tokio::spawn(send_all(UnixStream::from_std(stream)?, received));
        let standby = Self { messages, task };
        standby.send(KeeperMessage::Keeper(keeper.clone()));
        boards.iter().for_each(|board| standby.board(board));
        Ok(standby)
    }

    pub(super) fn board(&self, board: &KeptRails) {
        self.send(KeeperMessage::Board(Box::new(board.clone())));
    }

    fn send(&self, message: KeeperMessage) {
        // One that has ended is replaced.
        let _ = self.messages.send(message);
    }

    /// Waits until it has ended although its keeper is there.
    pub(super) async fn ended(&mut self) {
        let _ = (&mut self.task).await;
    }

    /// Ends it.
    pub(super) async fn dismiss(mut self) {
        /// One that is stopped reads nothing, but its socket takes the message.
        const PATIENCE: Duration = Duration::from_secs(1);
        self.send(KeeperMessage::ShuttingDown);
        let _ = tokio::time::timeout(PATIENCE, &mut self.task).await;
    }
}

/// Sends each message and, between them, heartbeats. Ends after the last message, or with the standby.
async fn send_all(mut stream: UnixStream, mut messages: mpsc::UnboundedReceiver<KeeperMessage>) {
    loop {
        let message = match tokio::time::timeout(HEARTBEAT, messages.recv()).await {
            Ok(Some(message)) => message,
            Ok(None) => return,
            Err(_) => KeeperMessage::Heartbeat,
        };
        let Ok(mut line) = serde_json::to_vec(&message) else { continue };
        line.push(b'\n');
        if stream.write_all(&line).await.is_err() || matches!(message, KeeperMessage::ShuttingDown) {
            return;
        }
    }
}
