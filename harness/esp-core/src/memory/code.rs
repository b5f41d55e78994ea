//! Which bytes of the banks are code that the processor has decoded, so that a write to them is noticed.

use super::PAGE_BITS;
use std::ops::Range;

/// A bit for each 64 bytes of a page.
const GRANULE_BITS: u32 = PAGE_BITS - 6;

/// What has to be decoded again.
#[derive(Debug)]
pub(crate) enum Stale {
    /// Everything: mappings changed.
    All,
    /// What is in these pages of the banks.
    Pages(Vec<u32>),
}

/// The decoded code of all banks.
#[derive(Debug, Default)]
pub(super) struct Code {
    /// For each page of the banks: which of its granules hold decoded code.
    granules: Vec<u64>,
    stale: Vec<u32>,
    all: bool,
    /// Whether there is anything in `stale` or `all`.
    changed: bool,
}

/// A page of the banks.
pub(super) struct Page {
    pub(super) number: u32,
    /// The number again, if the page had no decoded code before.
    pub(super) fresh: Option<u32>,
}

impl Code {
    pub(super) fn resize(&mut self, pages: usize) {
        self.granules.resize(pages, 0);
    }

    pub(super) fn forget_all(&mut self) {
        (self.all, self.changed) = (true, true);
    }

    /// Notes that the half word at this offset in the banks is decoded.
    pub(super) fn decoded(&mut self, offset: usize) -> Page {
        let number = u32::try_from(offset >> PAGE_BITS).unwrap_or(u32::MAX);
        let granules = &mut self.granules[offset >> PAGE_BITS];
        let fresh = (*granules == 0).then_some(number);
        *granules |= 1 << (offset >> GRANULE_BITS & 63);
        Page { number, fresh }
    }

    /// Notes that bytes of the banks are written; whether they held decoded code.
    pub(super) fn written(&mut self, range: Range<usize>) -> bool {
        let mut hit = false;
        for granule in range.start >> GRANULE_BITS..range.end.div_ceil(1 << GRANULE_BITS) {
            let (page, bit) = (granule >> 6, granule & 63);
            if self.granules.get(page).is_some_and(|granules| granules >> bit & 1 == 1) {
                self.granules[page] = 0;
                self.stale.extend(u32::try_from(page));
                (hit, self.changed) = (true, true);
            }
        }
        hit
    }

    pub(super) fn is_stale(&self) -> bool {
        self.changed
    }

    pub(super) fn take(&mut self) -> Stale {
        let pages = std::mem::take(&mut self.stale);
        self.changed = false;
        if !std::mem::take(&mut self.all) {
            return Stale::Pages(pages);
        }
        self.granules.fill(0);
        Stale::All
    }
}
