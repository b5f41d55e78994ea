//! Ranges of the address space at which memory is mapped.

use super::{PAGE, PAGE_BITS};

/// What a program may do with memory that is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access(u32);

impl Access {
    pub(crate) const NONE: Self = Self(0);
    /// Loads.
    pub const READ: Self = Self(1);
    /// Loads and stores.
    pub const READ_WRITE: Self = Self(1 | 2);
    /// Loads and instructions.
    pub const READ_EXECUTE: Self = Self(1 | 4);
    /// Loads, stores and instructions.
    pub const ALL: Self = Self(1 | 2 | 4);

    pub(crate) const fn bits(self) -> u32 {
        self.0
    }
}

/// A range that can't be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{len:#x} bytes at {address:#010x} can't be mapped from offset {offset:#x} of a bank")]
pub struct BadMapping {
    /// Where it would be mapped.
    pub address: u32,
    /// The offset in the bank.
    pub offset: u32,
    /// The number of bytes.
    pub len: u32,
}

/// A mapped range.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    address: u32,
    /// Where its first byte is among all banks.
    start: u32,
    len: u32,
    access: Access,
}

impl Window {
    /// A range of a bank with `bank_len` bytes.
    pub(super) fn new(address: u32, bank_len: u32, offset: u32, len: u32, access: Access) -> Result<Self, BadMapping> {
        let aligned = (address | offset | len).is_multiple_of(PAGE);
        let in_bank = offset.checked_add(len).is_some_and(|end| end <= bank_len);
        let in_space = len == 0 || address.checked_add(len - 1).is_some();
        if aligned && in_bank && in_space {
            return Ok(Self { address, start: offset, len, access });
        }
        Err(BadMapping { address, offset, len })
    }

    /// The same in a bank that begins there among all banks.
    pub(super) fn in_arena(self, start: u32) -> Self {
        Self { start: self.start + start, ..self }
    }

    /// Its pages: their numbers in the address space, and their entries in the table.
    pub(super) fn entries(&self) -> impl Iterator<Item = (usize, u32)> + use<> {
        let Self { address, start, len, access } = *self;
        let first = (address >> PAGE_BITS) as usize;
        (0..len >> PAGE_BITS).map(move |page| (first + page as usize, (start + page * PAGE) | access.bits()))
    }

    /// What remains when another range is taken away: a part before it, and one after it.
    pub(super) fn without(&self, gap: &Self) -> Vec<Self> {
        let (begin, end) = (u64::from(self.address), u64::from(self.address) + u64::from(self.len));
        let gap_begin = u64::from(gap.address).clamp(begin, end);
        let gap_end = (u64::from(gap.address) + u64::from(gap.len)).clamp(gap_begin, end);
        let part = |from: u64, to: u64| {
            let skipped = u32::try_from(from - begin).ok()?;
            let len = u32::try_from(to - from).ok().filter(|len| *len > 0)?;
            Some(Self { address: self.address.wrapping_add(skipped), start: self.start + skipped, len, ..*self })
        };
        [part(begin, gap_begin), part(gap_end, end)].into_iter().flatten().collect()
    }

    /// The page of the address space at which a page of the banks is mapped by this window.
    pub(super) fn page_of(&self, arena_page: u32) -> Option<usize> {
        let into = (arena_page << PAGE_BITS).checked_sub(self.start).filter(|into| *into < self.len)?;
        Some(((self.address + into) >> PAGE_BITS) as usize)
    }
}
