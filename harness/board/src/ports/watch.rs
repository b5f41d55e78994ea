//! Waits for devices to come and go, by the kernel's inotify.

use std::io;
use std::path::PathBuf;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use inotify::{EventStream, Inotify, WatchMask};

use super::PortWatch;

/// Watches folders for entries that come, go, or may be opened from now on; folders that come later, too.
pub(crate) struct FolderWatch {
    folders: Vec<PathBuf>,
    events: EventStream<[u8; 4096]>,
}

impl FolderWatch {
    /// Watches those folders that are there, and the others once something else has changed.
    pub(crate) fn new(folders: impl Iterator<Item = PathBuf>) -> io::Result<Self> {
        let events = Inotify::init()?.into_event_stream([0; 4096])?;
        let watch = Self { folders: folders.collect(), events };
        watch.add()?;
        Ok(watch)
    }

    /// Watching what is watched already changes nothing.
    fn add(&self) -> io::Result<()> {
        // Attributes change when udev gives a device to its group.
        let mask = WatchMask::CREATE | WatchMask::MOVED_TO | WatchMask::ATTRIB | WatchMask::DELETE;
        for folder in self.folders.iter().filter(|folder| folder.is_dir()) {
            self.events.watches().add(folder, mask)?;
        }
        Ok(())
    }
}

impl PortWatch for FolderWatch {
    fn changed(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if self.events.next().await.is_none() {
                std::future::pending::<()>().await;
            }
            // A folder that has just been made is watched before the caller looks again: nothing in it is missed. One
            // that has been removed does not matter.
            let _ = self.add();
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// As udev does with `/dev/serial/by-id`.
    #[tokio::test]
    async fn a_link_in_folders_that_are_made_for_it_is_noticed() {
        let dev = tempfile::tempdir().expect("folder");
        let folders = ["", "serial", "serial/by-id"].map(|folder| dev.path().join(folder));
        let link = folders[2].join("usb-x");
        for _ in 0..20 {
            let mut watch = FolderWatch::new(folders.clone().into_iter()).expect("watch");
            let (made, to_make) = (folders[2].clone(), link.clone());
            let maker = std::thread::spawn(move || {
                std::fs::create_dir_all(&made).expect("folders");
                std::fs::write(to_make, "").expect("link");
            });
            let seen = async {
                while !link.exists() {
                    watch.changed().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(10), seen).await.expect("noticed");
            maker.join().expect("made");
            std::fs::remove_dir_all(&folders[1]).expect("removed");
        }
    }
}
