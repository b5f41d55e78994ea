//! Locks on boards: kernel locks on files that are never removed, so that nothing is left behind by a killed process.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// Who holds a board, as written into its lock file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process id of the `hil` that asked for it.
    pub pid: u32,
    /// Its user.
    pub user: String,
    /// What it does: `hil run`, `hil power lamp on`, …
    pub what: String,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
    /// Process id of its keeper.
    pub keeper: Option<u32>,
    /// The session of its keeper and of the programs that switch its rails.
    #[serde(default)]
    pub session: Option<i32>,
    /// Where a detached keeper can be asked to end.
    pub socket: Option<PathBuf>,
    /// A rail that could not be put into its safe state by the one who held the board last.
    pub left_unsafe: Option<String>,
}

impl Holder {
    /// This process, now.
    #[must_use]
    pub fn this_process(what: &str) -> Self {
        Self {
            pid: std::process::id(),
            user: user_name(),
            what: what.to_owned(),
            since_ms: u64::try_from(now().as_millis()).unwrap_or(u64::MAX),
            keeper: None,
            session: None,
            socket: None,
            left_unsafe: None,
        }
    }
}

/// The name of this process's user, as the system's list of users has it.
fn user_name() -> String {
    let uid = rustix::process::getuid().as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("user id {uid}"))
}

impl Holder {
    /// Who holds it, and since when as seen from `now` (since the Unix epoch).
    fn told(&self, now: Duration) -> String {
        let held = now.saturating_sub(Duration::from_millis(self.since_ms)).as_secs();
        let (minutes, seconds) = (held / 60, held % 60);
        let who = match (&self.socket, self.keeper) {
            // The program itself is long gone.
            (Some(_), Some(keeper)) => format!("detached, pid of its keeper {keeper}"),
            _ => format!("pid {}", self.pid),
        };
        let span = if minutes == 0 { format!("{seconds} s") } else { format!("{minutes} min {seconds} s") };
        format!("`{}` of {} ({who}), for {span}", self.what, self.user)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told(now()))
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A lock file, locked or not. Dropping it releases the lock; the kernel does so when the process dies.
#[derive(Debug)]
pub(super) struct LockFile {
    file: File,
}

/// Not by closing alone: a child that is being started has a copy of the file until it runs its program.
impl Drop for LockFile {
    fn drop(&mut self) {
        // A file that is not locked is unlocked as well.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

impl LockFile {
    /// Opens the lock file of a key. Everybody on this machine may lock: boards are shared between users.
    pub(super) fn open(folder: &Path, key: &str) -> io::Result<Self> {
        make_folder(folder)?;
        let path = folder.join(format!("{}.lock", file_name(key)));
        // Opened without creating first: a file of another user in a folder that all may write to must not be
        // opened for creation (`fs.protected_regular`).
        let mut options = File::options();
        options.read(true).write(true).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
        let file = match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = options.create(true).truncate(false).mode(0o666).open(&path)?;
                // Past the umask: the next one may be another user. Somebody else's file is as it is.
                let _ = file.set_permissions(std::fs::Permissions::from_mode(0o666));
                file
            }
            opened => opened?,
        };
        Ok(Self { file })
    }

    /// Takes the lock if it is free.
    pub(super) fn try_lock(&self) -> io::Result<bool> {
        match flock(&self.file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for the lock; blocks the thread.
    pub(super) fn lock(&self) -> io::Result<()> {
        loop {
            match flock(&self.file, FlockOperation::LockExclusive) {
                Err(Errno::INTR) => {}
                result => return Ok(result?),
            }
        }
    }

    /// The user whose file it is: the only one who may write into it.
    pub(super) fn owner(&self) -> Option<u32> {
        self.file.metadata().ok().map(|file| file.uid())
    }

    /// Who wrote into it last.
    pub(super) fn holder(&self) -> Option<Holder> {
        let mut file = &self.file;
        let mut text = String::new();
        file.rewind().ok()?;
        // Nobody writes more than a few hundred bytes; a file that is longer is not ours.
        file.take(16 * 1024).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Writes who holds it, or what the last holder leaves behind.
    pub(super) fn write(&self, holder: &Holder) -> io::Result<()> {
        let text = serde_json::to_vec(holder)?;
        let mut file = &self.file;
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(&text)
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(folder)?;
    // As /tmp: everybody may add a lock, nobody may remove another's.
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o1777))
}

/// A key as a file name: nothing in it leads elsewhere.
pub(super) fn file_name(key: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':') { c } else { '_' };
    let name: String = key.chars().map(plain).collect();
    name.trim_start_matches('.').to_owned()
}

/// The folder of the locks: `HIL_LOCKS`, else below `/run/lock`, which every user may write to and which is empty after
/// a boot, else below the folder for temporary files.
#[must_use]
pub fn folder() -> PathBuf {
    if let Some(folder) = std::env::var_os(hil_config::HIL_LOCKS).filter(|folder| !folder.is_empty()) {
        return PathBuf::from(folder);
    }
    let shared = Path::new("/run/lock");
    let writable = rustix::fs::access(shared, rustix::fs::Access::WRITE_OK).is_ok();
    if writable || shared.join("hil").is_dir() { shared.join("hil") } else { PathBuf::from("/tmp/hil-locks") }
}

/// A device that is this process's for a moment, without a keeper; dropping it gives it back.
#[derive(Debug)]
pub struct DeviceLock {
    _lock: LockFile,
}

impl DeviceLock {
    /// Takes the lock of a key if it is free; else tells who holds it.
    ///
    /// # Errors
    /// Says why it can't be had.
    pub fn try_take(key: &str, what: &str) -> Result<Self, String> {
        let lock = LockFile::open(&folder(), key).map_err(|error| error.to_string())?;
        if lock.try_lock().map_err(|error| error.to_string())? {
            lock.write(&Holder::this_process(what)).map_err(|error| error.to_string())?;
            return Ok(Self { _lock: lock });
        }
        Err(lock.holder().map_or_else(|| "in use".to_owned(), |holder| format!("in use by {holder}")))
    }
}

/// Who holds one of these keys right now; none where they are free.
#[must_use]
pub fn holder_of(keys: &[String]) -> Option<Holder> {
    let folder = folder();
    keys.iter().find_map(|key| {
        let path = folder.join(format!("{}.lock", file_name(key)));
        if !path.exists() {
            return None;
        }
        let lock = LockFile::open(&folder, key).ok()?;
        if lock.try_lock().ok()? { None } else { lock.holder() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_once_and_free_when_its_holder_is_gone() {
        let folder = tempfile::tempdir().expect("folder");
        let first = LockFile::open(folder.path(), "usb 1-1.2/../x").expect("open");
        assert!(first.try_lock().expect("lock"));
        let holder = Holder::this_process("hil run");
        first.write(&Holder { what: "x".repeat(500), ..holder.clone() }).expect("write");
        first.write(&holder).expect("write");
        let second = LockFile::open(folder.path(), "usb 1-1.2/../x").expect("open");
        assert!(!second.try_lock().expect("lock"));
        assert_eq!(second.holder(), Some(holder));
        drop(first);
        second.lock().expect("free now");
        let names: Vec<_> = std::fs::read_dir(folder.path()).expect("list").flatten().map(|f| f.file_name()).collect();
        assert_eq!(names, ["usb_1-1.2_.._x.lock"]);
    }

    #[test]
    fn a_holder_is_shown_with_what_it_does() {
        let holder = Holder { user: "ada".into(), pid: 7, since_ms: 1000, ..Holder::this_process("hil run") };
        assert_eq!(holder.told(Duration::from_secs(126)), "`hil run` of ada (pid 7), for 2 min 5 s");
    }
}
