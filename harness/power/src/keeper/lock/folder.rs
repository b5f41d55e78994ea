//! The folder of the locks.

use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, Stat, fchmod, fstat, openat};
use rustix::process::getuid;

use super::users::user_name;

/// As /tmp: every user may add a lock, and none may remove another user's.
const SHARED: u32 = 0o1777;

/// The folder of the locks: `HIL_LOCKS`, or a folder in `/run/lock`, which every user may write to and which is empty
/// after a boot, or one in `/tmp`.
#[must_use]
pub fn path() -> PathBuf {
    if let Some(folder) = std::env::var_os(hil_config::HIL_LOCKS).filter(|folder| !folder.is_empty()) {
        return PathBuf::from(folder);
    }
    let shared = Path::new("/run/lock");
    // The same result for all users: it must not depend on what this user may write to.
    let is_open = rustix::fs::stat(shared).is_ok_and(|stat| stat.st_mode & 0o1002 == 0o1002);
    if is_open || shared.join("hil").is_dir() { shared.join("hil") } else { PathBuf::from("/tmp/hil-locks") }
}

/// An open folder from which no other user can remove a file.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
    /// Device and inode.
    pub(super) id: (u64, u64),
}

impl Folder {
    /// Opens a folder, and creates it if needed.
    pub(super) fn make(path: &Path) -> io::Result<Self> {
        match Self::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let made = match std::fs::DirBuilder::new().mode(SHARED).create(path) {
            Ok(()) => true,
            // Another `hil` has just created it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(error),
        };
        let folder = Self::open(path)?;
        if made {
            // Overrides the umask.
            fchmod(&folder.fd, Mode::from_raw_mode(SHARED))?;
        }
        Ok(folder)
    }

    /// Opens an existing folder.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        // A link is followed only if `HIL_LOCKS` names it: the shared folder must not be a link.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let named = std::env::var_os(hil_config::HIL_LOCKS).is_some_and(|named| Path::new(&named) == path);
        let fd = openat(CWD, path, if named { flags } else { flags | OFlags::NOFOLLOW }, Mode::empty())?;
        let stat = fstat(&fd)?;
        refuse_untrusted(path, &stat)?;
        Ok(Self { fd, id: (stat.st_dev, stat.st_ino) })
    }

    /// Opens a regular file in it; links are not followed.
    pub(super) fn file(&self, name: &CStr, flags: OFlags, mode: Mode) -> io::Result<std::fs::File> {
        // A FIFO must not block its opener.
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = std::fs::File::from(openat(&self.fd, name, flags, mode)?);
        if file.metadata()?.is_file() {
            return Ok(file);
        }
        Err(io::Error::other(format!("`{}` is not a regular file", name.to_string_lossy())))
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.fd
    }
}

/// Checks that other users can't remove a lock that is held.
///
/// # Errors
/// If they can; the text says how to fix it. A folder that does not exist yet is not an error.
pub fn check() -> io::Result<()> {
    match Folder::open(&path()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The owner of the folder can remove a lock that is held; if the folder is not sticky, every user can.
fn refuse_untrusted(path: &Path, stat: &Stat) -> io::Result<()> {
    let path = path.display();
    if stat.st_uid != 0 && stat.st_uid != getuid().as_raw() {
        let user = user_name(stat.st_uid);
        return Err(io::Error::other(format!(
            "it belongs to {user}, who could remove the locks of other users; `sudo install -d -o root -m 1777 {path}` makes it safe to share"
        )));
    }
    if stat.st_mode & 0o022 != 0 && stat.st_mode & 0o1000 == 0 {
        return Err(io::Error::other(format!(
            "other users may remove files from it; `chmod +t {path}` lets only its owner remove a file"
        )));
    }
    Ok(())
}
