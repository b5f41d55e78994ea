//! Plain memory: banks of bytes, mapped at addresses.
//!
//! A bank can be mapped more than once: the chip's RAM is at one address for data and at another for instructions, and
//! the pages of its flash appear where its MMU says. A table with an entry for each page of the address space makes
//! an access as fast as one look-up.

mod code;
mod fast;
mod watch;
mod window;

pub(crate) use code::Stale;
pub(crate) use fast::Stored;
pub use window::{Access, BadMapping};

use crate::fault::Fault;
use window::Window;

/// The unit of mapping: addresses, offsets and lengths of mappings are multiples of it.
pub const PAGE: u32 = 1 << PAGE_BITS;

pub(crate) const PAGE_BITS: u32 = 12;
const PAGES: usize = 1 << (32 - PAGE_BITS);
const IN_PAGE: u32 = PAGE - 1;
/// The flag of a page that holds decoded code, beside those of `Access`.
const CODE: u32 = 8;
/// The flag of a page with addresses that are watched.
const WATCH: u32 = 16;

/// A piece of memory, mapped or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bank {
    start: u32,
    len: u32,
}

impl Bank {
    /// How many bytes it has: what was asked for, rounded up to whole pages.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.len
    }

    /// Whether it has no byte.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// All banks and where they are mapped.
#[derive(Debug)]
pub struct Memory {
    /// The banks, one after the other.
    bytes: Vec<u8>,
    /// For each page of the address space: where it begins in `bytes`, and the flags of `Access` in the low bits.
    pages: Box<[u32; PAGES]>,
    windows: Vec<Window>,
    code: code::Code,
    watched: watch::Watched,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// Memory without a bank.
    #[must_use]
    pub fn new() -> Self {
        let pages = vec![0; PAGES].into_boxed_slice();
        let pages = pages.try_into().unwrap_or_else(|_| unreachable!("a table of another length"));
        Self {
            bytes: Vec::new(),
            pages,
            windows: Vec::new(),
            code: code::Code::default(),
            watched: watch::Watched::default(),
        }
    }

    /// Adds a bank of `len` bytes, rounded up to whole pages, that all have the value `fill`.
    ///
    /// # Panics
    ///
    /// When all banks together have 4 GiB.
    pub fn add_bank(&mut self, len: u32, fill: u8) -> Bank {
        let start = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        let len = len.next_multiple_of(PAGE);
        let end = start.checked_add(len).unwrap_or_else(|| panic!("more than 4 GiB of memory"));
        self.bytes.resize(end as usize, fill);
        self.code.resize((end >> PAGE_BITS) as usize);
        Bank { start, len }
    }

    /// Maps `len` bytes of a bank, from `offset` on, at `address`; what was mapped there before no longer is.
    ///
    /// # Errors
    ///
    /// When a number is not a multiple of [`PAGE`], or the range is not in the bank or not in the address space.
    pub fn map(&mut self, address: u32, bank: Bank, offset: u32, len: u32, access: Access) -> Result<(), BadMapping> {
        let window = Window::new(address, bank.len, offset, len, access)?.in_arena(bank.start);
        self.unmap(address, len)?;
        for (page, entry) in window.entries() {
            self.pages[page] = entry;
        }
        self.windows.push(window);
        self.flag_watched();
        Ok(())
    }

    /// Removes the mapping of `len` bytes at `address`.
    ///
    /// # Errors
    ///
    /// When a number is not a multiple of [`PAGE`], or the range is not in the address space.
    pub fn unmap(&mut self, address: u32, len: u32) -> Result<(), BadMapping> {
        let gap = Window::new(address, u32::MAX, 0, len, Access::NONE)?;
        self.windows = self.windows.iter().flat_map(|window| window.without(&gap)).collect();
        for (page, _) in gap.entries() {
            self.pages[page] = 0;
        }
        self.code.forget_all();
        Ok(())
    }

    /// The bytes of a bank.
    #[must_use]
    pub fn bank(&self, bank: Bank) -> &[u8] {
        &self.bytes[bank.start as usize..][..bank.len as usize]
    }

    /// Some bytes of a bank, to change them; code in their pages is decoded again.
    ///
    /// # Panics
    ///
    /// When the range is not in the bank.
    pub fn bank_mut(&mut self, bank: Bank, range: std::ops::Range<usize>) -> &mut [u8] {
        assert!(range.start <= range.end && range.end <= bank.len as usize, "{range:?} is not in the bank");
        let start = bank.start as usize;
        let range = start + range.start..start + range.end;
        self.code.written(range.clone());
        &mut self.bytes[range]
    }

    /// Reads bytes from an address, whatever access is allowed.
    ///
    /// # Errors
    ///
    /// When not all of it is mapped; what could be read before that is in `into`.
    pub fn read(&self, address: u32, into: &mut [u8]) -> Result<(), Fault> {
        let mut address = address;
        for byte in into {
            *byte = self.bytes[self.offset(address).ok_or(Fault::Access)?];
            address = address.wrapping_add(1);
        }
        Ok(())
    }

    /// Writes bytes to an address, whatever access is allowed, as a loader does; code there is decoded again.
    ///
    /// # Errors
    ///
    /// When not all of it is mapped; what could be written before that is written.
    pub fn write(&mut self, address: u32, from: &[u8]) -> Result<(), Fault> {
        let mut address = address;
        for byte in from {
            let offset = self.offset(address).ok_or(Fault::Access)?;
            self.code.written(offset..offset + 1);
            self.bytes[offset] = *byte;
            address = address.wrapping_add(1);
        }
        Ok(())
    }

    /// The word at an address, whatever access is allowed.
    ///
    /// # Errors
    ///
    /// When it is not mapped.
    pub fn word(&self, address: u32) -> Result<u32, Fault> {
        let mut word = [0; 4];
        self.read(address, &mut word)?;
        Ok(u32::from_le_bytes(word))
    }

    /// Whether the byte at an address is mapped for this access.
    #[must_use]
    pub fn allows(&self, address: u32, access: Access) -> bool {
        self.entry(address) & access.bits() == access.bits()
    }

    /// Where a mapped byte is in `bytes`.
    fn offset(&self, address: u32) -> Option<usize> {
        let entry = self.entry(address);
        (entry & IN_PAGE != 0).then_some(((entry & !IN_PAGE) | (address & IN_PAGE)) as usize)
    }

    fn entry(&self, address: u32) -> u32 {
        self.pages[(address >> PAGE_BITS) as usize]
    }
}
