//! The triggers of the debug module that programs use: those that stop at stores, as to the guard of a stack.

use std::ops::RangeInclusive;

const SELECT: u32 = 0x7a0;
const CONFIGURATION: u32 = 0x7a1;
const ADDRESS: u32 = 0x7a2;
const CONTROL: u32 = 0x7a5;

const STORE: u32 = 1 << 1;
const MACHINE: u32 = 1 << 6;
/// The lowest bits of the address, up to the first 0, say how long the range is.
const RANGE: u32 = 1 << 7;
const HIT: u32 = 1 << 20;
/// The kind of trigger that there is: by address.
const KIND: u32 = 2 << 28;
const CONFIGURABLE: u32 = 7 | 1 << 3 | MACHINE | RANGE | HIT;

/// Triggers fire.
const ENABLED: u32 = 1 << 3;
/// They did, before the trap.
const WERE_ENABLED: u32 = 1 << 7;

/// A trigger.
#[derive(Clone, Copy, Debug, Default)]
struct Trigger {
    configuration: u32,
    address: u32,
}

/// All triggers.
#[derive(Clone, Debug, Default)]
pub(super) struct Triggers {
    triggers: [Trigger; 8],
    selected: usize,
    control: u32,
}

impl Triggers {
    pub(super) fn read(&self, number: u32) -> Option<u32> {
        let trigger = self.triggers[self.selected];
        match number {
            SELECT => u32::try_from(self.selected).ok(),
            CONFIGURATION => Some(trigger.configuration | KIND),
            ADDRESS => Some(trigger.address),
            CONTROL => Some(self.control),
            _ => None,
        }
    }

    /// Writes a register, if it is one of these.
    pub(super) fn write(&mut self, number: u32, value: u32) -> bool {
        let trigger = &mut self.triggers[self.selected];
        match number {
            SELECT => self.selected = (value & 7) as usize,
            CONFIGURATION => trigger.configuration = value & CONFIGURABLE,
            ADDRESS => trigger.address = value,
            CONTROL => self.control = value & (ENABLED | WERE_ENABLED),
            _ => return false,
        }
        true
    }

    /// Whether a write to this register changes which stores are watched.
    pub(super) fn changes_watched(number: u32) -> bool {
        matches!(number, CONFIGURATION | ADDRESS)
    }

    /// The bytes that triggers watch.
    pub(super) fn watched(&self) -> Vec<RangeInclusive<u32>> {
        self.triggers.iter().filter_map(|trigger| trigger.watched()).collect()
    }

    /// A watched byte is about to be written: whether that is an exception. The triggers remember it.
    pub(super) fn fire(&mut self, address: u32, len: u32) -> bool {
        if self.control & ENABLED == 0 {
            return false;
        }
        let last = address.saturating_add(len - 1);
        for trigger in &mut self.triggers {
            if trigger.watched().is_some_and(|range| *range.start() <= last && address <= *range.end()) {
                trigger.configuration |= HIT;
            }
        }
        true
    }

    /// Nothing fires in a trap's handler.
    pub(super) fn trap(&mut self) {
        self.control = (self.control & ENABLED) << 4;
    }

    pub(super) fn leave(&mut self) {
        self.control = self.control >> 4 & ENABLED | self.control & WERE_ENABLED;
    }
}

impl Trigger {
    fn watched(&self) -> Option<RangeInclusive<u32>> {
        if self.configuration & (STORE | MACHINE) != STORE | MACHINE {
            return None;
        }
        if self.configuration & RANGE == 0 {
            return Some(self.address..=self.address);
        }
        let below = self.address ^ self.address.wrapping_add(1);
        // Not more than a few pages: no guard is longer, and each page would be flagged.
        (below <= 0xffff).then_some(self.address & !below..=self.address | below)
    }
}
