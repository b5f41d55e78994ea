//! What tests of single devices use.

use super::device::{Context, Device, Effects};
use crate::memory::Memory;

/// A place to put a device on: time, memory, and what it causes.
pub(super) struct Bench {
    pub(super) now: u64,
    pub(super) memory: Memory,
    pub(super) effects: Effects,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self { now: 0, memory: Memory::new(), effects: Effects::default() }
    }

    pub(super) fn read(&mut self, device: &mut dyn Device, offset: u32) -> u32 {
        let mut context = Context { now: self.now, memory: &mut self.memory, effects: &mut self.effects };
        device.read(offset, &mut context).unwrap_or_else(|| device.registers().get(offset))
    }

    pub(super) fn write(&mut self, device: &mut dyn Device, offset: u32, value: u32) {
        let mut context = Context { now: self.now, memory: &mut self.memory, effects: &mut self.effects };
        if let Some(value) = device.write(offset, value, &mut context) {
            device.registers().set(offset, value);
        }
    }
}
