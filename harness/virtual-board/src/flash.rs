//! The SPI flash of the module: its contents survive power cuts.

mod supply;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use md5::{Digest as _, Md5};
use parking_lot::{Mutex, MutexGuard};
use rustix::fs::MemfdFlags;

use self::supply::Supply;
pub use self::supply::{Fall, FlashAction, FlashMoment, FlashOperation};

/// Size of the flash in bytes: 4 MiB, as on an ESP32-C3-DevKitM-1.
pub(crate) const SIZE: usize = 4 << 20;
/// All thousandths of an operation.
const WHOLE: u32 = supply::WHOLE;
/// Smallest part that can be erased.
pub(crate) const SECTOR: usize = 4096;

/// Contents of the flash; cheap to clone, all clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Flash {
    /// A file in memory: an interpreter on the board accesses its file system in it.
    contents: Arc<Mutex<File>>,
    /// Misbehaviour: each write flips a bit.
    flips_bits: bool,
    /// Whether it still takes anything.
    supply: Arc<Supply>,
}

impl Flash {
    pub(crate) fn erased(flips_bits: bool) -> io::Result<Self> {
        let file = File::from(rustix::fs::memfd_create("hil-flash", MemfdFlags::CLOEXEC)?);
        file.write_all_at(&vec![0xff; SIZE], 0)?;
        Ok(Self { contents: Arc::new(Mutex::new(file)), flips_bits, supply: Arc::default() })
    }

    /// The file with the contents, for a child process.
    pub(crate) fn file(&self) -> io::Result<File> {
        self.lock().try_clone()
    }

    /// The bytes of a range; none if it exceeds the flash.
    pub(crate) fn read(&self, address: usize, length: usize) -> Option<Vec<u8>> {
        read(&self.lock(), address, length)
    }

    pub(crate) fn md5(&self, address: usize, length: usize) -> Option<[u8; 16]> {
        self.read(address, length).map(|bytes| Md5::digest(bytes).into())
    }

    /// Erases all sectors that the range touches.
    pub(crate) fn erase(&self, address: usize, length: usize) -> bool {
        let Some(end) = address.checked_add(length).map(|end| end.next_multiple_of(SECTOR)) else { return false };
        let start = address - address % SECTOR;
        end <= SIZE && (start..end).step_by(SECTOR).all(|sector| self.erase_sector(sector))
    }

    fn erase_sector(&self, sector: usize) -> bool {
        let contents = self.lock();
        let Some(mut cells) = read(&contents, sector, SECTOR) else { return false };
        match self.supply.share(FlashAction::Erase, sector, SECTOR) {
            WHOLE => cells.fill(0xff),
            0 => return true,
            part => hil_esp_core::chip::cut_erase(&mut cells, number(sector), part),
        }
        contents.write_all_at(&cells, sector as u64).is_ok()
    }

    /// Programs bytes. A flash can only clear bits, so unerased ranges end up different.
    pub(crate) fn program(&self, address: usize, bytes: &[u8]) -> bool {
        let contents = self.lock();
        let Some(mut cells) = read(&contents, address, bytes.len()) else { return false };
        // A page that stays erased is not programmed.
        let part = match bytes.iter().all(|byte| *byte == 0xff) {
            true => self.supply.share_of_nothing(),
            false => self.supply.share(FlashAction::Program, address, bytes.len()),
        };
        let cut;
        let bytes = match part {
            WHOLE => bytes,
            0 => return true,
            part => {
                cut = hil_esp_core::chip::cut_program(bytes, number(address), part);
                &cut
            }
        };
        for (cell, byte) in cells.iter_mut().zip(bytes) {
            *cell &= byte;
        }
        if self.flips_bits
            && let Some(cell) = cells.last_mut()
        {
            *cell ^= 0x10;
        }
        contents.write_all_at(&cells, address as u64).is_ok()
    }

    /// What decides whether it takes anything.
    pub(crate) fn supply(&self) -> &Arc<Supply> {
        &self.supply
    }

    fn lock(&self) -> MutexGuard<'_, File> {
        self.contents.lock()
    }
}

/// Addresses are within the flash.
fn number(address: usize) -> u32 {
    u32::try_from(address).unwrap_or(u32::MAX)
}

fn read(contents: &File, address: usize, length: usize) -> Option<Vec<u8>> {
    if address.checked_add(length)? > SIZE {
        return None;
    }
    let mut bytes = vec![0; length];
    contents.read_exact_at(&mut bytes, address as u64).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programming_only_clears_bits_and_erasing_sets_whole_sectors() {
        let flash = Flash::erased(false).expect("flash");
        assert!(flash.program(10, &[0xf0, 0x0f]));
        assert!(flash.program(10, &[0x3c, 0xff]));
        assert_eq!(flash.read(9, 4), Some(vec![0xff, 0x30, 0x0f, 0xff]));
        assert!(flash.program(SECTOR, &[0]));
        assert!(flash.erase(100, SECTOR));
        assert_eq!(flash.read(0, 2 * SECTOR), Some(vec![0xff; 2 * SECTOR]));
        assert!(!flash.program(SIZE - 1, &[0, 0]) && !flash.erase(SIZE, 1) && flash.read(SIZE - 1, 2).is_none());
    }
}
