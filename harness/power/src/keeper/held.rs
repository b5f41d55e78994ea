//! The locks that a keeper holds, and the notes in them.

use std::collections::BTreeMap;
use std::path::Path;

use hil_timeline::Mask;
use parking_lot::{Mutex, MutexGuard};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::door::Door;
use super::lock::{self, Holder, LockFile, Note};
use super::offspring;
use super::protocol::{Claimed, Refusal, Said};

/// A lock that is held for a board.
struct Held {
    board: String,
    key: String,
    lock: LockFile,
}

/// All locks of a keeper.
pub(super) struct Locks {
    held: Mutex<Vec<Held>>,
    mask: Mutex<Mask>,
    door: Door,
}

/// Who asks for locks, and how.
pub(super) struct Wish<'a> {
    pub(super) folder: &'a Path,
    pub(super) boards: &'a [Claimed],
    pub(super) wait: bool,
    pub(super) holder: &'a Holder,
}

impl Locks {
    /// None yet, and where the ones arrive that ask their keeper to end.
    pub(super) fn new() -> (Self, mpsc::Receiver<UnixStream>) {
        let (door, asked) = Door::new();
        (Self { held: Mutex::default(), mask: Mutex::default(), door }, asked)
    }

    pub(super) fn door(&self) -> &Door {
        &self.door
    }

    fn held(&self) -> MutexGuard<'_, Vec<Held>> {
        self.held.lock()
    }

    /// Shows these nowhere from now on.
    pub(super) fn hide(&self, secrets: Vec<String>) {
        *self.mask.lock() = Mask::new(secrets);
    }

    /// A text as it may be said and written.
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
        for Held { lock, .. } in self.held().iter().filter(|held| held.board == board) {
            if let Some(holder) = lock.own_note().filter(|holder| holder.left_unsafe != left_unsafe) {
                // The rail is worse than a missing note of it.
                let _ = lock.write(&Holder { left_unsafe: left_unsafe.clone(), ..holder });
            }
        }
    }

    /// Writes something else about each holder.
    ///
    /// # Errors
    /// When a lock can't be written.
    pub(super) fn rewrite(&self, change: impl Fn(Holder) -> Holder) -> std::io::Result<()> {
        for Held { lock, .. } in self.held().iter() {
            if let Some(holder) = lock.own_note() {
                lock.write(&change(holder))?;
            }
        }
        Ok(())
    }

    pub(super) fn release(&self) {
        self.held().clear();
    }

    /// Takes the locks of some boards in the order of their files, so that no two keepers wait for each other. Gives
    /// back what the last holders could not make safe.
    ///
    /// Blocks the thread while it waits.
    pub(super) fn take(
        &self,
        wish: &Wish<'_>,
        said: &mpsc::UnboundedSender<Said>,
    ) -> Result<Vec<(String, String)>, Refusal> {
        let before = self.held().iter().map(|held| (held.key.clone(), held.board.clone())).collect();
        let mut taken = Vec::<(Held, Option<Note>)>::new();
        for (key, board) in wanted(before, wish.boards)? {
            let lock = lock_one(wish, &key, &board, said)?;
            let last = lock.note();
            taken.push((Held { board, key, lock }, last));
        }
        let mut left_unsafe: Vec<(String, String)> = Vec::new();
        // Only now: what the last holder left behind must not be lost to one who then does not get all.
        for (Held { board, lock, .. }, last) in &taken {
            let left = last.as_ref().and_then(|last| last.holder.left_unsafe.clone());
            // It stays there until the rails are made safe.
            let holder = Holder {
                // Since it has the board, and not since it waits for it: the newest note counts.
                since_ms: Holder::this_process("").since_ms,
                keeper: Some(std::process::id()),
                token: offspring::own_token(),
                left_unsafe: left.clone(),
                ..wish.holder.clone()
            };
            if let Some((token, user)) = last.as_ref().and_then(|last| Some((last.holder.token.clone()?, last.user))) {
                // What a killed keeper started may still be at work on the rail. A note leads to its writer's processes only.
                offspring::end(&token, user);
            }
            let failed = |error: std::io::Error| Refusal::Lock { board: board.clone(), reason: error.to_string() };
            // Without a note where the folder is full: it is the lock that counts, and a board can be switched off.
            let _ = lock.write(&holder);
            if let Some(name) = lock.listener() {
                name.and_then(|name| self.door.open(name)).map_err(failed)?;
            }
            left_unsafe.extend(left.map(|left| (board.clone(), left)));
        }
        // Each lock of a board has the note.
        left_unsafe.sort();
        left_unsafe.dedup();
        self.held().extend(taken.into_iter().map(|(held, _)| held));
        Ok(left_unsafe)
    }
}

fn lock_one(wish: &Wish<'_>, key: &str, board: &str, said: &mpsc::UnboundedSender<Said>) -> Result<LockFile, Refusal> {
    let failed = |error: std::io::Error| Refusal::Lock {
        board: board.to_owned(),
        reason: format!("`{}`: {error}", wish.folder.display()),
    };
    let mut lock = LockFile::open(wish.folder, key).map_err(failed)?;
    if !lock.try_lock().map_err(failed)? {
        let holder = lock.holder();
        if !wish.wait {
            return Err(Refusal::Held { board: board.to_owned(), holder: holder.map(Box::new) });
        }
        let _ = said.send(Said::Waiting { board: board.to_owned(), holder });
        lock.lock().map_err(failed)?;
    }
    Ok(lock)
}

/// The keys that are still to be locked, with their boards, in the order in which every keeper takes them. Two keys with
/// one file are one lock: a second one on it would wait for the first for ever. Two boards of one run on one key are one
/// device, which must not be merged in silence.
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
