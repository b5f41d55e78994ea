//! Replaces files atomically.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A temporary file that replaces another with [`NewFile::finish`]: a reader finds the old or the new file, complete. A
/// link, FIFO or device in its place is replaced, never written through.
///
/// If it is dropped before, it is removed, so that a full disk keeps no partial file.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    finished: bool,
}

/// Distinguishes temporary files that one process writes at the same time.
static NEXT: AtomicU32 = AtomicU32::new(0);

impl NewFile {
    /// Creates a file, with permissions according to the umask.
    ///
    /// # Errors
    /// When its folder is not writable.
    pub fn create(path: &Path) -> io::Result<Self> {
        Self::with_mode(path, 0o666)
    }

    /// Creates a file that only its owner may read.
    ///
    /// # Errors
    /// When its folder is not writable.
    pub fn create_private(path: &Path) -> io::Result<Self> {
        Self::with_mode(path, 0o600)
    }

    fn with_mode(path: &Path, mode: u32) -> io::Result<Self> {
        /// One of these names is free unless another process guesses them all.
        const TRIES: u32 = 100;
        let mut taken = io::ErrorKind::AlreadyExists.into();
        for _ in 0..TRIES {
            let temporary = temporary_sibling(path)?;
            // Exclusive: it follows no link and opens no existing file.
            match OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary) {
                Ok(file) => return Ok(Self { file, temporary, path: path.to_owned(), finished: false }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => taken = error,
                Err(error) => return Err(error),
            }
        }
        Err(taken)
    }

    /// Moves the file to its place.
    ///
    /// # Errors
    /// When its place is a folder, or the file system reports an error.
    pub fn finish(mut self) -> io::Result<()> {
        std::fs::rename(&self.temporary, &self.path)?;
        self.finished = true;
        Ok(())
    }
}

fn temporary_sibling(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}-{}.part", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    Ok(path.with_file_name(temporary))
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.finished {
            // The first error is the one to report.
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

/// Replaces a file by these bytes, see [`NewFile`].
///
/// # Errors
/// When it can't be written; then the file is unchanged.
pub fn write_whole(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    fill(NewFile::create(path)?, bytes.as_ref())
}

/// The same with a file that only its owner may read, whatever the permissions of the previous one.
///
/// # Errors
/// As [`write_whole`].
pub fn write_private(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    fill(NewFile::create_private(path)?, bytes.as_ref())
}

fn fill(mut file: NewFile, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.finish()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("list").flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_link_or_fifo_is_replaced_and_not_written_through() {
        let folder = tempfile::tempdir().expect("folder");
        let (place, other) = (folder.path().join("report.html"), folder.path().join("other"));
        std::fs::write(&other, "kept").expect("write");
        symlink(&other, &place).expect("link");
        write_whole(&place, "new").expect("written");
        assert_eq!(std::fs::read_to_string(&other).expect("read"), "kept");
        assert_eq!(std::fs::read_to_string(&place).expect("read"), "new");
        std::fs::remove_file(&place).expect("removed");
        mknodat(CWD, &place, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("fifo");
        write_whole(&place, "newer").expect("written");
        assert_eq!(std::fs::read_to_string(&place).expect("read"), "newer");
        assert_eq!(names(folder.path()), ["other", "report.html"]);
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("folder");
        let place = folder.path().join("report.html");
        std::fs::create_dir(&place).expect("folder");
        let error = write_whole(&place, "new").expect_err("a folder can't be replaced");
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory, "{error}");
        assert_eq!(names(folder.path()), ["report.html"]);
        let mut half = NewFile::create(&folder.path().join("half")).expect("begun");
        half.write_all(b"ha").expect("written");
        drop(half);
        assert_eq!(names(folder.path()), ["report.html"]);
    }

    #[test]
    fn a_private_file_is_private_whatever_it_replaces() {
        let folder = tempfile::tempdir().expect("folder");
        let place = folder.path().join("bench.toml");
        std::fs::write(&place, "open").expect("write");
        write_private(&place, "secret").expect("written");
        let mode = std::fs::metadata(&place).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
