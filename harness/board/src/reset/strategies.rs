//! The reset strategies, a file each. A new one is its file, its `mod` line and its line in [`STRATEGIES`].

mod command;
mod gpio;
mod power_cycle;
mod serial;

use super::kind::Entry;

/// In the order of the documentation.
pub(super) static STRATEGIES: &[Entry] = &[
    Entry::of::<serial::Auto>(),
    Entry::of::<serial::Classic>(),
    Entry::of::<serial::Tight>(),
    Entry::of::<serial::UsbJtag>(),
    Entry::of::<gpio::Gpio>(),
    Entry::of::<power_cycle::PowerCycle>(),
    Entry::of::<command::ResetCommands>(),
];
