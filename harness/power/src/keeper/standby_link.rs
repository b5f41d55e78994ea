//! How a keeper starts its standby, and the messages that it sends.

use std::path::PathBuf;
use std::time::Duration;

use hil_config::Rail;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::launch;
use super::process_tree::KeeperIdentity;
use super::protocol::Claimed;

/// How often the keeper reports that it runs.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(1);

/// A board that a standby must make safe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct StandbyBoard {
    pub(super) claimed: Claimed,
    pub(super) rails: Vec<Rail>,
    /// Where its locks are.
    pub(super) folder: PathBuf,
    /// What the lock is held for.
    pub(super) what: String,
    /// The chip is held in reset: this program lets it run.
    pub(super) release: Option<Vec<String>>,
}

/// What a keeper sends to its standby: one JSON object per line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum KeeperMessage {
    /// Which process it is, and the token of the programs that it starts.
    Keeper(KeeperIdentity),
    /// A board, or what has changed of it.
    Board(Box<StandbyBoard>),
    /// Hides these secrets: a rail's program may print them.
    Hide(Vec<String>),
    Heartbeat,
    /// All rails are safe, or a note beside the lock names those that are not.
    ShuttingDown,
}

/// The keeper's end of the connection to its standby.
pub(super) struct StandbyLink {
    messages: mpsc::UnboundedSender<KeeperMessage>,
    task: JoinHandle<()>,
}

impl StandbyLink {
    /// Starts a standby for this keeper with some boards, which hides these secrets.
    pub(super) fn start<'a>(
        keeper: &KeeperIdentity,
        secrets: &[String],
        boards: impl Iterator<Item = &'a StandbyBoard>,
    ) -> std::io::Result<Self> {
        let stream = launch::start_standby()?;
        stream.set_nonblocking(true)?;
        let (messages, received) = mpsc::unbounded_channel();
        let task = tokio::spawn(send_all(UnixStream::from_std(stream)?, received));
        let standby = Self { messages, task };
        standby.send(KeeperMessage::Keeper(keeper.clone()));
        standby.hide(secrets);
        boards.for_each(|board| standby.board(board));
        Ok(standby)
    }

    pub(super) fn board(&self, board: &StandbyBoard) {
        self.send(KeeperMessage::Board(Box::new(board.clone())));
    }

    pub(super) fn hide(&self, secrets: &[String]) {
        self.send(KeeperMessage::Hide(secrets.to_vec()));
    }

    fn send(&self, message: KeeperMessage) {
        // A standby that has exited is replaced.
        let _ = self.messages.send(message);
    }

    /// Waits until it has exited although its keeper still runs.
    pub(super) async fn ended(&mut self) {
        let _ = (&mut self.task).await;
    }

    /// Tells it to exit.
    pub(super) async fn dismiss(mut self) {
        /// A stopped standby reads nothing, but its socket takes the message.
        const PATIENCE: Duration = Duration::from_secs(1);
        self.send(KeeperMessage::ShuttingDown);
        let _ = tokio::time::timeout(PATIENCE, &mut self.task).await;
    }
}

/// Sends each message and, between them, heartbeats. Returns after the last message, or when the standby exits.
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
