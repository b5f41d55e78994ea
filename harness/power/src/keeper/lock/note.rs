//! Notes about a lock: who holds it, and what the last holder left unsafe.
//!
//! Each user writes a separate file beside the lock, which no other user can change.

use std::ffi::CString;
use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hil_timeline::escaped;
use rustix::fs::{AtFlags, Mode, OFlags, renameat, unlinkat};
use rustix::process::getuid;
use serde::{Deserialize, Serialize};

use super::folder::Folder;
use super::users::user_name;

/// Who holds a board, as the note of its lock says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process id of the `hil` that took it.
    pub pid: u32,
    /// Its user.
    pub user: String,
    /// What it does: `hil run`, `hil power lamp on`, …
    pub what: String,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
    /// Process id of its keeper.
    #[serde(default)]
    pub keeper: Option<u32>,
    /// The token of its keeper and of the programs that switch its rails.
    #[serde(default)]
    pub token: Option<String>,
    /// Its keeper keeps running after it; `hil power BOARD off` ends the keeper.
    #[serde(default)]
    pub detached: bool,
    /// Why its rails may not be in their safe state, from the moment in which they get power until they are safe.
    #[serde(default)]
    pub left_unsafe: Option<String>,
}

impl Holder {
    /// This process, now.
    #[must_use]
    pub fn this_process(what: &str) -> Self {
        Self {
            pid: std::process::id(),
            user: user_name(getuid().as_raw()),
            what: what.to_owned(),
            since_ms: u64::try_from(now().as_millis()).unwrap_or(u64::MAX),
            keeper: None,
            token: None,
            detached: false,
            left_unsafe: None,
        }
    }

    /// Who holds it, and since when as seen from `now` (since the Unix epoch).
    fn shown(&self, now: Duration) -> String {
        let held = now.saturating_sub(Duration::from_millis(self.since_ms)).as_secs();
        let (minutes, seconds) = (held / 60, held % 60);
        let who = match self.keeper {
            // The program itself has exited.
            Some(keeper) if self.detached => format!("detached, pid of its keeper {keeper}"),
            _ => format!("pid {}", self.pid),
        };
        let span = if minutes == 0 { format!("{seconds} s") } else { format!("{minutes} min {seconds} s") };
        format!("`{}` of {} ({who}), for {span}", self.what, self.user)
    }

    /// A note of another user, made safe to show: escaped and shortened. The user's name comes from the system.
    fn received(self, user: u32) -> Self {
        let inert = |text: String, length: usize| escaped(&text.chars().take(length).collect::<String>()).to_string();
        Self {
            user: user_name(user),
            what: inert(self.what, 200),
            left_unsafe: self.left_unsafe.map(|left| inert(left, 500)),
            ..self
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown(now()))
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A note and its writer.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::keeper) struct Note {
    pub(in crate::keeper) holder: Holder,
    pub(in crate::keeper) user: u32,
}

fn c_string(name: String) -> io::Result<CString> {
    CString::new(name).map_err(io::Error::other)
}

/// Writes this user's note beside a lock, whole or not at all.
pub(super) fn write(folder: &Folder, lock: &str, holder: &Holder) -> io::Result<()> {
    let user = getuid().as_raw();
    let (name, fresh) = (c_string(format!("{lock}.{user}.note"))?, c_string(format!(".{lock}.{user}.note"))?);
    // A killed process may have left one.
    let _ = unlinkat(folder.fd(), &fresh, AtFlags::empty());
    let mut file = folder.file(&fresh, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, Mode::from_raw_mode(0o644))?;
    // Overrides the umask of a keeper: other users must be able to read who holds the board.
    file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
    file.write_all(&serde_json::to_vec(holder)?)?;
    Ok(renameat(folder.fd(), &fresh, folder.fd(), &name)?)
}

/// The newest note beside a lock; of a certain user, if one is given.
pub(super) fn newest(folder: &Folder, lock: &str, of: Option<u32>) -> Option<Note> {
    let entries = rustix::fs::Dir::read_from(folder.fd()).ok()?.flatten();
    let user = |name: &std::ffi::CStr| {
        let name = name.to_str().ok()?.strip_prefix(lock)?.strip_prefix('.')?.strip_suffix(".note")?;
        name.parse::<u32>().ok()
    };
    let users = entries.filter_map(|entry| user(entry.file_name()));
    let notes = users.filter(|user| of.is_none_or(|of| of == *user)).filter_map(|user| read(folder, lock, user));
    notes.max_by_key(|note| note.holder.since_ms)
}

fn read(folder: &Folder, lock: &str, user: u32) -> Option<Note> {
    /// No `hil` writes more than a few hundred bytes.
    const LONGEST: u64 = 16 * 1024;
    /// The clock of a machine may be set; a note from the future would be the newest forever.
    const AHEAD: Duration = Duration::from_secs(60);
    let name = c_string(format!("{lock}.{user}.note")).ok()?;
    let file = folder.file(&name, OFlags::RDONLY, Mode::empty()).ok()?;
    if file.metadata().ok()?.uid() != user {
        return None;
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    let holder = serde_json::from_str::<Holder>(&text).ok()?.received(user);
    let latest = (now() + AHEAD).as_millis();
    (u128::from(holder.since_ms) <= latest).then_some(Note { holder, user })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_shown_with_what_it_does() {
        let holder = Holder { user: "ada".into(), pid: 7, since_ms: 1000, ..Holder::this_process("hil run") };
        assert_eq!(holder.shown(Duration::from_secs(126)), "`hil run` of ada (pid 7), for 2 min 5 s");
        let detached = Holder { keeper: Some(8), detached: true, ..holder };
        assert_eq!(detached.shown(Duration::from_secs(2)), "`hil run` of ada (detached, pid of its keeper 8), for 1 s");
    }

    #[test]
    fn the_text_of_a_note_is_escaped_and_shortened() {
        let hostile = "x\u{1b}[2J\u{202e}\n::error::y".to_owned() + &"z".repeat(10_000);
        let holder = Holder {
            user: hostile.clone(),
            what: hostile.clone(),
            left_unsafe: Some(hostile),
            ..Holder::this_process("")
        };
        let received = holder.received(0);
        assert_eq!(received.user, "root", "the system knows its writer");
        for text in [&received.what, received.left_unsafe.as_ref().expect("kept")] {
            assert!(!text.contains(['\u{1b}', '\n', '\u{202e}']) && text.len() < 700, "{text}");
        }
    }
}
