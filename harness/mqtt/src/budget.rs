//! Limits the memory for unfinished packets.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Shared by all connections. Small packets are always kept.
#[derive(Debug)]
pub(crate) struct Budget {
    most: usize,
    kept: AtomicUsize,
}

/// For all connections of this process.
static ALL: Budget = Budget::of(128 << 20);
/// Packets up to this size are small.
pub(crate) const SMALL: usize = 4 << 10;

impl Budget {
    pub(crate) const fn of(most: usize) -> Self {
        Self { most, kept: AtomicUsize::new(0) }
    }

    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.kept.load(Ordering::Relaxed)
    }
}

/// The share of one connection; released when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: &'static Budget,
    kept: usize,
}

impl Default for Share {
    fn default() -> Self {
        Self::of(&ALL)
    }
}

impl Share {
    pub(crate) fn of(budget: &'static Budget) -> Self {
        Self { budget, kept: 0 }
    }

    /// Sets how many bytes are kept; returns whether the budget allows it. They count in both cases.
    pub(crate) fn keep(&mut self, bytes: usize) -> bool {
        let before = std::mem::replace(&mut self.kept, bytes);
        self.budget.kept.fetch_add(bytes, Ordering::Relaxed);
        let all = self.budget.kept.fetch_sub(before, Ordering::Relaxed) - before;
        bytes <= SMALL || all <= self.budget.most
    }
}

/// The memory of a buffer; one that has been much larger shrinks first.
pub(crate) fn memory(buffer: &mut Vec<u8>) -> usize {
    /// The capacity that a buffer may keep for later; it does not count.
    const IDLE: usize = 64 << 10;
    if buffer.capacity() > IDLE && buffer.len() < buffer.capacity() / 4 {
        buffer.shrink_to(buffer.len());
    }
    if buffer.capacity() > IDLE { buffer.capacity() } else { buffer.len() }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.kept.fetch_sub(self.kept, Ordering::Relaxed);
    }
}
