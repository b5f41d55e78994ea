//! Waits for changes of files, by the kernel's inotify.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use inotify::{Inotify, WatchDescriptor, WatchMask, Watches};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How long nothing must change before the files count as complete: editors and linkers write several times.
const QUIET: Duration = Duration::from_millis(200);

/// Watches files and folders. A file is watched by its folder: editors and linkers replace it.
pub(super) struct Changes {
    watches: Watches,
    folders: Arc<Mutex<HashMap<WatchDescriptor, PathBuf>>>,
    wanted: BTreeSet<PathBuf>,
    changed: mpsc::UnboundedReceiver<PathBuf>,
}

impl Changes {
    pub(super) fn new() -> io::Result<Self> {
        let inotify = Inotify::init()?;
        let watches = inotify.watches();
        let (send, changed) = mpsc::unbounded_channel();
        let folders = Arc::<Mutex<HashMap<WatchDescriptor, PathBuf>>>::default();
        let known = Arc::clone(&folders);
        std::thread::Builder::new().name("changes".to_owned()).spawn(move || read(inotify, &known, &send))?;
        Ok(Self { watches, folders, wanted: BTreeSet::new(), changed })
    }

    /// Watches these from now on. What is missing, or can't be watched, is left out.
    pub(super) fn watch(&mut self, paths: &BTreeSet<PathBuf>) {
        self.wanted.clone_from(paths);
        for path in paths {
            match path.is_dir() {
                true => self.watch_below(path),
                false => self.add(folder_of(path)),
            }
        }
    }

    fn watch_below(&mut self, folder: &Path) {
        self.add(folder);
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            // Links are not followed: one upwards would loop.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.watch_below(&entry.path());
            }
        }
    }

    fn add(&mut self, folder: &Path) {
        let mask = WatchMask::CLOSE_WRITE | WatchMask::MOVED_TO | WatchMask::MOVED_FROM | WatchMask::DELETE;
        // The thread may read an event of it before it is noted.
        let mut folders = self.folders.lock();
        if let Ok(watch) = self.watches.add(folder, mask | WatchMask::CREATE) {
            folders.insert(watch, folder.to_owned());
        }
    }

    /// Waits for a change of one of them, and until they rest. Changes since the last call count.
    pub(super) async fn next(&mut self) -> PathBuf {
        let first = loop {
            match self.changed.recv().await {
                Some(path) if self.matters(&path) => break path,
                Some(_) => {}
                None => std::future::pending().await,
            }
        };
        // Other files of these folders may never rest.
        let mut until = Instant::now() + QUIET;
        while let Ok(Some(path)) = tokio::time::timeout_at(until, self.changed.recv()).await {
            if self.matters(&path) {
                until = Instant::now() + QUIET;
            }
        }
        first
    }

    /// Whether it is one of them, or a feature in one of their folders.
    fn matters(&self, path: &Path) -> bool {
        let is_feature = path.extension().is_some_and(|extension| extension == "feature") || path.is_dir();
        self.wanted.contains(path) || (is_feature && self.wanted.iter().any(|folder| path.starts_with(folder)))
    }
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Passes changes on until the other end is gone.
fn read(
    mut inotify: Inotify,
    folders: &Mutex<HashMap<WatchDescriptor, PathBuf>>,
    send: &mpsc::UnboundedSender<PathBuf>,
) {
    let mut buffer = [0; 4096];
    loop {
        let Ok(events) = inotify.read_events_blocking(&mut buffer) else { return };
        for event in events {
            let folder = folders.lock().get(&event.wd).cloned();
            let Some((folder, name)) = folder.zip(event.name) else { continue };
            // A file of the current folder is named without it.
            let path = if folder == Path::new(".") { PathBuf::from(name) } else { folder.join(name) };
            if send.send(path).is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_that_are_replaced_and_features_that_are_new_are_changes() {
        let folder = tempfile::tempdir().expect("folder");
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(path("features/deep")).expect("folder");
        std::fs::create_dir_all(path("build")).expect("folder");
        let mut changes = Changes::new().expect("inotify");
        changes.watch(&[path("features"), path("build/app.elf"), path("bench.toml")].into());
        std::fs::write(path("build/other.o"), "o").expect("written");
        std::fs::write(path("build/app.new"), "elf").expect("written");
        std::fs::rename(path("build/app.new"), path("build/app.elf")).expect("renamed");
        assert_eq!(changes.next().await, path("build/app.elf"));
        std::fs::write(path("features/deep/notes.txt"), "n").expect("written");
        std::fs::write(path("features/deep/new.feature"), "Feature: f").expect("written");
        assert_eq!(changes.next().await, path("features/deep/new.feature"));
        std::fs::write(path("bench.toml"), "").expect("written");
        assert_eq!(changes.next().await, path("bench.toml"));
    }
}
