//! Mutated images and partition tables: what can't run is refused with an error of its firmware. Nothing panics, nothing
//! hangs, and nothing of a panic in a library reaches standard error.

#[path = "made/elf.rs"]
mod made_elf;
#[path = "made/images.rs"]
mod made_images;

use std::path::Path;

use hil_board::check_firmware;
use hil_config::Bench;
use hil_fuzz::{Corpus, fuzz};
use hil_virtual_board::image::PartitionTable;
use tempfile::TempDir;

use self::made_elf::elf;
use self::made_images::{lamp, with_table};

const TABLE: std::ops::Range<usize> = 0x8000..0x80e0;

/// A folder with the file that is changed, and nothing else.
fn folder(bench: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("bench.toml"), bench).expect("write");
    folder
}

fn check(folder: &Path) {
    // The bench file is read each time, since it looks whether its files are there.
    let bench = Bench::from_file(&folder.join("bench.toml"), &hil_config::Kinds::default())
        .unwrap_or_else(|error| panic!("{error}"));
    for board in bench.boards.keys() {
        if let Err(error) = check_firmware(&bench, board.as_str(), "lamp") {
            assert!(error.hint().is_some(), "{error}");
        }
    }
    let names = std::fs::read_dir(folder).expect("list").count();
    assert!(names <= 3, "nothing is written beside the image");
}

#[test]
fn an_image_may_hold_any_bytes() {
    let bench = "[boards.lamp]\nkind = \"virtual\"\n\n[boards.other]\nkind = \"esp\"\nchip = \"esp32\"\nport = { path = \"/dev/null\" }\n\n\
                 [firmware.lamp]\nimage = \"lamp.bin\"\nnvs = { \"mqtt.host\" = \"x\", \"a.b\" = { blob = \"hex:00ff\" } }\n";
    let folder = folder(bench);
    let images = [lamp(), with_table(&PartitionTable::two_ota_apps()), with_table(&PartitionTable::with_files())];
    // Headers of bootloader and app, the table and its end, the OTA data.
    let places = [0..0x40, TABLE, TABLE, 0x10000..0x10140, 0xe000..0xe020, 0xf000..0xf020];
    // A table whose MD5 is gone is read as it is.
    let words: [&[u8]; 3] = [&[0xff; 64], b"\xaa\x50\x01\x02", b"\xe9\x01\x02\x20"];
    fuzz("image", &Corpus::new(images).with_places(&places).with_words(words), 1000, |image| {
        std::fs::write(folder.path().join("lamp.bin"), image).expect("write");
        check(folder.path());
    });
}

const WITH_ELF: &str = "[boards.lamp]\nkind = \"virtual\"\n\n[firmware.lamp]\nimage = \"lamp.elf\"\npartitions = \"table\"\nnvs = { \"mqtt.host\" = \"x\" }\n";

#[test]
fn an_elf_file_may_hold_any_bytes() {
    let folder = folder(&WITH_ELF.replace("partitions = \"table\"\n", ""));
    let corpus = Corpus::new([elf(None, 16)]).with_places(&[0..52, 0x150..0x2a0]);
    fuzz("elf", &corpus, 1000, |elf| {
        std::fs::write(folder.path().join("lamp.elf"), elf).expect("write");
        check(folder.path());
    });
}

#[test]
fn a_partition_table_of_an_elf_file_may_hold_any_bytes() {
    let folder = folder(WITH_ELF);
    std::fs::write(folder.path().join("lamp.elf"), elf(None, 16)).expect("write");
    let csv = b"# Name, Type, SubType, Offset, Size, Flags\nnvs, data, nvs, 0x9000, 0x6000,\nphy_init, data, phy, 0xf000, 0x1000, encrypted\nfactory, app, factory, 0x10000, 1M, readonly\nota, app, ota_0, , 1024K,\nown, 0x40, 0x01, , 4K\n";
    let tables = [lamp()[0x8000..0x8c00].to_vec(), csv.to_vec(), lamp()[0x8000..0x8060].to_vec()];
    let words: [&[u8]; 8] =
        [b"\xaa\x50\x00\x07", b"\xaa\x50\x01\x7f", b"\xeb\xeb", &[0xff; 32], b",", b"0xffffffff", b"app", b"\n"];
    let corpus = Corpus::new(tables).with_words(words).with_places(std::slice::from_ref(&(0..0x80)));
    fuzz("partition table", &corpus, 1000, |table| {
        std::fs::write(folder.path().join("table"), table).expect("write");
        check(folder.path());
    });
}
