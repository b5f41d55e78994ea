//! Addresses at which stores are caught.

use std::ops::Range;

use super::{Memory, PAGE_BITS, WATCH};

/// What is watched.
#[derive(Debug, Default)]
pub(super) struct Watched {
    ranges: Vec<Range<u64>>,
    enabled: bool,
}

impl Memory {
    /// From now on, these addresses are watched. Stores to their pages are no longer the fast ones.
    pub(crate) fn watch(&mut self, ranges: Vec<Range<u64>>) {
        if self.watched.ranges != ranges {
            self.change_watched_pages(|entry| entry & !WATCH);
            self.watched.ranges = ranges;
            self.flag_watched();
        }
    }

    /// Whether stores are caught now.
    pub(crate) fn watch_enabled(&mut self, enabled: bool) {
        self.watched.enabled = enabled;
    }

    /// Whether a store of so many bytes is caught.
    pub(crate) fn watches(&self, address: u32, len: u32) -> bool {
        let (start, end) = (u64::from(address), u64::from(address) + u64::from(len));
        self.watched.enabled && self.watched.ranges.iter().any(|range| range.start < end && start < range.end)
    }

    /// Sets the flag of all pages with addresses that are watched.
    pub(super) fn flag_watched(&mut self) {
        // A page that is not mapped has no flags.
        self.change_watched_pages(|entry| if entry == 0 { 0 } else { entry | WATCH });
    }

    fn change_watched_pages(&mut self, change: impl Fn(u32) -> u32) {
        let Self { watched, pages, .. } = self;
        for range in &watched.ranges {
            let number = |address: u64| usize::try_from(address >> PAGE_BITS).unwrap_or(usize::MAX);
            let pages = pages.get_mut(number(range.start)..=number(range.end - 1));
            pages.into_iter().flatten().for_each(|entry| *entry = change(*entry));
        }
    }
}
