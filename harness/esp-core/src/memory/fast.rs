//! The accesses of the processor: as fast as can be in the usual case, and correct in every other.

use super::{Access, CODE, IN_PAGE, Memory, PAGE_BITS, Stale, WATCH};

/// What became of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// It is in memory.
    Plain,
    /// It is in memory, where decoded code was.
    Code,
    /// There is no memory for it.
    Elsewhere,
}

impl Memory {
    /// Reads `N` bytes from an address that is a multiple of `N`; none where no memory can be read, or for other addresses.
    #[inline]
    pub(crate) fn load<const N: usize>(&self, address: u32) -> Option<[u8; N]> {
        let entry = self.entry(address);
        if entry & Access::READ.bits() == 0 || !(address as usize).is_multiple_of(N) {
            return None;
        }
        let at = ((entry & !IN_PAGE) | (address & IN_PAGE)) as usize;
        self.bytes.get(at..at + N)?.try_into().ok()
    }

    /// The same, for any address: the processor reads across words and pages.
    #[cold]
    pub(crate) fn load_across<const N: usize>(&self, address: u32) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        let mut address = address;
        for byte in &mut bytes {
            [*byte] = self.load(address)?;
            address = address.wrapping_add(1);
        }
        Some(bytes)
    }

    /// Writes `N` bytes to an address that is a multiple of `N`; false where that isn't simply possible: then
    /// [`store_across`](Self::store_across) does it.
    #[inline]
    pub(crate) fn store<const N: usize>(&mut self, address: u32, value: [u8; N]) -> bool {
        let entry = self.entry(address);
        if entry & (WRITE | CODE | WATCH) != WRITE || !(address as usize).is_multiple_of(N) {
            return false;
        }
        let at = ((entry & !IN_PAGE) | (address & IN_PAGE)) as usize;
        let Some(bytes) = self.bytes.get_mut(at..at + N) else { return false };
        bytes.copy_from_slice(&value);
        true
    }

    /// Writes bytes to any address, also where code is.
    #[cold]
    pub(crate) fn store_across(&mut self, address: u32, value: &[u8]) -> Stored {
        let addresses = (0..).map(|offset| address.wrapping_add(offset));
        if addresses.clone().zip(value).any(|(address, _)| self.entry(address) & WRITE == 0) {
            return Stored::Elsewhere;
        }
        let mut stored = Stored::Plain;
        for (address, byte) in addresses.zip(value) {
            let Some(offset) = self.offset(address) else { return Stored::Elsewhere };
            self.bytes[offset] = *byte;
            if self.code.written(offset..offset + 1) {
                stored = Stored::Code;
            }
        }
        stored
    }

    /// The half word of an instruction.
    pub(crate) fn fetch(&self, address: u32) -> Option<u32> {
        if !self.allows(address, Access::READ_EXECUTE) {
            return None;
        }
        self.load(address).map(u16::from_le_bytes).map(u32::from)
    }

    /// Notes that the half word at this address has been decoded; the page of the banks that it is in.
    pub(crate) fn decoded(&mut self, address: u32) -> Option<u32> {
        let page = self.code.decoded(self.offset(address)?);
        if let Some(page) = page.fresh {
            self.flag(page, |entry| entry | CODE);
        }
        Some(page.number)
    }

    /// What of the decoded code is no longer what memory holds, since it was last asked.
    #[cold]
    pub(crate) fn take_stale(&mut self) -> Stale {
        let stale = self.code.take();
        match &stale {
            Stale::All => self.pages.iter_mut().for_each(|entry| *entry &= !CODE),
            Stale::Pages(pages) => pages.iter().for_each(|page| self.flag(*page, |entry| entry & !CODE)),
        }
        stale
    }

    /// Whether there is anything to take.
    #[inline]
    pub(crate) fn is_stale(&self) -> bool {
        self.code.is_stale()
    }

    /// Changes the entries by which a page of the banks is mapped.
    fn flag(&mut self, page: u32, change: impl Fn(u32) -> u32) {
        for page in self.windows.iter().filter_map(|window| window.page_of(page)) {
            self.pages[page] = change(self.pages[page]);
        }
    }
}

const WRITE: u32 = Access::READ_WRITE.bits() & !Access::READ.bits();
const _: () = assert!(PAGE_BITS >= 4, "the flags fit below a page's address");
