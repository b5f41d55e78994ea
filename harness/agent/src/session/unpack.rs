//! Puts the files of a project into a folder of the session.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::input::Wanted;
use crate::cache::Cache;
use crate::project::{ProjectError, check, inside};
use crate::protocol::FileEntry;

/// The files of a project on their way into its folder.
pub(super) struct Unpacking {
    /// Files by their hash.
    stock: PathBuf,
    /// The project.
    folder: PathBuf,
    /// Where each file goes.
    places: Vec<(PathBuf, String)>,
    /// Hashes and sizes of the files that are still to come.
    missing: BTreeMap<String, u64>,
}

impl Unpacking {
    /// Checks the list, and takes what the cache has.
    pub(super) fn begin(below: &Path, files: &[FileEntry], cache: &Cache) -> Result<Self, ProjectError> {
        check(files.iter())?;
        let places: Result<Vec<_>, _> =
            files.iter().map(|file| Ok::<_, ProjectError>((inside(&file.path)?, file.sha256.clone()))).collect();
        let (stock, folder) = (below.join("stock"), below.join("project"));
        for made in [&stock, &folder] {
            std::fs::create_dir(made).map_err(failed(made))?;
        }
        let mut missing: BTreeMap<_, _> = files.iter().map(|file| (file.sha256.clone(), file.size)).collect();
        let mut kept = Ok(());
        missing.retain(|sha256, size| match cache.get(sha256) {
            Some(bytes) if bytes.len() as u64 == *size && kept.is_ok() => {
                let path = stock.join(sha256);
                kept = hil_files::write_private(&path, bytes).map_err(failed(&path));
                false
            }
            _ => true,
        });
        kept?;
        Ok(Self { stock, folder, places: places?, missing })
    }

    /// The hashes of the files that must be sent. They may come from now on.
    pub(super) fn ask(&self, wanted: &Wanted) -> Vec<String> {
        wanted.ask(self.stock.clone(), self.missing.clone());
        self.missing.keys().cloned().collect()
    }

    /// Puts every file in its place, and keeps new ones for the next run. Returns the folder of the project.
    pub(super) fn finish(self, cache: &Cache) -> Result<PathBuf, ProjectError> {
        for sha256 in self.missing.keys() {
            // What can't be read is reported below.
            if let Ok(bytes) = std::fs::read(self.stock.join(sha256)) {
                cache.put(sha256, &bytes);
            }
        }
        for (place, sha256) in &self.places {
            let place = self.folder.join(place);
            if let Some(folder) = place.parent() {
                std::fs::create_dir_all(folder).map_err(failed(&place))?;
            }
            // Fails if two files of the list have one path.
            std::fs::hard_link(self.stock.join(sha256), &place).map_err(failed(&place))?;
        }
        Ok(self.folder)
    }
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> ProjectError + use<> {
    let path = path.to_owned();
    move |source| ProjectError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::hash;

    fn entry(path: &str, bytes: &[u8]) -> FileEntry {
        FileEntry { path: path.to_owned(), sha256: hash(bytes), size: bytes.len() as u64 }
    }

    #[test]
    fn only_what_the_cache_lacks_is_asked_for() {
        let folder = tempfile::tempdir().expect("folder");
        let cache = Cache::new(Some(folder.path()));
        cache.put(&hash(b"image"), b"image");
        let session = tempfile::tempdir().expect("folder");
        let files =
            [entry("features/a.feature", b"a"), entry("features/b.feature", b"a"), entry(".hil/app.elf", b"image")];
        let unpacking = Unpacking::begin(session.path(), &files, &cache).expect("begun");
        assert_eq!(unpacking.ask(&Wanted::default()), [hash(b"a")]);
        std::fs::write(session.path().join("stock").join(hash(b"a")), b"a").expect("received");
        let project = unpacking.finish(&cache).expect("finished");
        for (path, text) in [("features/a.feature", "a"), ("features/b.feature", "a"), (".hil/app.elf", "image")] {
            assert_eq!(std::fs::read_to_string(project.join(path)).expect(path), text);
        }
        assert_eq!(cache.get(&hash(b"a")).as_deref(), Some(b"a".as_slice()), "kept for the next run");
    }

    #[test]
    fn a_list_that_leads_out_of_the_folder_is_refused() {
        let cache = Cache::new(None);
        for files in [
            vec![entry("../a", b"a")],
            vec![entry("/tmp/a", b"a")],
            vec![FileEntry { sha256: "../../x".to_owned(), ..entry("a", b"a") }],
        ] {
            let session = tempfile::tempdir().expect("folder");
            assert!(Unpacking::begin(session.path(), &files, &cache).is_err(), "{files:?}");
        }
        // A file in the place of a folder, and two files in one place.
        for paths in [["a", "a/b"], ["a", "a"]] {
            let session = tempfile::tempdir().expect("folder");
            let files = paths.map(|path| entry(path, b"a"));
            let unpacking = Unpacking::begin(session.path(), &files, &cache).expect("begun");
            std::fs::write(session.path().join("stock").join(hash(b"a")), b"a").expect("received");
            assert!(unpacking.finish(&cache).is_err(), "{paths:?}");
        }
    }
}
