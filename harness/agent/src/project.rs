//! The files of a project, as a head sends them to agents: by the hash of their contents.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::protocol::FileEntry;

/// Limits of what a head sends. An agent refuses more.
pub(crate) const MOST_FILES: usize = 20_000;
/// Bytes of one file.
pub(crate) const LARGEST_FILE: u64 = 256 << 20;
/// Bytes of all files.
pub(crate) const LARGEST_PROJECT: u64 = 1 << 30;

/// Why files can't be sent or taken.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// A path leads out of the project, or is not one.
    #[error("`{}` is not a path in a project", hil_timeline::escaped(.0))]
    Path(String),
    /// There are too many files, or too large ones.
    #[error("{0}")]
    TooLarge(String),
    /// A file can't be read or written.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system reports.
        source: std::io::Error,
    },
}

/// Files with their contents, ready to be sent.
#[derive(Debug, Clone, Default)]
pub struct Project {
    entries: BTreeMap<String, FileEntry>,
    contents: BTreeMap<String, Arc<Vec<u8>>>,
}

impl Project {
    /// Adds a file of this machine under a path in the project. A file that is there already is not read again.
    ///
    /// # Errors
    /// When it can't be read, is too large, or the path leads out of the project.
    pub fn add(&mut self, path: &str, file: &Path) -> Result<(), ProjectError> {
        inside(path)?;
        if self.entries.contains_key(path) {
            return Ok(());
        }
        let failed = |source| ProjectError::Io { path: file.to_owned(), source };
        let bytes = hil_files::read(file, hil_files::Links::Follow, LARGEST_FILE).map_err(failed)?;
        let sha256 = hash(&bytes);
        let size = bytes.len() as u64;
        self.entries.insert(path.to_owned(), FileEntry { path: path.to_owned(), sha256: sha256.clone(), size });
        self.contents.insert(sha256, Arc::new(bytes));
        check(self.entries.values())
    }

    /// Its files.
    #[must_use]
    pub fn entries(&self) -> Vec<FileEntry> {
        self.entries.values().cloned().collect()
    }

    /// The contents with a hash.
    #[must_use]
    pub fn contents(&self, sha256: &str) -> Option<Arc<Vec<u8>>> {
        self.contents.get(sha256).cloned()
    }
}

/// The SHA-256 of some bytes, in hex.
pub(crate) fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Refuses a list of files that is too long or too large.
pub(crate) fn check<'a>(entries: impl Iterator<Item = &'a FileEntry>) -> Result<(), ProjectError> {
    let (mut files, mut bytes) = (0, 0_u64);
    for entry in entries {
        files += 1;
        bytes = bytes.saturating_add(entry.size);
        if files > MOST_FILES {
            return Err(ProjectError::TooLarge(format!("the project has more than {MOST_FILES} files")));
        }
        if entry.size > LARGEST_FILE {
            let (path, mib) = (hil_timeline::escaped(&entry.path).to_string(), LARGEST_FILE >> 20);
            return Err(ProjectError::TooLarge(format!("`{path}` has more than {mib} MiB")));
        }
        if bytes > LARGEST_PROJECT {
            let mib = LARGEST_PROJECT >> 20;
            return Err(ProjectError::TooLarge(format!("the files of the project have more than {mib} MiB")));
        }
        let is_hash = entry.sha256.len() == 64
            && entry.sha256.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if !is_hash {
            return Err(ProjectError::Path(entry.sha256.clone()));
        }
    }
    Ok(())
}

/// A path in a project as one of this machine: relative, and nowhere outside.
pub(crate) fn inside(path: &str) -> Result<PathBuf, ProjectError> {
    const LONGEST: usize = 1024;
    let wrong = || ProjectError::Path(path.to_owned());
    let is_plain = !path.is_empty() && path.len() <= LONGEST && !path.chars().any(hil_timeline::steers);
    let parts: Vec<_> = Path::new(path).components().collect();
    // What `components` leaves out, such as `a/./b` and `a//b`, would be a second name of one file.
    let whole: PathBuf = parts.iter().collect();
    let is_inside = parts.iter().all(|part| matches!(part, Component::Normal(_))) && whole.as_os_str() == path;
    if is_plain && is_inside { Ok(whole) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_project() {
        for path in ["features/lamp.feature", ".hil/firmware/lamp/0-lamp.elf", "a", "ä/ö.feature"] {
            assert_eq!(inside(path).expect("inside"), Path::new(path));
        }
        for path in
            ["", "/etc/passwd", "../x", "a/../../x", "a/./b", "a//b", "a/", "./a", "a\0b", "a\nb", &"x".repeat(1025)]
        {
            assert!(inside(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn a_list_of_files_has_limits() {
        let entry = |size| FileEntry { path: "a".to_owned(), sha256: "0".repeat(64), size };
        let refused = |entries: &[FileEntry]| check(entries.iter()).expect_err("too much").to_string();
        assert!(check([entry(1), entry(LARGEST_FILE)].iter()).is_ok());
        assert_eq!(refused(&[entry(LARGEST_FILE + 1)]), "`a` has more than 256 MiB");
        assert_eq!(refused(&vec![entry(LARGEST_FILE); 5]), "the files of the project have more than 1024 MiB");
        assert_eq!(refused(&vec![entry(u64::MAX); 2]), "`a` has more than 256 MiB");
        assert_eq!(refused(&vec![entry(0); MOST_FILES + 1]), "the project has more than 20000 files");
        assert!(check([FileEntry { sha256: "../x".to_owned(), ..entry(1) }].iter()).is_err(), "a hash is a file name");
    }
}
