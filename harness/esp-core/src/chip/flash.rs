//! The flash chip: the device that the embedder gives, and its copy in memory, from which the program reads through the
//! cache.

use std::io;

use crate::memory::{Bank, Memory};

/// The bytes that an erase sets to 0xFF.
pub const SECTOR: u32 = 4096;

/// The flash chip, given by the embedder. Ranges are within the size.
pub trait Flash {
    /// How many bytes it has: a power of two, 64 KiB or more.
    fn size(&self) -> u32;

    /// Reads bytes.
    ///
    /// # Errors
    ///
    /// When the contents can't be read.
    fn read(&self, at: u32, into: &mut [u8]) -> io::Result<()>;

    /// Programs bytes: bits can only change from 1 to 0, so that what is there afterwards is `old & new`.
    ///
    /// # Errors
    ///
    /// When the contents can't be kept.
    fn program(&mut self, at: u32, bytes: &[u8]) -> io::Result<()>;

    /// Sets the bytes of the sector that begins there to 0xFF.
    ///
    /// # Errors
    ///
    /// When the contents can't be kept.
    fn erase_sector(&mut self, at: u32) -> io::Result<()>;
}

/// A flash chip in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryFlash(Vec<u8>);

impl MemoryFlash {
    /// An erased chip with so many bytes.
    #[must_use]
    pub fn new(size: u32) -> Self {
        Self(vec![0xff; size as usize])
    }

    /// All bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// All bytes, to change them.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Flash for MemoryFlash {
    fn size(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    fn read(&self, at: u32, into: &mut [u8]) -> io::Result<()> {
        let from = self.0.get(at as usize..at as usize + into.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        into.copy_from_slice(from);
        Ok(())
    }

    fn program(&mut self, at: u32, bytes: &[u8]) -> io::Result<()> {
        let into = self.0.get_mut(at as usize..at as usize + bytes.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        into.iter_mut().zip(bytes).for_each(|(old, new)| *old &= new);
        Ok(())
    }

    fn erase_sector(&mut self, at: u32) -> io::Result<()> {
        self.0.get_mut(at as usize..(at + SECTOR) as usize).ok_or(io::ErrorKind::UnexpectedEof)?.fill(0xff);
        Ok(())
    }
}

/// The flash with its copy in memory.
pub(super) struct FlashChip {
    device: Box<dyn Flash + Send>,
    bank: Bank,
}

impl std::fmt::Debug for FlashChip {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("FlashChip").field("size", &self.device.size()).finish_non_exhaustive()
    }
}

impl FlashChip {
    /// Reads the whole chip into a bank of its own.
    pub(super) fn new(device: Box<dyn Flash + Send>, memory: &mut Memory) -> io::Result<Self> {
        let size = device.size();
        let bank = memory.add_bank(size, 0xff);
        device.read(0, memory.bank_mut(bank, 0..size as usize))?;
        Ok(Self { device, bank })
    }

    pub(super) fn bank(&self) -> Bank {
        self.bank
    }

    pub(super) fn into_device(self) -> Box<dyn Flash + Send> {
        self.device
    }

    /// Some bytes, if they are all within the chip.
    pub(super) fn bytes<'a>(&self, memory: &'a Memory, at: u32, len: usize) -> Option<&'a [u8]> {
        memory.bank(self.bank).get(at as usize..(at as usize).checked_add(len)?)
    }

    /// Programs bytes; false when they are not all within the chip.
    pub(super) fn program(&mut self, memory: &mut Memory, at: u32, bytes: &[u8]) -> io::Result<bool> {
        if self.bytes(memory, at, bytes.len()).is_none() {
            return Ok(false);
        }
        self.device.program(at, bytes)?;
        let copy = memory.bank_mut(self.bank, at as usize..at as usize + bytes.len());
        copy.iter_mut().zip(bytes).for_each(|(old, new)| *old &= new);
        Ok(true)
    }

    /// Erases the sectors of a range that begins and ends at one; false when they are not all within the chip.
    pub(super) fn erase(&mut self, memory: &mut Memory, at: u32, len: u32) -> io::Result<bool> {
        let at = at & !(SECTOR - 1);
        if self.bytes(memory, at, len as usize).is_none() {
            return Ok(false);
        }
        for sector in (at..at + len).step_by(SECTOR as usize) {
            self.device.erase_sector(sector)?;
            memory.bank_mut(self.bank, sector as usize..(sector + SECTOR) as usize).fill(0xff);
        }
        Ok(true)
    }

    /// The identity that the chip answers: Winbond, with its size as a power of two.
    pub(super) fn identity(&self) -> u32 {
        let size = self.device.size().max(1).ilog2();
        size << 16 | 0x40 << 8 | 0xef
    }
}
