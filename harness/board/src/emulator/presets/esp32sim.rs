//! esp32sim as an ESP32-C3. It reads the flash file at its start and does not write it: what the firmware stores is lost
//! with each reset.

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
    tap_host: Some("10.0.2.2"),
    straps: Straps::NONE,
    version: &["--version"],
    machine: None,
};
