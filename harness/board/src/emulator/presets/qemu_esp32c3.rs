//! Espressif's QEMU as an ESP32-C3: Ethernet (`open_eth`) instead of Wi-Fi.
//!
//! Source: Espressif's esp-toolchain-docs, `qemu/esp32c3/README.md` (clock, flash, eFuses, network, straps), and what
//! `idf.py qemu` starts (ESP-IDF, `tools/idf_py_actions/qemu_ext.py`: the watchdogs). Read, not tried.

use hil_config::{Chip, EmulatorConsole, EmulatorPreset, Straps};

pub(super) static PRESET: EmulatorPreset = EmulatorPreset {
    word: "qemu-esp32c3",
    chip: Chip::Esp32c3,
    command: &[
        "qemu-system-riscv32",
        "-M",
        "esp32c3",
        // 8 ns for each instruction; it has no mode that runs freely.
        "-icount",
        "3",
        "-display",
        "none",
        "-monitor",
        "none",
        "-drive",
        "file={flash},if=mtd,format=raw",
        "-drive",
        "file={efuse},if=none,format=raw,id=efuse",
        "-global",
        "driver=nvram.esp32c3.efuse,property=drive,value=efuse",
        "-global",
        "driver=esp32c3.gpio,property=strap_mode,value={strap}",
        // Its timers follow the host's clock: a host that stalls must not look like a hung firmware.
        "-global",
        "driver=timer.esp32c3.timg,property=wdt_disable,value=true",
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
    straps: Straps { app: "0x08", loader: Some("0x02") },
    version: &["--version"],
    machine: Some((&["-M", "help"], "esp32c3")),
};
