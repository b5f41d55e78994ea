//! esp32sim as an ESP32-C3. It reads the flash file at its start and does not write it: what the firmware stores is
//! lost with each restart. It takes no input for its UART, and prints no version.
//!
//! Release 0.2.0 has no network on this chip. Later sources have a virtual access point (`--wifi`), whose NAT connects
//! to the address that the guest names: none of those is the loopback address at which the tap of an emulator listens.
//!
//! Source: mikroverk/esp32sim, `docs/cli.md`, `docs/esp32c3.md` and `cli/src/lib.rs`. Read, not tried.

use hil_config::{Chip, EmulatorConsole, EmulatorPreset, Straps};

pub(super) static PRESET: EmulatorPreset = EmulatorPreset {
    word: "esp32sim",
    chip: Chip::Esp32c3,
    command: &[
        "esp32sim",
        "--chip",
        "c3",
        "--boot",
        "rom",
        "--flash-image",
        "{flash}",
        "--flash-mb",
        "{flash-size}",
        "--mac",
        "{mac}",
        "--console",
        "uart0",
        // Else it runs as fast as it can, and no time that a step names means anything.
        "--realtime",
        "--no-dump",
    ],
    env: &[],
    flash_mib: 4,
    console: EmulatorConsole::Stdio,
    tap_host: None,
    straps: Straps::NONE,
    version: &[],
    machine: None,
};
