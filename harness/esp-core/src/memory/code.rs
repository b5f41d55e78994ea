//! Which bytes of the banks are code that the processor has decoded, so that a write to them is noticed.

use super::PAGE_BITS;
use std::ops::Range;

/// A bit for each 64 bytes of a page.
const GRANULE_BITS: u32 = PAGE_BITS - 6;

/// The decoded code of all banks.
#[derive(Debug, Default)]
pub(super) struct Code {
    /// For each page of the banks: which of its granules hold decoded code.
    granules: Vec<u64>,
    /// Pages whose code has been written since it was decoded.
    stale: Vec<u32>,
    /// Whether all code has to be decoded again, because mappings changed.
    all: bool,
}

impl Code {
    pub(super) fn resize(&mut self, pages: usize) {
        self.granules.resize(pages, 0);
    }

    pub(super) fn forget_all(&mut self) {
        self.all = true;
    }

    /// Notes that bytes of the banks are written; whether they held decoded code.
    pub(super) fn written(&mut self, range: Range<usize>) -> bool {
        let before = self.stale.len();
        for granule in range.start >> GRANULE_BITS..range.end.div_ceil(1 << GRANULE_BITS) {
            let (page, bit) = (granule >> 6, granule & 63);
            if self.granules.get(page).is_some_and(|granules| granules >> bit & 1 == 1) {
                self.granules[page] = 0;
                self.stale.extend(u32::try_from(page));
            }
        }
        self.stale.len() > before
    }
}
