//! Waits for devices to come and go, by the kernel's inotify.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;

use futures::StreamExt as _;
use inotify::{EventStream, Inotify, WatchMask};

use super::PortWatch;

/// Watches folders for entries that come, go, or may be opened from now on.
pub(crate) struct FolderWatch(EventStream<[u8; 4096]>);

impl FolderWatch {
    /// Watches those folders that are there.
    pub(crate) fn new(folders: impl Iterator<Item = PathBuf>) -> io::Result<Self> {
        let inotify = Inotify::init()?;
        // Attributes change when udev gives a device to its group.
        let mask = WatchMask::CREATE | WatchMask::MOVED_TO | WatchMask::ATTRIB | WatchMask::DELETE;
        for folder in folders.filter(|folder| folder.is_dir()) {
            inotify.watches().add(folder, mask)?;
        }
        Ok(Self(inotify.into_event_stream([0; 4096])?))
    }
}

impl PortWatch for FolderWatch {
    fn changed(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            if self.0.next().await.is_none() {
                std::future::pending::<()>().await;
            }
        })
    }
}
