//! Flashing an ELF file: bootloader and partition table are made for it.

use crate::support::{Project, assert_snapshot};

/// A 32-bit RISC-V ELF file with an app descriptor of the lamp and a little code: what a linker would make of an app
/// that does nothing. The virtual board chooses its app by the descriptor's name and version.
fn elf(name: &str, version: &str) -> Vec<u8> {
    const APP_DESC_MAGIC: u32 = 0xabcd_5432;
    let mut descriptor = APP_DESC_MAGIC.to_le_bytes().to_vec();
    descriptor.resize(16, 0);
    for (text, length) in [(version, 32), (name, 32), ("10:00:00", 16), ("Nov 21 2026", 16), ("v5.4", 32)] {
        let start = descriptor.len();
        descriptor.extend(text.as_bytes());
        descriptor.resize(start + length, 0);
    }
    descriptor.resize(256, 0);
    // Pages of 64 KiB.
    descriptor[180] = 16;
    let code = [0x6f, 0, 0, 0].repeat(64);
    let names = b"\0.flash.appdesc\0.text\0.shstrtab\0";
    // Name, type, flags, address (ESP32-C3: data bus at 0x3c000000, instruction bus at 0x42000000), bytes.
    let sections: [(u32, u32, u32, u32, &[u8]); 4] =
        [(0, 0, 0, 0, b""), (1, 1, 2, 0x3c00_0020, &descriptor), (16, 1, 6, 0x4201_0020, &code), (22, 3, 0, 0, names)];
    let mut body = Vec::new();
    let mut headers = Vec::new();
    for (name, kind, flags, address, bytes) in sections {
        let offset = 52 + u32::try_from(body.len()).expect("small");
        let size = u32::try_from(bytes.len()).expect("small");
        let header = [name, kind, flags, address, offset, size, 0, 0, 4, 0];
        headers.extend(header.iter().flat_map(|word: &u32| word.to_le_bytes()));
        body.extend(bytes);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let sections_at = 52 + u32::try_from(body.len()).expect("small");
    let mut elf = vec![0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let half = |value: u16| value.to_le_bytes();
    elf.extend([half(2), half(243)].concat());
    elf.extend([1, 0x4201_0020, 0, sections_at, 0].iter().flat_map(|word: &u32| word.to_le_bytes()));
    elf.extend([half(52), half(32), half(0), half(40), half(4), half(3)].concat());
    elf.extend(body);
    elf.extend(headers);
    elf
}

const BENCH: &str = r#"
[boards.lamp]
kind = "virtual"
[firmware.lamp]
image = "lamp.elf"
ready = "mqtt: starting"
nvs = { "mqtt.host" = "{tap.host}", "mqtt.port" = "{tap.port}" }
"#;

#[test]
fn an_elf_file_gets_bootloader_and_partition_table_and_boots() {
    let project = Project::with_feature(
        "Feature: f\n  Scenario: s\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    Then \"lamp\" connects within 5 s\n",
    );
    project.file("bench.toml", BENCH);
    std::fs::write(project.path("lamp.elf"), elf("lamp", "1.0.0")).expect("write");
    let run = project.hil(&["run", "--bench", "bench.toml", "-vv"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("writing") && run.stdout.contains("at 0x8000"), "{}", run.stdout);
}

/// The crate that reads partition tables panics on each of them: neither its text nor a backtrace is shown.
#[test]
fn a_partition_table_on_which_a_library_panics_is_an_error_of_its_firmware() {
    let entry = |kind: u8, subkind: u8| {
        let mut entry = vec![0xaa, 0x50, kind, subkind];
        entry.extend([0x1_0000_u32, 0x10_0000].iter().flat_map(|word| word.to_le_bytes()));
        entry.extend(b"factory\0\0\0\0\0\0\0\0\0\0\0\0\0");
        entry.resize(0xc00, 0xff);
        entry
    };
    let project = Project::with_feature(
        "Feature: f\n  Scenario: s\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    Then \"lamp\" connects within 5 s\n",
    );
    project.file("bench.toml", &BENCH.replace("nvs =", "partitions = \"table\"\nnvs ="));
    std::fs::write(project.path("lamp.elf"), elf("lamp", "1.0.0")).expect("write");
    let mut flags = entry(0, 0);
    flags[31] = 0x80;
    let csv = b"factory, app, factory, 0xffff0000, 0xffff0000\n".to_vec();
    let tables = [
        ("an app of an unknown kind", entry(0, 7)),
        ("data of an unknown kind", entry(1, 0x7f)),
        ("unknown flags", flags),
        ("beyond 4 GiB", csv),
    ];
    let said = tables.map(|(what, table)| {
        std::fs::write(project.path("table"), table).expect("write");
        let run = project.hil(&["run", "--bench", "bench.toml"]);
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        format!("# {what}\n{}", run.stable())
    });
    assert_snapshot("elf-partitions", &said.join("\n"));
}

#[test]
fn a_file_that_is_not_an_elf_file_is_refused() {
    let project = Project::new();
    project.file("bench.toml", BENCH);
    std::fs::write(project.path("lamp.elf"), b"\x7fELF and then nothing").expect("write");
    let outcome = project.hil(&["flash", "lamp", "--firmware", "lamp", "--bench", "bench.toml"]);
    assert_snapshot("elf-broken", &outcome.stable());
}
