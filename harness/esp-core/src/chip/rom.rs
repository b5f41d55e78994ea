//! The mask ROM's functions.
//!
//! A program calls them by address. The addresses are trapped, by the table in `rom/esp32c3.txt`; those that esp-hal
//! programs need have a model, which is faster than the ROM's code and needs no hardware below it.
//!
//! # The ROM itself
//!
//! Espressif publishes the chips' ROMs as ELF files (esp-rom-elfs, Apache-2.0), and the library espflash contains them.
//! When a [`Setup`](super::Setup) has one, functions without a model run as on the chip. ESP-IDF needs that: an app
//! without Wi-Fi calls two dozen functions that have no model, one of which calls back, and shares variables with them.
//! Without a ROM, such a function ends the run with its name.
//!
//! Two things are not taken from it. The functions of the radio's driver always end the run: they wait for hardware that
//! has no public description. And the boot up to the app is the embedder's affair: it prints the same lines, and is tested
//! as such.

mod arithmetic;
mod md5;
mod services;
mod strings;

use std::collections::HashMap;

use super::hardware::Hardware;
use crate::Cpu;

/// What a ROM function works on.
pub(super) struct Call<'a> {
    pub(super) cpu: &'a mut Cpu,
    pub(super) hardware: &'a mut Hardware,
    /// Registers of the analogue part, by block and number.
    pub(super) analogue: &'a mut HashMap<(u32, u32), u32>,
}

/// What a ROM function returns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Answer {
    Nothing,
    Value(u32),
    Wide(u64),
    /// The function waits for so many microseconds before it returns.
    Wait(u32),
    /// The function returns 0 at this time, and nothing else happens on the processor before.
    Until(u64),
    /// The function was given an address where there is no memory.
    BadAddress,
}

pub(super) type Function = fn(&mut Call<'_>) -> Answer;

impl Call<'_> {
    fn argument(&self, number: usize) -> u32 {
        self.cpu.argument(number)
    }

    /// Two arguments as one number.
    fn wide(&self, number: usize) -> u64 {
        u64::from(self.argument(number)) | u64::from(self.argument(number + 1)) << 32
    }
}

/// Where the entries of the radio's driver are: Bluetooth, PHY and Wi-Fi, up to the end of the table.
pub(super) const RADIO: std::ops::Range<u32> = 0x4000_08dc..0x4000_1d80;
/// How the names of a ROM's entries begin in its ELF file.
pub(super) const ENTRY_PREFIX: &str = "__call_";

/// The names of the ROM's functions and where they are.
pub(super) fn names() -> impl Iterator<Item = (&'static str, u32)> {
    let lines = include_str!("rom/esp32c3.txt").lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let (address, name) = line.split_once(' ')?;
        Some((name, u32::from_str_radix(address, 16).ok()?))
    })
}

/// The models of functions.
pub(super) fn models() -> impl Iterator<Item = &'static (&'static str, Function)> {
    services::MODELS.iter().chain(strings::MODELS).chain(arithmetic::MODELS).chain(md5::MODELS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_the_functions() {
        let names: HashMap<_, _> = names().collect();
        assert_eq!(names["rtc_get_reset_reason"], 0x4000_0018);
        assert_eq!(names["memset"], 0x4000_0354);
        assert!(names.len() > 1000, "{} names", names.len());
        assert!(names.values().all(|address| address >> 20 == 0x400 && address % 2 == 0));
    }

    #[test]
    fn every_model_is_in_the_table() {
        let names: HashMap<_, _> = names().collect();
        for (name, _) in models() {
            assert!(names.contains_key(name), "{name} is not in the table");
        }
    }
}
