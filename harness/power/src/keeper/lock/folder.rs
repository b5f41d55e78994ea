//! The folder of the locks.

use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, Stat, fchmod, fstat, openat};
use rustix::process::getuid;

use super::users::user_name;

/// As /tmp: everyone may add a lock, and no one may remove another user's.
const SHARED: u32 = 0o1777;

/// The folder of the locks: `HIL_LOCKS`, else below `/run/lock`, which every user may write to and which is empty after
/// a boot, else below the folder for temporary files.
#[must_use]
pub fn path() -> PathBuf {
    if let Some(folder) = std::env::var_os(hil_config::HIL_LOCKS).filter(|folder| !folder.is_empty()) {
        return PathBuf::from(folder);
    }
    let shared = Path::new("/run/lock");
    // The same for all users: not by what this one may write to.
    let is_open = rustix::fs::stat(shared).is_ok_and(|stat| stat.st_mode & 0o1002 == 0o1002);
    if is_open || shared.join("hil").is_dir() { shared.join("hil") } else { PathBuf::from("/tmp/hil-locks") }
}

/// An open folder that no other user can take a file from.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
    /// What tells it from every other folder of this machine.
    pub(super) id: (u64, u64),
}

impl Folder {
    /// Opens a folder, and makes it where there is none.
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
            // Another `hil` was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(error),
        };
        let folder = Self::open(path)?;
        if made {
            // Past the umask.
            fchmod(&folder.fd, Mode::from_raw_mode(SHARED))?;
        }
        Ok(folder)
    }

    /// Opens a folder that is there.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        // A link that the user of `HIL_LOCKS` chose is followed; the place that all users share is no link.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let named = std::env::var_os(hil_config::HIL_LOCKS).is_some_and(|named| Path::new(&named) == path);
        let fd = openat(CWD, path, if named { flags } else { flags | OFlags::NOFOLLOW }, Mode::empty())?;
        let stat = fstat(&fd)?;
        refuse_untrusted(path, &stat)?;
        Ok(Self { fd, id: (stat.st_dev, stat.st_ino) })
    }

    /// Opens a regular file in it, and never a link.
    pub(super) fn file(&self, name: &CStr, flags: OFlags, mode: Mode) -> io::Result<std::fs::File> {
        // One that is no file must not block its opener.
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

/// Whether other users could remove a lock that is held from the folder of the locks.
///
/// # Errors
/// Says how, and what to do. A folder that is not there yet is no error.
pub fn check() -> io::Result<()> {
    match Folder::open(&path()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The folder's owner, and everyone where it is not sticky, can remove a lock that is held.
fn refuse_untrusted(path: &Path, stat: &Stat) -> io::Result<()> {
    let path = path.display();
    if stat.st_uid != 0 && stat.st_uid != getuid().as_raw() {
        let user = user_name(stat.st_uid);
        return Err(io::Error::other(format!(
            "it belongs to {user}, who could remove the locks of others; `sudo install -d -o root -m 1777 {path}` makes it everyone's"
        )));
    }
    if stat.st_mode & 0o022 != 0 && stat.st_mode & 0o1000 == 0 {
        return Err(io::Error::other(format!(
            "other users may remove files from it; `chmod +t {path}` leaves each file to its owner"
        )));
    }
    Ok(())
}
