//! LabWired as an ESP32-C3, from the mask ROM, which it takes from an installed ESP toolchain or brings along. It has
//! no network to this machine, takes no input for its UART, does not write the flash file, and runs as fast as it can:
//! times in steps mean little. The chip's description is in its own sources: start `hil` there, or give the whole
//! `command`. It reads `{image}` as an ELF file, even though the ROM boots from the flash.
//!
//! Source: w1ne/labwired-core 0.22.1, `crates/cli/src/lib.rs` and `crates/cli/src/commands/run.rs`. Read, not tried.

use hil_config::{Chip, EmulatorConsole, EmulatorPreset, Straps};

pub(super) static PRESET: EmulatorPreset = EmulatorPreset {
    word: "labwired",
    chip: Chip::Esp32c3,
    command: &["labwired", "run", "--rom-boot", "--chip", "configs/chips/esp32c3.yaml", "--firmware", "{image}"],
    env: &[("LABWIRED_ESP32C3_FLASH", "{flash}")],
    flash_mib: 4,
    console: EmulatorConsole::Stdio,
    tap_host: None,
    straps: Straps::NONE,
    version: &["--version"],
    machine: None,
};
