//! How much memory unfinished packets may take.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Shared by all connections. What is small is kept whatever others take.
#[derive(Debug)]
pub(super) struct Budget {
    most: usize,
    kept: AtomicUsize,
}

/// Of all connections of this program.
static ALL: Budget = Budget::of(128 << 20);
/// Up to this size something is small.
pub(super) const SMALL: usize = 4 << 10;

impl Budget {
    pub(super) const fn of(most: usize) -> Self {
        Self { most, kept: AtomicUsize::new(0) }
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.kept.load(Ordering::Relaxed)
    }
}

/// What one user of the budget keeps; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: &'static Budget,
    kept: usize,
}

impl Default for Share {
    fn default() -> Self {
        Self::of(&ALL)
    }
}

impl Share {
    pub(super) fn of(budget: &'static Budget) -> Self {
        Self { budget, kept: 0 }
    }

    /// So many bytes are kept now; whether the budget allows it. They count either way.
    pub(super) fn keep(&mut self, bytes: usize) -> bool {
        let before = std::mem::replace(&mut self.kept, bytes);
        self.budget.kept.fetch_add(bytes, Ordering::Relaxed);
        let all = self.budget.kept.fetch_sub(before, Ordering::Relaxed) - before;
        bytes <= SMALL || all <= self.budget.most
    }
}

/// What a buffer takes; one that has been much larger than it is now gives its memory back.
pub(super) fn memory(buffer: &mut Vec<u8>) -> usize {
    /// What a buffer may hold on to, to be filled again; it does not count.
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
