//! Addresses whose stores the processor stops at: the guards of stacks.

use super::{Access, Memory, PAGE_BITS};
use std::ops::RangeInclusive;

/// The flag of a page with watched bytes, beside those of `Access` and `CODE`.
pub(super) const WATCHED: u32 = 16;

impl Memory {
    /// From now on, stores to these bytes, and no longer those to others, are stopped.
    pub(crate) fn watch(&mut self, ranges: Vec<RangeInclusive<u32>>) {
        self.flag_watched(|entry| entry & !WATCHED);
        self.watched = ranges;
        self.flag_watched(|entry| entry | WATCHED);
    }

    /// Flags the pages of watched bytes again, after pages have been mapped.
    pub(super) fn flag_watched_again(&mut self) {
        self.flag_watched(|entry| entry | WATCHED);
    }

    /// Whether a store of so many bytes changes a watched byte.
    pub(crate) fn is_watched(&self, address: u32, len: u32) -> bool {
        let last = address.saturating_add(len - 1);
        self.watched.iter().any(|range| *range.start() <= last && address <= *range.end())
    }

    fn flag_watched(&mut self, change: impl Fn(u32) -> u32) {
        for range in &self.watched {
            for page in range.start() >> PAGE_BITS..=range.end() >> PAGE_BITS {
                let entry = &mut self.pages[page as usize];
                // Pages without memory keep an empty entry.
                if *entry & Access::READ.bits() != 0 {
                    *entry = change(*entry);
                }
            }
        }
    }
}
