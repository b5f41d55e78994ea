//! Triggers: the addresses at which stores raise a breakpoint exception, as programs guard their stacks.
//!
//! Triggers for loads and instructions, which a debugger sets, only remember.

use std::ops::Range;

pub(super) const TSELECT: u32 = 0x7a0;
const TDATA1: u32 = 0x7a1;
const TDATA2: u32 = 0x7a2;
pub(super) const TDATA3: u32 = 0x7a3;
pub(super) const TCONTROL: u32 = 0x7a5;

/// The kind of all triggers: they match addresses.
const MATCH: u32 = 2 << 28;
/// What a program can set of a trigger's first register.
const SETTINGS: u32 = HIT | 0xf << 12 | NAPOT | MACHINE | 0b1111;
/// It has fired.
const HIT: u32 = 1 << 20;
/// It matches a range whose length is a power of two.
const NAPOT: u32 = 1 << 7;
/// It fires in machine mode.
const MACHINE: u32 = 1 << 6;
const STORE: u32 = 1 << 1;
/// Triggers fire; they did, before the trap.
const MTE: u32 = 1 << 3;
const MPTE: u32 = 1 << 7;

#[derive(Clone, Copy, Debug, Default)]
struct Trigger {
    settings: u32,
    address: u32,
    extra: u32,
}

impl Trigger {
    /// The addresses that it guards from stores.
    fn watched(&self) -> Option<Range<u64>> {
        let on = STORE | MACHINE;
        // Any action but the exception needs a debugger.
        if self.settings & on != on || self.settings >> 12 & 15 != 0 {
            return None;
        }
        let ones = if self.settings & NAPOT == 0 { 0 } else { self.address.trailing_ones() + 1 };
        let len = 1_u64 << ones;
        let start = u64::from(self.address) & !(len - 1);
        Some(start..(start + len).min(1 << 32))
    }
}

/// All triggers of the processor.
#[derive(Clone, Debug, Default)]
pub(super) struct Triggers {
    all: [Trigger; 8],
    selected: usize,
    control: u32,
}

impl Triggers {
    /// Whether they fire now.
    pub(super) fn enabled(&self) -> bool {
        self.control & MTE != 0
    }

    /// The addresses that are guarded from stores.
    pub(super) fn watched(&self) -> Vec<Range<u64>> {
        self.all.iter().filter_map(Trigger::watched).collect()
    }

    /// A store to these addresses was caught.
    pub(super) fn hit(&mut self, store: &Range<u64>) {
        for trigger in &mut self.all {
            if trigger.watched().is_some_and(|range| range.start < store.end && store.start < range.end) {
                trigger.settings |= HIT;
            }
        }
    }

    /// No trigger fires in a handler, so that it can use the stack.
    pub(super) fn trap(&mut self) {
        self.control = (self.control & MTE) << 4;
    }

    pub(super) fn leave(&mut self) {
        self.control = self.control & MPTE | (self.control & MPTE) >> 4;
    }

    pub(super) fn read(&self, number: u32) -> u32 {
        let trigger = &self.all[self.selected];
        match number {
            TSELECT => u32::try_from(self.selected).unwrap_or_default(),
            TDATA1 => MATCH | trigger.settings,
            TDATA2 => trigger.address,
            TDATA3 => trigger.extra,
            _ => self.control,
        }
    }

    pub(super) fn write(&mut self, number: u32, value: u32) {
        let trigger = &mut self.all[self.selected];
        match number {
            TSELECT => self.selected = (value & 7) as usize,
            TDATA1 => trigger.settings = value & SETTINGS,
            TDATA2 => trigger.address = value,
            TDATA3 => trigger.extra = value,
            _ => self.control = value & (MTE | MPTE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(settings: u32, address: u32) -> Option<Range<u64>> {
        Trigger { settings, address, extra: 0 }.watched()
    }

    #[test]
    fn a_range_is_encoded_by_the_ones_at_its_address_end() {
        let on = STORE | MACHINE;
        assert_eq!(watched(on, 0x1003), Some(0x1003..0x1004), "a single byte");
        assert_eq!(watched(on | NAPOT, 0x1000), Some(0x1000..0x1002));
        assert_eq!(watched(on | NAPOT, 0x1001), Some(0x1000..0x1004));
        assert_eq!(watched(on | NAPOT, 0x17ff), Some(0x1000..0x2000));
        assert_eq!(watched(on | NAPOT, u32::MAX), Some(0..1 << 32));
        assert_eq!(watched(STORE, 0x1000), None, "not in machine mode");
        assert_eq!(watched(on | 1 << 12, 0x1000), None, "for a debugger");
    }
}
