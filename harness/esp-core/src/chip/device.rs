//! What all devices have in common: a page of registers, and what an access may cause.

use crate::memory::Memory;

use super::events::{Output, ResetCause, Unsupported};

/// A second in nanoseconds, the unit of all times in the chip.
pub(super) const SECOND: u64 = 1_000_000_000;

/// Registers that remember what was written to them, by their offset.
#[derive(Debug)]
pub(super) struct Registers(Box<[u32]>);

impl Registers {
    /// Registers that are all 0, in this many bytes of the address space.
    pub(super) fn new(bytes: u32) -> Self {
        Self(vec![0; bytes as usize / 4].into_boxed_slice())
    }

    /// The same, with these values after a reset, by their offset.
    pub(super) fn at_reset(bytes: u32, values: &[(u32, u32)]) -> Self {
        let mut registers = Self::new(bytes);
        values.iter().for_each(|(offset, value)| registers.set(*offset, *value));
        registers
    }

    /// A register; 0 beyond the end.
    pub(super) fn get(&self, offset: u32) -> u32 {
        self.0.get(offset as usize / 4).copied().unwrap_or_default()
    }

    /// Sets a register, if there is one.
    pub(super) fn set(&mut self, offset: u32, value: u32) {
        if let Some(register) = self.0.get_mut(offset as usize / 4) {
            *register = value;
        }
    }

    /// Whether any of these bits is set.
    pub(super) fn any(&self, offset: u32, bits: u32) -> bool {
        self.get(offset) & bits != 0
    }

    /// Sets these bits.
    pub(super) fn raise(&mut self, offset: u32, bits: u32) {
        self.set(offset, self.get(offset) | bits);
    }

    /// Clears these bits.
    pub(super) fn clear(&mut self, offset: u32, bits: u32) {
        self.set(offset, self.get(offset) & !bits);
    }

    /// Two registers as one number.
    pub(super) fn pair(&self, high: u32, low: u32) -> u64 {
        u64::from(self.get(high)) << 32 | u64::from(self.get(low))
    }
}

/// Some bits of a register, the lowest one first.
pub(super) const fn bits(value: u32, from: u32, count: u32) -> u32 {
    (value >> from) & ((1 << count) - 1)
}

/// The lower half of a number, as a register holds it.
#[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
pub(super) const fn low(value: u64) -> u32 {
    value as u32
}

/// The upper half of a number, as a register holds it.
pub(super) const fn high(value: u64) -> u32 {
    low(value >> 32)
}

/// How many ticks of a clock fit into a time.
pub(super) fn ticks(nanoseconds: u64, hertz: u64) -> u64 {
    let ticks = u128::from(nanoseconds) * u128::from(hertz) / u128::from(SECOND);
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

/// How long so many ticks of a clock take, rounded up; `u64::MAX` when that is beyond all time.
pub(super) fn duration(ticks: u64, hertz: u64) -> u64 {
    let time = (u128::from(ticks) * u128::from(SECOND)).div_ceil(u128::from(hertz.max(1)));
    u64::try_from(time).unwrap_or(u64::MAX)
}

/// Why the machine can't go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// The chip resets.
    Reset(ResetCause),
    /// The program needs what the machine doesn't have.
    Refused(Unsupported),
}

/// What devices cause outside of themselves.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// For the embedder, in their order.
    pub(super) outputs: Vec<Output>,
    /// The first reason to stop.
    pub(super) halt: Option<Halt>,
}

impl Effects {
    /// Stops the machine after the current basic block.
    pub(super) fn halt(&mut self, halt: Halt) {
        self.halt.get_or_insert(halt);
    }

    /// Resets the chip.
    pub(super) fn reset(&mut self, cause: ResetCause) {
        self.halt(Halt::Reset(cause));
    }

    /// Ends the run because of what the machine doesn't have.
    pub(super) fn refuse(&mut self, what: impl Into<String>, hint: impl Into<String>) {
        self.halt(Halt::Refused(Unsupported { what: what.into(), hint: hint.into() }));
    }
}

/// What a register access may use beside the device itself.
pub(super) struct Context<'a> {
    /// Nanoseconds since the start.
    pub(super) now: u64,
    pub(super) memory: &'a mut Memory,
    pub(super) effects: &'a mut Effects,
}

/// A block of registers with a behaviour. Offsets are multiples of 4.
pub(super) trait Device {
    /// What registers remember.
    fn registers(&mut self) -> &mut Registers;

    /// Whether this register has a model, if only that it is a setting without an effect.
    fn knows(&self, offset: u32) -> bool;

    /// What a load reads; `None` for what was written last.
    fn read(&mut self, offset: u32, context: &mut Context<'_>) -> Option<u32>;

    /// Does what a store causes. Returns what the register remembers, if anything.
    fn write(&mut self, offset: u32, value: u32, context: &mut Context<'_>) -> Option<u32>;
}
