//! Images are checked before a board is touched: what can't run is refused by name, and nothing makes the reader panic.

#[path = "made/elf.rs"]
mod made_elf;
#[path = "made/images.rs"]
mod made_images;

use hil_board::{BenchError, check_firmware};
use hil_config::Bench;
use hil_virtual_board::image::{Partition, PartitionTable};
use proptest::prelude::*;
use tempfile::TempDir;

use self::made_elf::elf;
use self::made_images::{lamp, with_table};

const APP_AT: usize = 0x10000;
const TABLE_AT: usize = 0x8000;

fn partition(kind: u8, subkind: u8, offset: u32, size: u32, label: &str) -> Partition {
    Partition { kind, subkind, offset, size, label: label.to_owned() }
}

/// Another chip and another size of the flash, in the header of an image that no hash protects.
fn header(image: &[u8], at: usize, chip: u16, flash: u8) -> Vec<u8> {
    let mut image = image.to_vec();
    image[at + 3] = flash << 4 | 0xf;
    image[at + 12..at + 14].copy_from_slice(&chip.to_le_bytes());
    image
}

/// A bench with files, an image and a board.
struct Files {
    folder: TempDir,
    board: String,
    image: String,
    more: String,
}

impl Files {
    fn new(image: &str, files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).expect("write");
        }
        Self { folder, board: "kind = \"virtual\"".to_owned(), image: image.to_owned(), more: String::new() }
    }

    fn one(bytes: &[u8]) -> Self {
        Self::new("\"lamp.bin\"", &[("lamp.bin", bytes)])
    }

    fn on(mut self, chip: &str) -> Self {
        self.board = format!("kind = \"esp\"\nchip = \"{chip}\"\nport = {{ path = \"/dev/null\" }}");
        self
    }

    fn with(mut self, more: &str) -> Self {
        more.clone_into(&mut self.more);
        self
    }

    fn check(&self) -> Result<(), BenchError> {
        let path = self.folder.path().join("bench.toml");
        let text = format!("[boards.lamp]\n{}\n\n[firmware.lamp]\nimage = {}\n{}\n", self.board, self.image, self.more);
        std::fs::write(&path, text).expect("write");
        let bench = Bench::from_file(&path, &hil_config::Kinds::default()).unwrap_or_else(|error| panic!("{error}"));
        check_firmware(&bench, "lamp", "lamp")
    }

    /// The message, with its hint.
    fn refusal(&self) -> String {
        match self.check() {
            Ok(()) => panic!("accepted: {}", self.image),
            Err(error) => {
                let folder = format!("{}/", self.folder.path().display());
                let text = format!("error: {error}\nhint: {}\n", error.hint().expect("a hint"));
                text.replace(&folder, "")
            }
        }
    }
}

#[test]
fn every_image_that_cant_run_is_refused_by_name() {
    let no_app = {
        let mut image = lamp();
        image.truncate(APP_AT);
        image
    };
    let mut broken_table = lamp();
    broken_table[TABLE_AT + 4] ^= 1;
    let mut no_table = lamp();
    no_table[TABLE_AT..TABLE_AT + 0xc00].fill(0xff);
    let mut larger = lamp();
    larger.resize((5 << 20) + 1, 0xff);
    let data_only = PartitionTable(vec![partition(1, 2, 0x9000, 0x6000, "nvs")]);
    let small = PartitionTable(vec![partition(0, 0, 0x10000, 0x1000, "factory")]);
    let beyond = PartitionTable(vec![partition(0, 0, 0x10000, 0x40_0000, "factory")]);
    let overlap = PartitionTable(vec![partition(0, 0, 0x10000, 0x2000, "a"), partition(0, 16, 0x11000, 0x2000, "b")]);
    let map = |app: &[u8]| {
        let files = "{ 0x0 = \"boot.bin\", 0x10000 = \"app.bin\" }";
        Files::new(files, &[("boot.bin", &lamp()[..0x9000]), ("app.bin", app)])
    };
    let parts = |boot: &[u8], table: &[u8], app: &[u8]| {
        let places = "{ 0x0 = \"boot.bin\", 0x8000 = \"table.bin\", 0x10000 = \"app.bin\" }";
        Files::new(places, &[("boot.bin", boot), ("table.bin", table), ("app.bin", app)])
    };
    let (boot, table, app) = (&lamp()[..0x7000], &lamp()[TABLE_AT..TABLE_AT + 0xc00], &lamp()[APP_AT..]);
    let alone =
        |at: &str, bytes: &[u8]| Files::new(&format!("{{ {at} = \"a.bin\" }}"), &[("a.bin", bytes)]).on("esp32c3");
    let cases = [
        ("a bootloader cut short", parts(&boot[..100], table, app)),
        ("an app as bootloader", parts(&app[..0x4000], table, app)),
        ("a table as CSV", parts(boot, b"nvs, data, nvs, 0x9000, 0x6000\n", app)),
        ("a header cut short", Files::one(&boot[..20])),
        (
            "a bootloader at 0 of an esp32",
            Files::new("{ 0x0 = \"boot.bin\" }", &[("boot.bin", &header(boot, 0, 0, 2))]).on("esp32"),
        ),
        ("an app alone, cut short", alone("0x10000", &app[..1000])),
        ("an app alone elsewhere, for another chip", alone("0x20000", &header(app, 0, 9, 2))),
        ("text where an app lies", alone("0x10000", b"<html>404 not found</html>")),
        ("empty", Files::one(b"")),
        ("text", Files::one(b"<html>404 not found</html>")),
        ("other bytes", Files::one(&[0x7f, b'E', b'X', b'E', 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])),
        ("blank", Files::one(&[0xff; 0x8000])),
        ("app only", Files::one(&lamp()[APP_AT..])),
        ("app only, for an esp32", Files::one(&header(&lamp()[APP_AT..], 0, 0, 2)).on("esp32")),
        ("bootloader only", Files::one(&lamp()[..0x7000])),
        ("no table", Files::one(&no_table)),
        ("no app", Files::one(&no_app)),
        ("no app partition", Files::one(&with_table(&data_only))),
        ("for another chip", Files::one(&header(&lamp(), 0, 13, 2))),
        ("for an unknown chip", Files::one(&header(&lamp(), 0, 77, 2))),
        ("an app for another chip", Files::one(&header(&lamp(), APP_AT, 9, 2))),
        ("larger than the flash", Files::one(&larger)),
        ("for a larger flash", Files::one(&header(&lamp(), 0, 5, 4))),
        ("a partition beyond the flash", Files::one(&with_table(&beyond))),
        ("a broken table", Files::one(&broken_table)),
        ("partitions that overlap", Files::one(&with_table(&overlap))),
        ("an app cut short", Files::one(&lamp()[..APP_AT + 0x4000])),
        ("an app larger than its partition", Files::one(&with_table(&small))),
        ("a part that is empty", map(b"")),
        ("a part for another chip", map(&header(&lamp()[APP_AT..], 0, 13, 2))),
        (
            "parts that overlap",
            Files::new(
                "{ 0x0 = \"boot.bin\", 0x8000 = \"app.bin\" }",
                &[("boot.bin", &lamp()[..0x9000]), ("app.bin", &lamp()[APP_AT..])],
            ),
        ),
        ("a broken ELF file", Files::one(b"\x7fELF and then nothing")),
        ("an unknown built-in image", Files::new("\"builtin:lmap\"", &[])),
        ("a built-in image on another chip", Files::new("\"builtin:lamp\"", &[]).on("esp32s3")),
        ("an esp8266 with text", Files::one(b"<html>404 not found</html>").on("esp8266")),
        (
            "settings without a partition",
            Files::one(&with_table(&PartitionTable(vec![partition(0, 0, 0x10000, 0x10_0000, "factory")])))
                .with("nvs = { \"mqtt.host\" = \"x\" }"),
        ),
        (
            "settings that don't fit",
            Files::one(&lamp()).with(&format!("nvs = {{ \"a.big\" = {{ blob = \"hex:{}\" }} }}", "00".repeat(0x8000))),
        ),
    ];
    let text: Vec<_> = cases.iter().map(|(name, files)| format!("# {name}\n{}", files.refusal())).collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn what_can_run_is_accepted() {
    let padded = |image: &[u8], by: usize| [&vec![0xff; by][..], image].concat();
    let esp32 = header(&header(&lamp(), 0, 0, 2), APP_AT, 0, 2);
    // An image made for 0x1000 begins with its bootloader, and its table is that much nearer.
    let for_0x1000 = [&esp32[..0x7000], &esp32[TABLE_AT..]].concat();
    let for_0 = [&vec![0xff; 0x1000][..], &for_0x1000].concat();
    let ota = with_table(&PartitionTable::two_ota_apps());
    let parts = "{ 0x0 = \"boot.bin\", 0x8000 = \"table.bin\", 0x10000 = \"app.bin\" }";
    let files: [(&str, &[u8]); 3] = [
        ("boot.bin", &lamp()[..0x7000]),
        ("table.bin", &lamp()[TABLE_AT..TABLE_AT + 0xc00]),
        ("app.bin", &lamp()[APP_AT..]),
    ];
    let mut custom = lamp();
    custom.copy_within(TABLE_AT..TABLE_AT + 0xc00, 0xd000);
    custom[TABLE_AT..TABLE_AT + 0xc00].fill(0xff);
    let nvs = "nvs = { \"a.b\" = true, \"a.c\" = { u16 = \"{tap.port}\" }, \"a.d\" = { i64 = -1 }, \"a.e\" = { blob = \"hex:00ff\" } }";
    let cases = [
        ("merged", Files::one(&lamp())),
        ("merged, with settings of every kind", Files::one(&lamp()).with(nvs)),
        ("two apps over the air", Files::one(&ota)),
        ("parts", Files::new(parts, &files)),
        ("an app for the table that is there", Files::new("{ 0x10000 = \"app.bin\" }", &files).on("esp32c3")),
        ("for an esp32, from its bootloader on", Files::one(&for_0x1000).on("esp32")),
        ("for an esp32, filled up from 0", Files::one(&for_0).on("esp32")),
        ("the same as parts", Files::new("{ 0x0 = \"lamp.bin\" }", &[("lamp.bin", &for_0)]).on("esp32")),
        ("a table elsewhere", Files::one(&custom)),
        ("corrupt, which the bootloader has to find", Files::new("\"builtin:lamp-corrupt\"", &[])),
        ("an esp8266", Files::one(&[0xe9, 1, 2, 0x40, 0, 0, 0, 0]).on("esp8266")),
        (
            "an esp8266, in parts",
            Files::new(
                "{ 0x0 = \"boot.bin\", 0x10000 = \"app.bin\" }",
                &[("boot.bin", &[0xe9, 0]), ("app.bin", b"raw")],
            )
            .on("esp8266"),
        ),
    ];
    for (name, files) in cases {
        assert!(files.check().is_ok(), "{name}: {}", files.refusal());
    }
    assert!(Files::one(&padded(&lamp(), 0x2000)).on("esp32c3").check().is_err(), "its chip looks at 0");
}

#[test]
fn an_elf_file_is_refused_for_another_cpu_and_with_a_table_on_which_espflash_panics() {
    let elf = elf(None, 64);
    let with = |table: &[u8]| {
        Files::new("\"lamp.elf\"", &[("lamp.elf", &elf[..]), ("p.csv", table)]).with("partitions = \"p.csv\"")
    };
    let good =
        "# Name, Type, SubType, Offset, Size\nnvs, data, nvs, 0x9000, 0x6000\nfactory, app, factory, 0x10000, 1M\n";
    with(good.as_bytes()).check().expect("a good table");
    let mut flags = lamp()[TABLE_AT..TABLE_AT + 0x20].to_vec();
    flags[31] = 0x80;
    let tables: [&[u8]; 6] = [
        b"",
        b"x",
        b"\xaa\x50",
        &flags,
        b"nvs, data, nvs, 0x9000, 99999999999K\n",
        b"a, app, factory, 0xffff0000, 0xffff0000\nb, app, ota_0, 0xffff0000, 0xffff0000\n",
    ];
    for table in tables {
        assert!(with(table).check().is_err(), "{table:?}");
    }
    let changed = |at: usize, bytes: &[u8]| {
        let mut elf = elf.clone();
        elf[at..at + bytes.len()].copy_from_slice(bytes);
        Files::new("\"lamp.elf\"", &[("lamp.elf", &elf[..])])
    };
    let refused = [
        ("on another chip", changed(0, b"").on("esp32")),
        ("for ARM", changed(18, &[40, 0])),
        ("of 64 bits for a PC", changed(4, &[2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 62, 0])),
        ("an object file", changed(16, &[1, 0])),
    ];
    let text: Vec<_> = refused.iter().map(|(name, files)| format!("# {name}\n{}", files.refusal())).collect();
    insta::assert_snapshot!(text.join("\n"));
}

/// Compared with esptool's placement of a merged image.
#[test]
fn what_esptool_merges_for_either_offset_is_accepted_and_goes_where_it_is_made_for() {
    let named = std::env::var("HIL_ESPTOOL").ok().filter(|path| !path.is_empty());
    assert!(named.is_some() || std::env::var_os("HIL_REQUIRE_PARTS").is_none(), "HIL_ESPTOOL names no esptool");
    let Some(esptool) = named else { return };
    for (chip, id, bootloader_at) in [("esp32", 0, "0x1000"), ("esp32c3", 5, "0x0")] {
        let image = header(&header(&lamp(), 0, id, 2), APP_AT, id, 2);
        for target in ["0x0", bootloader_at] {
            let files = Files::new(
                "\"merged.bin\"",
                &[
                    ("boot.bin", &image[..0x7000]),
                    ("table.bin", &image[TABLE_AT..TABLE_AT + 0xc00]),
                    ("app.bin", &image[APP_AT..]),
                ],
            );
            let words = ["--chip", chip, "merge-bin", "--target-offset", target, "-o", "merged.bin"];
            let parts = [bootloader_at, "boot.bin", "0x8000", "table.bin", "0x10000", "app.bin"];
            let merged = std::process::Command::new(&esptool)
                .args(words)
                .args(parts)
                .current_dir(files.folder.path())
                .output()
                .expect("esptool runs");
            assert!(merged.status.success(), "{merged:?}");
            let files = files.on(chip);
            assert!(files.check().is_ok(), "{chip} for {target}: {}", files.refusal());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// Flipped, cut and filled bytes, most of them where the formats are read.
    #[test]
    fn no_mutated_image_makes_the_reader_panic(
        changes in proptest::collection::vec((0usize..6, any::<u16>(), any::<u8>()), 1..6),
        cut in proptest::option::of(0usize..160_000),
        ota: bool,
    ) {
        let mut image = if ota { with_table(&PartitionTable::two_ota_apps()) } else { lamp() };
        for (place, at, byte) in changes {
            let base = [0, TABLE_AT, TABLE_AT, TABLE_AT + 0x40, APP_AT, 0xe000][place];
            let at = base + usize::from(at) % 0x60;
            image[at] = byte;
            if place == 2 {
                // With the MD5 left out, the table itself is read.
                image[TABLE_AT + 0x60..TABLE_AT + 0xc00].fill(0xff);
            }
        }
        image.truncate(cut.unwrap_or(image.len()));
        let files = Files::one(&image).with("nvs = { \"mqtt.host\" = \"x\" }");
        let _ = files.check();
    }
}
