//! The flash of emulated boards: a merged image, which is kept and written where it differs.

use super::part;
use crate::support::{Project, workspace};

const MERGED: &str = r#"Feature: f
  Scenario: a flash of each size
    Given the board "two" runs the firmware "app"
    And the board "four" runs the firmware "app"
    And the board "eight" runs the firmware "app"
    And the board "sixteen" runs the firmware "app"
    Then the console of "sixteen" shows "ready" within 5 s
"#;

const MERGED_BOARD: &str = r#"
[boards.NAME]
kind = "emulator"
command = ["sh", "emulator.sh", "{flash}", "{console}", "{flash-size}"]
chip = "esp32c3"
flash-size = SIZE
tap-host = "10.0.2.2"
"#;

const MERGED_FIRMWARE: &str = r#"
[firmware.app]
image = "IMAGE"
nvs = { "mqtt.host" = "{tap.host}" }
ready = "ready"
"#;

/// The label, offset and size of each entry of a partition table, and whether the table ends as ESP-IDF writes it.
fn partition_table(flash: &[u8]) -> (Vec<(String, usize, usize)>, bool) {
    let table = &flash[0x8000..0x8c00];
    let number = |entry: &[u8], at: usize| {
        usize::try_from(u32::from_le_bytes(entry[at..at + 4].try_into().expect("word"))).expect("fits")
    };
    let of = |entry: &[u8]| {
        let label = entry[12..28].split(|byte| *byte == 0).next().expect("label");
        (String::from_utf8_lossy(label).into_owned(), number(entry, 4), number(entry, 8))
    };
    let entries = table.chunks(32).take_while(|entry| entry.starts_with(&[0xaa, 0x50]));
    let entries: Vec<_> = entries.map(of).collect();
    let has_md5 = table[entries.len() * 32..].starts_with(&[0xeb, 0xeb]);
    (entries, has_md5)
}

/// From an ELF file: bootloader, partition table, app and NVS, for the size of the board's flash, and else erased.
#[test]
fn the_flash_of_an_emulator_is_a_merged_image_of_its_size() {
    let project = Project::with_feature(MERGED);
    project.file("emulator.sh", "cp \"$1\" flash-$3.bin\necho ready > \"$2\"\nread -r forever < \"$2\"\n");
    let image = workspace().join("fixtures/images/lamp-esp32c3").canonicalize().expect("fixture");
    let mut bench = MERGED_FIRMWARE.replace("IMAGE", &image.display().to_string());
    let sizes = [("two", 2), ("four", 4), ("eight", 8), ("sixteen", 16)];
    for (name, size) in sizes {
        bench.push_str(&MERGED_BOARD.replace("NAME", name).replace("SIZE", &size.to_string()));
    }
    project.file("bench.toml", &bench);
    let outcome = project.hil(&["run", "--bench", "bench.toml"]);
    assert_eq!(outcome.code, 0, "{}\n{}", outcome.stdout, outcome.stderr);
    let flashes =
        sizes.map(|(_, size)| (size, std::fs::read(project.path(&format!("flash-{size}.bin"))).expect("copied")));
    for (size, flash) in &flashes {
        assert_eq!(flash.len(), size << 20);
        let of = |label: &str, at: usize, size: usize| (label.to_owned(), at, size);
        // espflash makes no partition of more than 16000 KiB.
        let app = ((size << 20) - 0x1_0000).min(16_000 << 10);
        let wanted = vec![of("nvs", 0x9000, 0x6000), of("phy_init", 0xf000, 0x1000), of("factory", 0x1_0000, app)];
        assert_eq!(partition_table(flash), (wanted, true), "{size} MiB");
        let nvs = &flash[0x9000..0xf000];
        assert!(nvs.windows(8).any(|bytes| bytes == b"10.0.2.2"), "the settings are in NVS");
        assert!(flash[flash.len() - 0x1000..].iter().all(|byte| *byte == 0xff), "the rest is erased");
    }
    let Some(esptool) = part("HIL_ESPTOOL", "target/parts/python/bin/esptool") else { return };
    for (size, flash) in &flashes {
        for (name, at, hash) in [("bootloader", 0, "Validation hash"), ("app", 0x1_0000, "Project name: lamp-esp32c3")]
        {
            let path = project.path(&format!("{name}-{size}.bin"));
            std::fs::write(&path, &flash[at..]).expect("write");
            let output =
                std::process::Command::new(&esptool).arg("image-info").arg(&path).output().expect("esptool runs");
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{name}: {said}");
            for word in [&format!("Flash size: {size}MB"), hash, "(valid)"] {
                assert!(said.contains(word), "{name} of {size} MiB, {word}: {said}");
            }
        }
    }
}

const SETTINGS: &str = r#"Feature: f
  Scenario: first
    Given the board "four" runs the firmware "app"
    Then the console of "four" shows "kept: ÿ" within 5 s

  Scenario: other settings
    Given the board "four" runs the firmware "other"
    Then the console of "four" shows "kept: x" within 5 s

  Scenario: the same again
    Given the board "four" runs the firmware "other"
    Then the console of "four" shows "kept: x" within 5 s
"#;

/// What the firmware has stored elsewhere stays, and bootloader, table and app are not written again.
#[test]
fn other_settings_are_written_into_the_flash_and_nothing_else() {
    let project = Project::with_feature(&SETTINGS.replace("kept: ÿ", "kept: nothing"));
    let script = r#"kept=$(dd if="$1" bs=1 skip=3145728 count=1 2>/dev/null | tr '\377' 0)
if [ "$kept" = 0 ]; then kept=nothing; fi
printf x | dd of="$1" bs=1 seek=3145728 conv=notrunc 2>/dev/null
echo "kept: $kept" > "$2"
read -r forever < "$2"
"#;
    project.file("emulator.sh", script);
    let image = workspace().join("fixtures/images/lamp-esp32c3").canonicalize().expect("fixture");
    let firmware = MERGED_FIRMWARE.replace("IMAGE", &image.display().to_string()).replace("\"ready\"", "\"kept\"");
    let other = firmware.replace("firmware.app", "firmware.other").replace("{tap.host}", "192.0.2.1");
    let board = MERGED_BOARD.replace("NAME", "four").replace("SIZE", "4");
    project.file("bench.toml", &format!("{firmware}{other}{board}"));
    let outcome = project.hil(&["run", "--bench", "bench.toml"]);
    assert_eq!(outcome.code, 0, "{}\n{}", outcome.stdout, outcome.stderr);
    let events = project.read("target/hil/latest/events.jsonl");
    let written = |event: serde_json::Value| event["written"].as_u64().filter(|_| event["phase"] == "finished");
    let written: Vec<_> =
        events.lines().filter_map(|line| written(serde_json::from_str(line).expect("JSON"))).collect();
    assert!(written[0] > 0x6000, "bootloader, table, app and settings: {written:?}");
    assert_eq!(written[1..], [0x6000, 0], "the NVS partition, then nothing");
}
