//! The standby of a keeper: a process that makes the rails safe if the keeper is killed or stops answering.
//!
//! It listens and sends nothing. The keeper sends it each board whose rails it opens or whose chip a program holds in
//! reset, and a heartbeat every second. When the connection closes without a last message, or ten heartbeats in a row
//! are missing, the standby kills the keeper and its programs, takes the boards' locks, puts the rails into their safe
//! state and lets the chips run.

use std::collections::BTreeMap;
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
    let (mut boards, mut keeper) = (BTreeMap::<String, StandbyBoard>::new(), None);
    let (mut secrets, mut missed) = (Vec::new(), 0);
    while missed < MAX_MISSED {
        let Ok(line) = tokio::time::timeout(HEARTBEAT, lines.next_line()).await else {
            missed += 1;
            continue;
        };
        missed = 0;
        let Ok(Some(line)) = line else { break };
        match serde_json::from_str(&line) {
            Ok(KeeperMessage::Keeper(identity)) => keeper = Some(WatchedKeeper::of(identity)),
            Ok(KeeperMessage::Board(board)) => drop(boards.insert(board.claimed.board.clone(), *board)),
            Ok(KeeperMessage::Hide(hidden)) => secrets = hidden,
            Ok(KeeperMessage::Heartbeat) | Err(_) => {}
            Ok(KeeperMessage::ShuttingDown) => return,
        }
    }
    if let Some(keeper) = keeper {
        keeper.end().await;
    }
    // All at once: one that does not answer must not delay another.
    futures::future::join_all(boards.into_values().map(|board| make_safe(board, secrets.clone()))).await;
}

/// Waits for the board if another process holds it, and makes its rails safe unless that process has done so: then no
/// note marks them as unsafe. A chip that the keeper knew to be held in reset is released even so: a chip that runs
/// already does not notice.
async fn make_safe(board: StandbyBoard, secrets: Vec<String>) {
    let Ok(keeper) = in_process::start(board.folder, Arc::new(|_, _| {})) else { return };
    let _ = keeper.hide(secrets).await;
    let name = board.claimed.board.clone();
    let holder = Holder::this_process(&format!("{}, whose keeper was killed", board.what));
    if let Ok(left_unsafe) = keeper.lock(vec![board.claimed], true, holder).await {
        if !left_unsafe.is_empty() && !board.rails.is_empty() && keeper.open(&name, &board.rails).await.is_ok() {
            // The shutdown tries again; the note stays if that fails, too.
            let _ = keeper.make_safe(&name).await;
        }
        if let Some(program) = board.release {
            // The shutdown runs it.
            let _ = keeper.releases(&name, Some(program)).await;
        }
    }
    keeper.end().await;
}
