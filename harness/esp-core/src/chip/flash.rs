//! The flash chip: the device that the embedder gives, and its copy in memory, from which the program reads through the
//! cache.

mod work;

use std::io;

pub(super) use work::Work;
use work::{Busy, Progress};
pub use work::{cut_erase, cut_program};

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
    busy: Option<Busy>,
    /// Decides what a power cut leaves.
    seed: u64,
}

impl std::fmt::Debug for FlashChip {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("FlashChip").field("size", &self.device.size()).finish_non_exhaustive()
    }
}

impl FlashChip {
    /// Reads the whole chip into a bank of its own.
    pub(super) fn new(device: Box<dyn Flash + Send>, memory: &mut Memory, seed: u64) -> io::Result<Self> {
        let size = device.size();
        let bank = memory.add_bank(size, 0xff);
        device.read(0, memory.bank_mut(bank, 0..size as usize))?;
        Ok(Self { device, bank, busy: None, seed })
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

    /// Begins to erase or to program; when it is done. None if not all of the range is within the chip. What was
    /// begun before is done at once: programs wait for it.
    pub(super) fn start(&mut self, memory: &mut Memory, work: Work, now: u64) -> io::Result<Option<u64>> {
        self.finish(memory)?;
        if self.bytes(memory, work.at(), work.len()).is_none() {
            return Ok(None);
        }
        let busy = Busy::new(work, now);
        let ends = busy.ends;
        self.busy = Some(busy);
        Ok(Some(ends))
    }

    /// When the chip has done what it is doing.
    pub(super) fn due(&self) -> u64 {
        self.busy.as_ref().map_or(u64::MAX, |busy| busy.ends)
    }

    /// Ends what is due; whether there is nothing more to do.
    pub(super) fn advance(&mut self, memory: &mut Memory, now: u64) -> io::Result<bool> {
        if self.due() <= now {
            self.finish(memory)?;
        }
        Ok(self.busy.is_none())
    }

    /// Ends what the chip is doing: it goes on while the processor is reset.
    pub(super) fn finish(&mut self, memory: &mut Memory) -> io::Result<()> {
        match self.busy.take() {
            Some(busy) => self.apply(memory, busy.work, Progress::new(1, 1)),
            None => Ok(()),
        }
    }

    /// The supply is cut: what the chip is doing stays as far as it is.
    pub(super) fn cut(&mut self, memory: &mut Memory, now: u64) -> io::Result<()> {
        let Some(busy) = self.busy.take() else { return Ok(()) };
        let progress = busy.progress(now);
        self.apply(memory, busy.work, progress)
    }

    fn apply(&mut self, memory: &mut Memory, work: Work, progress: Progress) -> io::Result<()> {
        match work {
            Work::Program { at, bytes } => self.program(memory, at, &progress.programmed(&bytes, self.seed, at)),
            Work::Erase { at, len } => {
                let mut sectors = (at..at + len).step_by(SECTOR as usize);
                sectors.try_for_each(|sector| self.erase_sector(memory, sector, progress))
            }
        }
    }

    fn program(&mut self, memory: &mut Memory, at: u32, bytes: &[u8]) -> io::Result<()> {
        self.device.program(at, bytes)?;
        let copy = memory.bank_mut(self.bank, at as usize..at as usize + bytes.len());
        copy.iter_mut().zip(bytes).for_each(|(old, new)| *old &= new);
        Ok(())
    }

    fn erase_sector(&mut self, memory: &mut Memory, sector: u32, progress: Progress) -> io::Result<()> {
        let seed = self.seed;
        let copy = memory.bank_mut(self.bank, sector as usize..(sector + SECTOR) as usize);
        for (at, byte) in (sector..).zip(copy.iter_mut()) {
            *byte = progress.erased(*byte, seed, at);
        }
        self.device.erase_sector(sector)?;
        self.device.program(sector, copy)
    }

    /// The identity that the chip answers: Winbond, with its size as a power of two.
    pub(super) fn identity(&self) -> u32 {
        let size = self.device.size().max(1).ilog2();
        size << 16 | 0x40 << 8 | 0xef
    }
}
