//! Temporary folders: private keys, stores of brokers, images to be flashed.
//!
//! A [`Scratch`] folder is private to its user (mode 0700), in `TMPDIR` or `/tmp`, and is removed when it is dropped.
//! A killed process drops nothing: the next process that makes such a folder removes those of the same user whose
//! process is gone.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Once;

use rustix::fs::{FlockOperation, OFlags, flock};
use tempfile::TempDir;

/// Prefix of their names.
const PREFIX: &str = "hil-";
/// The file in each of them that its process keeps locked.
const OWNER: &str = ".owner";

/// A folder that is removed when this is dropped.
///
/// # Example
/// ```
/// # fn main() -> std::io::Result<()> {
/// let folder = hil_scratch::Scratch::new("example")?;
/// std::fs::write(folder.path().join("key.pem"), "…")?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
    /// Locked while the process runs.
    _owner: File,
}

impl Scratch {
    /// Makes a folder with its purpose in the name. The first one of a process also removes those of killed processes.
    ///
    /// # Errors
    /// When the folder for temporary files is not writable.
    pub fn new(purpose: &str) -> io::Result<Self> {
        static SWEEP: Once = Once::new();
        let place = std::env::temp_dir();
        // A folder that can't be removed does no harm.
        SWEEP.call_once(|| sweep(&place));
        Self::within(&place, purpose)
    }

    fn within(place: &Path, purpose: &str) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        let prefix = format!("{PREFIX}{purpose}-");
        let folder = builder.prefix(&prefix).permissions(Permissions::from_mode(0o700)).tempdir_in(place)?;
        // It gets its name only when it is locked: another process must not take it for an abandoned one.
        let fresh = folder.path().join(".owner-fresh");
        let owner = File::options().write(true).create_new(true).mode(0o600).open(&fresh)?;
        flock(&owner, FlockOperation::NonBlockingLockExclusive)?;
        std::fs::rename(&fresh, folder.path().join(OWNER))?;
        Ok(Self { folder, _owner: owner })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the folders of this user whose process is gone.
fn sweep(place: &Path) {
    for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)) && is_left(&entry.path()) {
            // Links in it are removed and not followed.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether a folder is this user's, and its process is gone.
fn is_left(folder: &Path) -> bool {
    let user = rustix::process::getuid().as_raw();
    let is_own = std::fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir() && found.uid() == user);
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let owner = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(folder.join(OWNER));
    let Ok(owner) = owner else { return false };
    is_own && flock(&owner, FlockOperation::NonBlockingLockExclusive).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_private_to_its_user_and_removed_with_its_owner() {
        let place = tempfile::tempdir().expect("folder");
        let scratch = Scratch::within(place.path(), "keys").expect("made");
        let path = scratch.path().to_owned();
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o7777, 0o700);
        std::fs::write(path.join("server.key"), "secret").expect("write");
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn only_folders_of_killed_processes_are_removed() {
        let place = tempfile::tempdir().expect("folder");
        let at = |name: &str| place.path().join(name);
        let alive = Scratch::within(place.path(), "alive").expect("made");
        let left = Scratch::within(place.path(), "left").expect("made");
        std::os::unix::fs::symlink(alive.path(), left.path().join("link")).expect("link");
        let path = left.path().to_owned();
        // As the kernel does when its process is killed.
        flock(&left._owner, FlockOperation::Unlock).expect("unlock");
        for other in ["hil-without-an-owner", "other-prefix"] {
            std::fs::create_dir(at(other)).expect("folder");
        }
        std::os::unix::fs::symlink(&path, at("hil-link")).expect("link");
        sweep(place.path());
        assert!(!path.exists(), "left behind");
        assert!(alive.path().join(OWNER).exists(), "in use");
        assert!(at("hil-without-an-owner").exists() && at("other-prefix").exists() && at("hil-link").is_symlink());
        std::mem::forget(left);
    }
}
