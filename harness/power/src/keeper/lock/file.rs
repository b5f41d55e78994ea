//! A lock file, which is never removed, and the locks on it.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, statat};
use rustix::io::Errno;

use super::folder::{self, Folder};
use super::lock_socket::{LockSocket, ask_to_end};
use super::note::{self, Holder, Note};

/// A lock, held or not. Dropping it releases it; the kernel does so when the process exits.
#[derive(Debug)]
pub(in crate::keeper) struct LockFile {
    folder: Folder,
    /// Its file, without the extension.
    key: String,
    file: File,
    socket: LockSocket,
    held: Option<UnixListener>,
}

/// Closing the file is not enough: a child that is being started has a copy of the file until it runs its program.
impl Drop for LockFile {
    fn drop(&mut self) {
        self.release();
    }
}

impl LockFile {
    /// Opens the lock of a key, and creates it if needed. Every user of this machine may lock it: boards are shared.
    pub(in crate::keeper) fn open(folder: &Path, key: &str) -> io::Result<Self> {
        Self::open_in(Folder::make(folder)?, key)
    }

    fn open_in(folder: Folder, key: &str) -> io::Result<Self> {
        let key = file_name(key);
        let (file, socket) = (open_file(&folder, &key)?, LockSocket::of(&folder, &key)?);
        Ok(Self { folder, key, file, socket, held: None })
    }

    /// Takes the lock if it is free.
    pub(in crate::keeper) fn try_lock(&mut self) -> io::Result<bool> {
        loop {
            match flock(&self.file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
            if !self.is_current()? {
                self.file = open_file(&self.folder, &self.key)?;
                continue;
            }
            self.held = self.socket.take()?;
            if self.held.is_none() {
                self.release();
            }
            return Ok(self.held.is_some());
        }
    }

    /// Waits for the lock; blocks the thread.
    pub(in crate::keeper) fn lock(&mut self) -> io::Result<()> {
        loop {
            match flock(&self.file, FlockOperation::LockExclusive) {
                Err(Errno::INTR) => continue,
                result => result?,
            }
            if self.try_lock()? {
                return Ok(());
            }
            // The file is free and the socket is not: a file was removed while it was locked.
            self.socket.wait();
        }
    }

    fn release(&mut self) {
        if let Some(socket) = self.held.take() {
            LockSocket::release(&socket);
        }
        // Unlocking a file that is not locked does nothing.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }

    /// Whether the file is still the one at its path: it may have been removed while this process waited for it.
    fn is_current(&self) -> io::Result<bool> {
        let ours = self.file.metadata()?;
        match statat(self.folder.fd(), lock_name(&self.key)?, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(theirs) => Ok((ours.dev(), ours.ino()) == (theirs.st_dev, theirs.st_ino)),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The socket that goes with it, to accept connections; none if the lock is not held.
    pub(in crate::keeper) fn listener(&self) -> Option<io::Result<UnixListener>> {
        self.held.as_ref().map(UnixListener::try_clone)
    }

    /// The newest note of any user.
    pub(in crate::keeper) fn note(&self) -> Option<Note> {
        note::newest(&self.folder, &self.key, None)
    }

    /// The note of this user.
    pub(in crate::keeper) fn own_note(&self) -> Option<Holder> {
        let user = rustix::process::getuid().as_raw();
        note::newest(&self.folder, &self.key, Some(user)).map(|note| note.holder)
    }

    /// Which other process holds it.
    pub(in crate::keeper) fn holder(&self) -> Option<Holder> {
        match self.socket.holder() {
            Some((process, user)) => Some(described_holder(&self.folder, &self.key, process, user)),
            None => self.note().map(|note| note.holder),
        }
    }

    /// Writes this user's note: who holds the lock, and what is left unsafe.
    pub(in crate::keeper) fn write(&self, holder: &Holder) -> io::Result<()> {
        note::write(&self.folder, &self.key, holder)
    }
}

fn lock_name(key: &str) -> io::Result<CString> {
    CString::new(format!("{key}.lock")).map_err(io::Error::other)
}

/// Opened for reading: a lock needs no more, and another user's file can't be written.
fn open_file(folder: &Folder, key: &str) -> io::Result<File> {
    let name = lock_name(key)?;
    loop {
        match folder.file(&name, OFlags::RDONLY, Mode::empty()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        match folder.file(&name, OFlags::RDONLY | OFlags::CREATE | OFlags::EXCL, Mode::from_raw_mode(0o644)) {
            Ok(file) => {
                // Overrides the umask of a keeper: the next holder may be another user.
                file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
                return Ok(file);
            }
            // Another `hil` has just created it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// A key as a file name: without path separators, and not longer than a file name may be.
pub(in crate::keeper) fn file_name(key: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':') { c } else { '_' };
    let name: String = key.chars().map(plain).collect();
    name.trim_start_matches('.').chars().take(200).collect()
}

/// A device that this process locks without a keeper; dropping it releases the lock.
#[derive(Debug)]
pub struct DeviceLock {
    lock: LockFile,
}

impl DeviceLock {
    /// Takes the lock of a key if it is free.
    ///
    /// # Errors
    /// The text names the holder, or why the lock can't be taken.
    pub fn try_take(key: &str, what: &str) -> Result<Self, String> {
        let mut lock = LockFile::open(&folder::path(), key).map_err(|error| error.to_string())?;
        if lock.try_lock().map_err(|error| error.to_string())? {
            return Self::noted(lock, what);
        }
        Err(in_use(&lock))
    }

    /// Takes the lock of a key, and waits while another process has it: blocks the thread. `waiting` gets to know who has
    /// it.
    ///
    /// # Errors
    /// The text says why the lock can't be taken.
    pub fn take(key: &str, what: &str, waiting: impl FnOnce(&str)) -> Result<Self, String> {
        let mut lock = LockFile::open(&folder::path(), key).map_err(|error| error.to_string())?;
        if !lock.try_lock().map_err(|error| error.to_string())? {
            waiting(&in_use(&lock));
            lock.lock().map_err(|error| error.to_string())?;
        }
        Self::noted(lock, what)
    }

    /// Its file again. A program that inherits it keeps the lock if this process is killed, until the program ends.
    ///
    /// # Errors
    /// If the process has no free descriptor.
    pub fn for_program(&self) -> io::Result<File> {
        self.lock.file.try_clone()
    }

    /// The lock, with a note of who holds it. What was left unsafe stays so until a keeper has made it safe.
    fn noted(lock: LockFile, what: &str) -> Result<Self, String> {
        let (left_unsafe, token) =
            lock.note().map(|note| (note.holder.left_unsafe, note.holder.token)).unwrap_or_default();
        let holder = Holder { left_unsafe, token, ..Holder::this_process(what) };
        lock.write(&holder).map_err(|error| error.to_string())?;
        Ok(Self { lock })
    }
}

fn in_use(lock: &LockFile) -> String {
    lock.holder().map_or_else(|| "in use".to_owned(), |holder| format!("in use by {holder}"))
}

/// Who holds one of these keys right now; none if they are free. This takes no lock, so it never blocks another user.
#[must_use]
pub fn holder_of(keys: &[String]) -> Option<Holder> {
    // A query creates no folder.
    let folder = Folder::open(&folder::path()).ok()?;
    keys.iter().find_map(|key| holder_in(&folder, &file_name(key)))
}

fn holder_in(folder: &Folder, key: &str) -> Option<Holder> {
    let file = statat(folder.fd(), lock_name(key).ok()?, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    if let Some((process, user)) = LockSocket::of(folder, key).ok()?.holder() {
        return Some(described_holder(folder, key, process, user));
    }
    // A program that locks the file without a socket, or one in another network namespace.
    let process = locked_by(file.st_dev, file.st_ino)?;
    let user = std::fs::metadata(format!("/proc/{process}")).map(|process| super::users::user_name(process.uid()));
    let user = user.unwrap_or_else(|_| "unknown".to_owned());
    Some(Holder { pid: process, user, ..Holder::this_process("a program") })
}

/// The holder that the kernel names, with what its user's note adds, if there is one.
fn described_holder(folder: &Folder, key: &str, process: u32, user: u32) -> Holder {
    let written = note::newest(folder, key, Some(user)).map(|note| note.holder);
    let is_its = |holder: &Holder| holder.keeper.unwrap_or(holder.pid) == process;
    // It has not written its note yet, or the note can't be read.
    let unknown = || Holder { pid: process, user: super::users::user_name(user), ..Holder::this_process("a program") };
    written.filter(is_its).unwrap_or_else(unknown)
}

/// The process that has locked a file, as the kernel lists it (proc(5), `/proc/locks`).
fn locked_by(device: u64, inode: u64) -> Option<u32> {
    let place = format!("{:02x}:{:02x}:{inode}", rustix::fs::major(device), rustix::fs::minor(device));
    let holder_of = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, process, at, ..] = fields.as_slice() else { return None };
        (*at == place).then(|| process.parse().ok())?
    };
    // A list of more than one part may lack a lock: it is read again.
    const READS: usize = 8;
    for _ in 0..READS {
        let (locks, parts) = locks_of_this_machine().ok()?;
        let found = locks.lines().find_map(holder_of);
        if found.is_some() || parts == 1 {
            return found;
        }
    }
    None
}

/// `/proc/locks`, and in how many parts it was read. The kernel continues a list by the number of the next lock, and skips
/// locks if others are released between two reads; one read gets a page at most (Linux, `fs/seq_file.c`). The standard
/// library begins with a read of 32 bytes.
fn locks_of_this_machine() -> io::Result<(String, usize)> {
    let mut file = std::fs::File::open("/proc/locks")?;
    let (mut locks, mut parts, mut part) = (Vec::new(), 0, vec![0; 1 << 16]);
    loop {
        match file.read(&mut part)? {
            0 => return Ok((String::from_utf8_lossy(&locks).into_owned(), parts)),
            length => locks.extend_from_slice(&part[..length]),
        }
        parts += 1;
    }
}

/// Why a detached keeper did not exit.
#[derive(Debug)]
pub struct NotEnded {
    /// Who holds the board.
    pub holder: Box<Holder>,
    /// What went wrong.
    pub reason: String,
}

/// Asks the detached keeper that holds one of these keys to exit, and returns what could not be made safe. None if
/// there is no such keeper, or it is shutting down for another reason: then the notes of its locks have the result.
/// Returns when its rails are safe; blocks the thread until then, two minutes at most.
///
/// # Errors
/// If it does not answer or belongs to another user.
pub fn end_detached(keys: &[String]) -> Result<Option<Vec<(String, String)>>, NotEnded> {
    let Some(holder) = holder_of(keys).filter(|holder| holder.detached) else { return Ok(None) };
    let ask = |key: &String| ask_to_end(&Folder::open(&folder::path())?, &file_name(key));
    let mut refused = None;
    for key in keys {
        // Only the first keeper that answers: the next holder of a lock must not be asked to exit.
        match ask(key) {
            Ok(answer) => return Ok(serde_json::from_str(&answer).ok()),
            Err(error) if error.is_end() => {}
            Err(error) => {
                refused = Some(NotEnded { holder: Box::new(holder), reason: error.to_string() });
                break;
            }
        }
    }
    refused.map_or(Ok(None), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_once_and_free_after_its_holder_is_dropped() {
        let folder = tempfile::tempdir().expect("folder");
        let mut first = LockFile::open(folder.path(), "usb 1-1.2/../x").expect("open");
        assert!(first.try_lock().expect("lock"));
        let holder = Holder::this_process("hil run");
        first.write(&Holder { what: "x".repeat(150), ..holder.clone() }).expect("write");
        first.write(&holder).expect("write");
        let mut second = LockFile::open(folder.path(), "usb 1-1.2/../x").expect("open");
        assert!(!second.try_lock().expect("lock"));
        assert_eq!(second.holder(), Some(holder));
        drop(first);
        second.lock().expect("free now");
        let names = std::fs::read_dir(folder.path()).expect("list").flatten().map(|file| file.file_name());
        let mut names: Vec<_> = names.filter_map(|name| name.into_string().ok()).collect();
        names.sort();
        let user = rustix::process::getuid().as_raw();
        assert_eq!(names, [format!("usb_1-1.2_.._x.{user}.note"), "usb_1-1.2_.._x.lock".to_owned()]);
    }

    #[test]
    fn removing_a_locked_file_does_not_allow_a_second_lock() {
        let folder = tempfile::tempdir().expect("folder");
        let mut first = LockFile::open(folder.path(), "k").expect("open");
        assert!(first.try_lock().expect("lock"));
        std::fs::remove_file(folder.path().join("k.lock")).expect("remove");
        let mut second = LockFile::open(folder.path(), "k").expect("open");
        assert!(!second.try_lock().expect("the socket is held"));
        let waiter = std::thread::spawn(move || second.lock().map(|()| second));
        drop(first);
        let second = waiter.join().expect("no panic").expect("free now");
        assert!(second.is_current().expect("there"));
    }

    #[test]
    fn a_copy_in_a_child_that_is_being_started_does_not_hold_a_lock() {
        let folder = tempfile::tempdir().expect("folder");
        let mut first = LockFile::open(folder.path(), "k").expect("open");
        assert!(first.try_lock().expect("lock"));
        let copy = first.held.as_ref().expect("held").try_clone().expect("a copy");
        drop(first);
        let mut second = LockFile::open(folder.path(), "k").expect("open");
        assert!(second.socket.is_released());
        drop(copy);
        assert!(second.try_lock().expect("free"));
        assert!(!second.socket.is_released());
    }

    /// A process that waits may get the lock of a file that was removed.
    #[test]
    fn a_lock_on_a_replaced_file_does_not_count() {
        let folder = tempfile::tempdir().expect("folder");
        let mut waits = LockFile::open(folder.path(), "k").expect("open");
        std::fs::remove_file(folder.path().join("k.lock")).expect("remove");
        let mut other = LockFile::open(folder.path(), "k").expect("open");
        assert!(other.try_lock().expect("lock"));
        assert!(!waits.try_lock().expect("refused"), "it has locked the removed file");
        drop(other);
        assert!(waits.try_lock().expect("lock") && waits.is_current().expect("there"));
    }

    #[test]
    fn querying_the_holder_of_a_lock_never_takes_it() {
        // The copy of a released lock's name would keep the name in use.
        let _alone = crate::STARTING_PROGRAMS.lock();
        let place = tempfile::tempdir().expect("folder");
        let mut lock = LockFile::open(place.path(), "k").expect("open");
        let (folder, ends) = (place.path().to_owned(), std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)));
        let (has_asked, first) = std::sync::mpsc::channel();
        let asks = std::thread::spawn({
            let ends = std::sync::Arc::clone(&ends);
            move || {
                let folder = Folder::open(&folder).expect("there");
                while !ends.load(std::sync::atomic::Ordering::Relaxed) {
                    let _ = holder_in(&folder, "k");
                    let _ = has_asked.send(());
                }
            }
        });
        first.recv().expect("it asks");
        let refused = (0..3000).filter(|_| {
            let taken = lock.try_lock().expect("lock");
            lock.release();
            !taken
        });
        assert_eq!(refused.count(), 0);
        ends.store(true, std::sync::atomic::Ordering::Relaxed);
        asks.join().expect("no panic");
    }

    #[test]
    fn the_holder_of_a_lock_is_found_with_its_socket_and_without() {
        let place = tempfile::tempdir().expect("folder");
        let mut lock = LockFile::open(place.path(), "k").expect("open");
        let holder = || holder_in(&Folder::open(place.path()).expect("there"), "k");
        assert_eq!(holder(), None);
        assert!(lock.try_lock().expect("lock"));
        let named = Holder::this_process("hil run");
        lock.write(&named).expect("write");
        assert_eq!(holder(), Some(named));
        lock.release();
        assert_eq!(holder(), None, "its note stays");
        // As `flock k.lock COMMAND` does.
        flock(&lock.file, FlockOperation::LockExclusive).expect("free");
        assert_eq!(
            holder().map(|holder| (holder.pid, holder.what)),
            Some((std::process::id(), "a program".to_owned()))
        );
    }

    #[test]
    fn only_a_regular_file_is_a_lock_or_a_note() {
        let folder = tempfile::tempdir().expect("folder");
        let elsewhere = folder.path().join("elsewhere");
        std::fs::write(&elsewhere, "precious").expect("file");
        for key in ["link", "fifo"] {
            let path = folder.path().join(format!("{key}.lock"));
            match key {
                "link" => std::os::unix::fs::symlink(&elsewhere, &path).expect("link"),
                _ => rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RWXU).expect("fifo"),
            }
            LockFile::open(folder.path(), key).expect_err("refused");
        }
        let user = rustix::process::getuid().as_raw();
        let mut lock = LockFile::open(folder.path(), "k").expect("open");
        assert!(lock.try_lock().expect("lock"));
        std::os::unix::fs::symlink(&elsewhere, folder.path().join(format!("k.{user}.note"))).expect("link");
        assert_eq!(lock.note(), None);
        lock.write(&Holder::this_process("hil run")).expect("replaces the link");
        assert_eq!(std::fs::read_to_string(&elsewhere).expect("there"), "precious");
    }

    #[test]
    fn a_folder_from_which_other_users_may_remove_files_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let open = folder.path().join("open");
        std::fs::create_dir(&open).expect("folder");
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).expect("mode");
        let refused = LockFile::open(&open, "k").expect_err("refused").to_string();
        assert!(refused.starts_with("other users may remove files from it; `chmod +t "), "{refused}");
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o1777)).expect("mode");
        LockFile::open(&open, "k").expect("sticky");
        std::os::unix::fs::symlink(&open, folder.path().join("link")).expect("link");
        LockFile::open(&folder.path().join("link"), "k").expect_err("a link that HIL_LOCKS does not name");
    }
}
