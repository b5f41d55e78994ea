//! LabWired as an ESP32-C3, from the mask ROM that its user has. It has no network to this machine, and takes the chip's
//! description from its own sources: start `hil` there, or give the whole `command`.

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
