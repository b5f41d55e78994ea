//! The standby of a keeper: a process that makes the rails safe if the keeper is killed or stops answering.
//!
//! It listens and sends nothing. The keeper sends it each board whose rails it opens, and a heartbeat every second.
//! When the connection closes without a last message, or ten heartbeats in a row are missing, the standby kills the
//! keeper and its programs, takes the boards' locks and puts the rails into their safe state.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::UnixStream;

use super::in_process;
use super::lock::Holder;
use super::process_tree::WatchedKeeper;
use super::standby_link::{HEARTBEAT, KeeperMessage, StandbyBoard};

/// How many heartbeats may be missing. Counted one by one: a pause of the standby itself counts as one at most.
const MAX_MISSED: u32 = 10;

/// Waits until the keeper reports that it shuts down, or takes over from it.
pub(super) async fn stand_by(stream: UnixStream) {
    let mut lines = BufReader::new(stream).lines();
    let (mut boards, mut keeper) = (Vec::<StandbyBoard>::new(), None);
    let mut missed = 0;
    while missed < MAX_MISSED {
        let Ok(line) = tokio::time::timeout(HEARTBEAT, lines.next_line()).await else {
            missed += 1;
            continue;
        };
        missed = 0;
        let Ok(Some(line)) = line else { break };
        match serde_json::from_str(&line) {
            Ok(KeeperMessage::Keeper(identity)) => keeper = Some(WatchedKeeper::of(identity)),
            Ok(KeeperMessage::Board(board)) => boards.push(*board),
            Ok(KeeperMessage::Heartbeat) | Err(_) => {}
            Ok(KeeperMessage::ShuttingDown) => return,
        }
    }
    if let Some(keeper) = keeper {
        keeper.end().await;
    }
    // All at once: one that does not answer must not delay another.
    futures::future::join_all(boards.into_iter().map(make_safe)).await;
}

/// Waits for the board if another process holds it, and makes its rails safe unless that process has done so: then no
/// note marks them as unsafe.
async fn make_safe(board: StandbyBoard) {
    let Ok(keeper) = in_process::start(board.folder, Arc::new(|_, _| {})) else { return };
    let name = board.claimed.board.clone();
    let holder = Holder::this_process(&format!("{}, whose keeper was killed", board.what));
    if let Ok(left_unsafe) = keeper.lock(vec![board.claimed], true, holder).await
        && !left_unsafe.is_empty()
        && keeper.open(&name, &board.rails).await.is_ok()
    {
        // The shutdown tries again; the note stays if that fails, too.
        let _ = keeper.make_safe(&name).await;
    }
    keeper.end().await;
}
