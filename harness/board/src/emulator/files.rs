//! What an emulator is given as files: its flash, its eFuses, and a place for its monitor's socket.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use hil_scratch::Scratch;

/// The files of one board, in a folder that is removed with this.
#[derive(Debug)]
pub(super) struct Files {
    folder: Scratch,
    pub(super) flash: PathBuf,
    pub(super) efuse: PathBuf,
}

impl Files {
    /// An erased flash of that many bytes, and the eFuses.
    pub(super) fn make(flash_size: u64, efuses: &[u8]) -> io::Result<Self> {
        let folder = Scratch::new("emulator")?;
        let (flash, efuse) = (folder.path().join("flash.bin"), folder.path().join("efuse.bin"));
        let mut file = create(&flash)?;
        let erased = vec![0xff; 1 << 20];
        for _ in 0..flash_size >> 20 {
            file.write_all(&erased)?;
        }
        create(&efuse)?.write_all(efuses)?;
        Ok(Self { folder, flash, efuse })
    }

    /// Where its monitor listens.
    pub(super) fn qmp(&self) -> PathBuf {
        self.folder.path().join("qmp")
    }
}

/// For this user alone: the flash holds passwords.
fn create(path: &Path) -> io::Result<File> {
    File::options().write(true).create_new(true).mode(0o600).open(path)
}
