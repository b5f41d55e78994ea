//! What is known about emulators, a file each. A new one is its file, its `mod` line and its line in [`PRESETS`].

mod esp32sim;
mod labwired;
mod qemu_esp32;
mod qemu_esp32c3;

use hil_config::EmulatorPreset;

/// In the order of the documentation.
static PRESETS: &[&EmulatorPreset] =
    &[&qemu_esp32::PRESET, &qemu_esp32c3::PRESET, &esp32sim::PRESET, &labwired::PRESET];

/// The emulators that a bench file may name by a word.
#[must_use]
pub fn emulator_presets() -> Vec<&'static EmulatorPreset> {
    PRESETS.to_vec()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// None of these programs is on the machine of the tests: only the text of their command lines is compared.
    #[test]
    fn the_command_lines_of_the_presets() {
        let mut text = String::new();
        for preset in PRESETS {
            let env: Vec<_> = preset.env.iter().map(|(name, value)| format!("{name}={value} ")).collect();
            let command: Vec<_> = preset.command.iter().map(|word| format!("  {word}\n")).collect();
            let _ =
                write!(text, "{}: {} {} MiB {:?} ", preset.word, preset.chip.word(), preset.flash_mib, preset.console);
            let _ = writeln!(text, "{:?} {:?} {:?}", preset.tap_host, preset.straps, preset.machine);
            let _ = write!(text, "  {}\n{}", env.concat().trim_end(), command.concat());
        }
        insta::assert_snapshot!(text);
    }
}
