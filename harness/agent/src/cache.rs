//! Files that earlier runs sent, by the hash of their contents.
//!
//! A file is whole or not there, and its contents are compared with its name whenever it is used: what another program
//! wrote into the folder is not taken for what the head asks for. Without a folder, everything is sent again.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hil_files::Links;

use crate::project::{LARGEST_FILE, hash};

/// Bytes of all files, unless a limit is set.
const LIMIT: u64 = 1 << 30;

/// A folder of files, each named by the SHA-256 of its contents.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: Option<PathBuf>,
    limit: u64,
}

impl Cache {
    /// A cache in a folder of this user; it is made if it is not there.
    #[must_use]
    pub fn new(folder: Option<&Path>) -> Self {
        let folder = folder.map(|folder| folder.join("objects")).filter(|folder| make(folder).is_ok());
        Self { folder, limit: LIMIT }
    }

    /// The contents with a hash, if they are there and right.
    pub(crate) fn get(&self, sha256: &str) -> Option<Vec<u8>> {
        let path = self.folder.as_ref()?.join(sha256);
        let bytes = hil_files::read(&path, Links::Refuse, LARGEST_FILE).ok()?;
        if hash(&bytes) != sha256 {
            // Damaged: it is sent again.
            let _ = std::fs::remove_file(&path);
            return None;
        }
        // The oldest are removed first. If the time can't be set, the file only goes earlier.
        let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(bytes)
    }

    /// Keeps contents for the next run. A full disk is no error: they are sent again then.
    pub(crate) fn put(&self, sha256: &str, bytes: &[u8]) {
        let Some(folder) = &self.folder else { return };
        if bytes.len() as u64 <= self.limit && hil_files::write_private(&folder.join(sha256), bytes).is_ok() {
            let _ = self.shrink(folder);
        }
    }

    /// Removes the files that were used least recently, until the rest is within the limit.
    fn shrink(&self, folder: &Path) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder)?.flatten() {
            if let Ok(about) = entry.metadata().and_then(|about| Ok((about.modified()?, about.len()))) {
                files.push((about.0, about.1, entry.path()));
            }
        }
        let mut all: u64 = files.iter().map(|(_, size, _)| size).sum();
        files.sort();
        for (_, size, path) in files {
            if all <= self.limit {
                break;
            }
            if std::fs::remove_file(&path).is_ok() {
                all -= size;
            }
        }
        Ok(())
    }
}

/// Makes a folder that only this user can look into.
fn make(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(folder: &Path, limit: u64) -> Cache {
        Cache { limit, ..Cache::new(Some(folder)) }
    }

    #[test]
    fn contents_are_compared_with_their_name() {
        let folder = tempfile::tempdir().expect("folder");
        let cache = cache(folder.path(), 100);
        let name = hash(b"image");
        assert_eq!(cache.get(&name), None);
        cache.put(&name, b"image");
        assert_eq!(cache.get(&name).as_deref(), Some(b"image".as_slice()));
        std::fs::write(folder.path().join("objects").join(&name), b"imagE").expect("write");
        assert_eq!(cache.get(&name), None);
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("objects").join(&name)).expect("link");
        assert_eq!(cache.get(&name), None, "a link is not followed");
    }

    #[test]
    fn the_least_recently_used_files_make_room() {
        let folder = tempfile::tempdir().expect("folder");
        let cache = cache(folder.path(), 30);
        let names: Vec<_> = (0..5_u8).map(|n| hash(&[n; 10])).collect();
        let age = |name: &str, seconds: u64| {
            let file = File::open(folder.path().join("objects").join(name)).expect("there");
            file.set_modified(SystemTime::now() - std::time::Duration::from_secs(seconds)).expect("set");
        };
        for n in 0..3_u8 {
            cache.put(&names[usize::from(n)], &[n; 10]);
            age(&names[usize::from(n)], 100 - u64::from(n));
        }
        assert!(cache.get(&names[0]).is_some(), "used again");
        cache.put(&names[3], &[3; 10]);
        let there: Vec<_> = names.iter().map(|name| cache.get(name).is_some()).collect();
        assert_eq!(there, [true, false, true, true, false]);
        cache.put(&names[4], &[4; 100]);
        assert!(cache.get(&names[4]).is_none(), "larger than the whole cache");
    }

    #[test]
    fn without_a_folder_nothing_is_kept() {
        let file = tempfile::NamedTempFile::new().expect("file");
        for cache in [Cache::new(None), Cache::new(Some(file.path()))] {
            cache.put(&hash(b"a"), b"a");
            assert_eq!(cache.get(&hash(b"a")), None);
        }
    }
}
