//! A process that stands by a keeper, and makes its rails safe when it is killed or stops answering.
//!
//! It listens and sends nothing. The keeper sends it each board whose rails it opens, and a heartbeat every second. When the
//! line closes without a last message, or ten heartbeats in a row are missing, the standby ends the keeper and what it has
//! started, takes the boards' locks and puts the rails into their safe state.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::UnixStream;

use super::in_process;
use super::lock::Holder;
use super::offspring::Watched;
use super::standby_link::{HEARTBEAT, KeeperMessage, KeptRails};

/// How many heartbeats may be missing. Counted one by one: a standby that was stopped itself has missed one at most.
const MAX_MISSED: u32 = 10;

/// Waits until the keeper reports that it shuts down, or takes over from it.
pub(super) async fn stand_by(stream: UnixStream) {
    let mut lines = BufReader::new(stream).lines();
    let (mut kept, mut of) = (Vec::<KeptRails>::new(), None);
    let mut missed = 0;
    while missed < MAX_MISSED {
        let Ok(line) = tokio::time::timeout(HEARTBEAT, lines.next_line()).await else {
            missed += 1;
            continue;
        };
        missed = 0;
        let Ok(Some(line)) = line else { break };
        match serde_json::from_str(&line) {
            Ok(KeeperMessage::Keeper(keeper)) => of = Some(Watched::of(keeper)),
            Ok(KeeperMessage::Board(board)) => kept.push(*board),
            Ok(KeeperMessage::Heartbeat) | Err(_) => {}
            Ok(KeeperMessage::ShuttingDown) => return,
        }
    }
    if let Some(of) = of {
        of.end().await;
    }
    // At once: one that does not answer must not keep another on.
    futures::future::join_all(kept.into_iter().map(make_safe)).await;
}

/// Waits for the board if another process has it, and makes its rails safe unless that process has done so: then no note
/// says that they are unsafe.
async fn make_safe(board: KeptRails) {
    let Ok(keeper) = in_process::start(board.folder, Arc::new(|_, _| {})) else { return };
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
