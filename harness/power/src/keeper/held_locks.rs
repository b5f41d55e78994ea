//! The locks that a keeper holds, and the notes beside them.

use std::collections::BTreeMap;
use std::path::Path;

use hil_timeline::Mask;
use parking_lot::{Mutex, MutexGuard};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::control_sockets::ControlSockets;
use super::lock::{self, Holder, LockFile, Note};
use super::process_tree;
use super::protocol::{Claimed, KeeperResponse, Refusal};

/// A lock that is held for a board.
struct HeldLock {
    board: String,
    key: String,
    lock: LockFile,
}

/// All locks of a keeper.
pub(super) struct HeldLocks {
    held: Mutex<Vec<HeldLock>>,
    mask: Mutex<Mask>,
    control_sockets: ControlSockets,
}

/// A request for the locks of some boards.
pub(super) struct LockRequest<'a> {
    pub(super) folder: &'a Path,
    pub(super) boards: &'a [Claimed],
    pub(super) wait: bool,
    pub(super) holder: &'a Holder,
}

impl HeldLocks {
    /// No locks yet, and the connections that ask the keeper to exit.
    pub(super) fn new() -> (Self, mpsc::Receiver<UnixStream>) {
        let (control_sockets, asked) = ControlSockets::new();
        (Self { held: Mutex::default(), mask: Mutex::default(), control_sockets }, asked)
    }

    pub(super) fn control_sockets(&self) -> &ControlSockets {
        &self.control_sockets
    }

    fn held(&self) -> MutexGuard<'_, Vec<HeldLock>> {
        self.held.lock()
    }

    /// Hides these secrets from now on.
    pub(super) fn hide(&self, secrets: Vec<String>) {
        *self.mask.lock() = Mask::new(secrets);
    }

    /// A text without secrets.
    pub(super) fn shown(&self, text: &str) -> String {
        self.mask.lock().text(text).into_owned()
    }

    /// What is locked for a board.
    pub(super) fn claimed(&self, board: &str) -> Claimed {
        let keys = self.held().iter().filter(|held| held.board == board).map(|held| held.key.clone()).collect();
        Claimed { board: board.to_owned(), keys }
    }

    /// What the boards are held for.
    pub(super) fn what(&self) -> String {
        self.held().iter().find_map(|held| held.lock.own_note()).map(|holder| holder.what).unwrap_or_default()
    }

    /// Writes into each lock of a board that its rails are not safe, and why; none removes the note.
    pub(super) fn note(&self, board: &str, left_unsafe: Option<&str>) {
        let left_unsafe = left_unsafe.map(|text| self.shown(text));
        for HeldLock { lock, .. } in self.held().iter().filter(|held| held.board == board) {
            if let Some(holder) = lock.own_note().filter(|holder| holder.left_unsafe != left_unsafe) {
                // A rail that is not safe matters more than a missing note.
                let _ = lock.write(&Holder { left_unsafe: left_unsafe.clone(), ..holder });
            }
        }
    }

    /// Changes the note of each lock.
    ///
    /// # Errors
    /// If a note can't be written.
    pub(super) fn rewrite(&self, change: impl Fn(Holder) -> Holder) -> std::io::Result<()> {
        for HeldLock { lock, .. } in self.held().iter() {
            if let Some(holder) = lock.own_note() {
                lock.write(&change(holder))?;
            }
        }
        Ok(())
    }

    pub(super) fn release(&self) {
        self.held().clear();
    }

    /// Takes the locks of some boards in the order of their files, so that no two keepers wait for each other. Returns
    /// what the last holders could not make safe.
    ///
    /// Blocks the thread while it waits.
    pub(super) fn take(
        &self,
        request: &LockRequest<'_>,
        responses: &mpsc::UnboundedSender<KeeperResponse>,
    ) -> Result<Vec<(String, String)>, Refusal> {
        let before = self.held().iter().map(|held| (held.key.clone(), held.board.clone())).collect();
        let mut taken = Vec::<(HeldLock, Option<Note>)>::new();
        for (key, board) in wanted(before, request.boards)? {
            let lock = lock_one(request, &key, &board, responses)?;
            let last = lock.note();
            taken.push((HeldLock { board, key, lock }, last));
        }
        let mut left_unsafe: Vec<(String, String)> = Vec::new();
        // Written only now: if another lock is missing, the notes of the last holders must stay as they are.
        for (HeldLock { board, lock, .. }, last) in &taken {
            let left = last.as_ref().and_then(|last| last.holder.left_unsafe.clone());
            // The note stays until the rails are made safe.
            let holder = Holder {
                // From when it gets the lock, not from when it began to wait: the newest note counts.
                since_ms: Holder::this_process("").since_ms,
                keeper: Some(std::process::id()),
                token: process_tree::own_token(),
                left_unsafe: left.clone(),
                ..request.holder.clone()
            };
            if let Some((token, user)) = last.as_ref().and_then(|last| Some((last.holder.token.clone()?, last.user))) {
                // Programs that a killed keeper started may still switch the rail. Only processes of the note's writer
                // are killed.
                process_tree::end(&token, user);
            }
            let failed = |error: std::io::Error| Refusal::Lock { board: board.clone(), reason: error.to_string() };
            // A full folder has no room for the note: the lock is enough to switch a board off.
            let _ = lock.write(&holder);
            if let Some(socket) = lock.listener() {
                socket.and_then(|socket| self.control_sockets.listen(socket)).map_err(failed)?;
            }
            left_unsafe.extend(left.map(|left| (board.clone(), left)));
        }
        // Each lock of a board has the same note.
        left_unsafe.sort();
        left_unsafe.dedup();
        self.held().extend(taken.into_iter().map(|(held, _)| held));
        Ok(left_unsafe)
    }
}

fn lock_one(
    request: &LockRequest<'_>,
    key: &str,
    board: &str,
    responses: &mpsc::UnboundedSender<KeeperResponse>,
) -> Result<LockFile, Refusal> {
    let failed = |error: std::io::Error| Refusal::Lock {
        board: board.to_owned(),
        reason: format!("`{}`: {error}", request.folder.display()),
    };
    let mut lock = LockFile::open(request.folder, key).map_err(failed)?;
    if !lock.try_lock().map_err(failed)? {
        let holder = lock.holder();
        if !request.wait {
            return Err(Refusal::Held { board: board.to_owned(), holder: holder.map(Box::new) });
        }
        let _ = responses.send(KeeperResponse::Waiting { board: board.to_owned(), holder });
        lock.lock().map_err(failed)?;
    }
    Ok(lock)
}

/// The keys that are still to be locked, with their boards, in the order in which every keeper takes them. Two keys
/// with the same file are one lock: taking it twice would wait forever. Two boards of one run with the same key are one
/// device, which is an error.
fn wanted(before: Vec<(String, String)>, boards: &[Claimed]) -> Result<Vec<(String, String)>, Refusal> {
    let mut users: BTreeMap<String, String> =
        before.into_iter().map(|(key, board)| (lock::file_name(&key), board)).collect();
    let mut wanted = BTreeMap::new();
    for claimed in boards {
        for key in &claimed.keys {
            match users.insert(lock::file_name(key), claimed.board.clone()) {
                Some(other) if other != claimed.board => {
                    return Err(Refusal::Shared { boards: (other, claimed.board.clone()), key: key.clone() });
                }
                Some(_) => {}
                None => drop(wanted.insert(lock::file_name(key), (key.clone(), claimed.board.clone()))),
            }
        }
    }
    Ok(wanted.into_values().collect())
}
