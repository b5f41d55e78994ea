//! Flashing an ELF file: bootloader and partition table are made for it.

#[path = "../../../board/tests/made/elf.rs"]
mod made;

use crate::support::{Project, assert_snapshot};

/// The virtual board chooses its app by the name and version of the descriptor.
fn elf(name: &str, version: &str) -> Vec<u8> {
    made::elf(Some((name, version)), 64)
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
