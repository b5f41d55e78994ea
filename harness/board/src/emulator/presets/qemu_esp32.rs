//! Espressif's QEMU as an ESP32: Ethernet (`open_eth`) instead of Wi-Fi.
//!
//! Source: Espressif's esp-toolchain-docs, `qemu/esp32/README.md` (flash, eFuses, network, straps, watchdogs), and what
//! `idf.py qemu` starts (ESP-IDF, `tools/idf_py_actions/qemu_ext.py`). Read, not tried.

use hil_config::{Chip, EmulatorConsole, EmulatorPreset, Straps};

pub(super) static PRESET: EmulatorPreset = EmulatorPreset {
    word: "qemu-esp32",
    chip: Chip::Esp32,
    command: &[
        "qemu-system-xtensa",
        "-M",
        "esp32",
        // 4 MB of PSRAM, as `idf.py qemu` gives it.
        "-m",
        "4M",
        "-display",
        "none",
        "-monitor",
        "none",
        "-drive",
        "file={flash},if=mtd,format=raw",
        "-drive",
        "file={efuse},if=none,format=raw,id=efuse",
        "-global",
        "driver=nvram.esp32.efuse,property=drive,value=efuse",
        "-global",
        "driver=esp32.gpio,property=strap_mode,value={strap}",
        // Its timers follow the host's clock: a host that stalls must not look like a hung firmware.
        "-global",
        "driver=timer.esp32.timg,property=wdt_disable,value=true",
        "-nic",
        "user,model=open_eth,mac={mac}",
        "-serial",
        "{console}",
        "-qmp",
        "unix:{qmp},server=on,wait=off",
    ],
    env: &[],
    flash_mib: 4,
    console: EmulatorConsole::Pty,
    tap_host: Some("10.0.2.2"),
    straps: Straps { app: "0x12", loader: Some("0x0f") },
    version: &["--version"],
    machine: Some((&["-M", "help"], "esp32")),
};
