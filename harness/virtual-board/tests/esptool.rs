//! Tests the loader and the images with Espressif's own `esptool`.
//!
//! Needs esptool 5.x: the program in `HIL_ESPTOOL`, or `esptool` on the PATH. Without it, each test prints that and is
//! skipped; `.ci/run` installs it and sets `HIL_REQUIRE_PARTS`, so that a missing program is a failure.

use std::path::{Path, PathBuf};
use std::process::Command;

use hil_config::Misbehaviour;
use hil_virtual_board::image::{BUILTIN_NAMES, builtin};
use hil_virtual_board::{Options, VirtualBoard};

struct Bench {
    esptool: PathBuf,
    board: VirtualBoard,
    folder: tempfile::TempDir,
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn esptool() -> Option<PathBuf> {
    let program = std::env::var_os("HIL_ESPTOOL").map_or_else(|| "esptool".into(), PathBuf::from);
    let works = Command::new(&program).arg("version").output().is_ok_and(|output| output.status.success());
    if !works {
        assert!(std::env::var_os("HIL_REQUIRE_PARTS").is_none(), "esptool is required here and not to be had");
        eprintln!("skipped: no esptool 5.x (set HIL_ESPTOOL, or `pip install esptool`)");
    }
    works.then_some(program)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("runtime").block_on(future)
}

impl Bench {
    /// A board that waits for a download.
    fn new(misbehaves: &[Misbehaviour]) -> Option<Self> {
        let esptool = esptool()?;
        let options =
            Options { mac: [2, 0, 0, 0xab, 0xcd, 0xef], misbehaves: misbehaves.to_vec(), ..Options::default() };
        let board = VirtualBoard::start(options).expect("board");
        block_on(async {
            board.drive_boot_pin(false).await;
            board.set_rail(true).await;
        });
        Some(Self { esptool, board, folder: tempfile::tempdir().expect("folder") })
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).expect("write");
        path
    }

    /// Resets the board into download mode, as esptool would through RTS, and runs esptool on its port.
    fn run(&self, options: &[&str], command: &[&str]) -> (bool, String) {
        block_on(async {
            self.board.set_enable(false).await;
            self.board.set_enable(true).await;
        });
        let port = self.board.port().expect("port");
        let output = Command::new(&self.esptool)
            .arg("--port")
            .arg(port)
            .args(["--before", "no-reset", "--after", "no-reset", "--chip", "esp32c3"])
            .args(options)
            .args(command)
            .output()
            .expect("esptool runs");
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    fn succeeds(&self, options: &[&str], command: &[&str]) -> String {
        let (success, text) = self.run(options, command);
        assert!(success, "esptool {options:?} {command:?}:\n{text}");
        text
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn write_verify_read_and_erase_at_every_speed_with_and_without_stub() {
    for options in
        [&["--baud", "460800"][..], &["--baud", "921600"], &["--no-stub"], &["--no-stub", "--baud", "460800"]]
    {
        let Some(bench) = Bench::new(&[]) else { return };
        let image = builtin("lamp").expect("built in");
        let file = bench.file("lamp.bin", &image);
        bench.succeeds(options, &["write-flash", "0x0", text(&file)]);
        bench.succeeds(options, &["verify-flash", "0x0", text(&file)]);
        let back = bench.folder.path().join("back.bin");
        // The ROM reads 64 bytes at a time: a part is enough here.
        let length = if options.contains(&"--no-stub") { 0x800 } else { image.len() };
        bench.succeeds(options, &["read-flash", "0x0", &length.to_string(), text(&back)]);
        assert!(std::fs::read(&back).expect("read")[..] == image[..length], "{options:?}");
        if !options.contains(&"--no-stub") {
            bench.succeeds(options, &["erase-region", "0x10000", "0x1000"]);
            let (verified, _) = bench.run(options, &["verify-flash", "0x0", text(&file)]);
            assert!(!verified, "an erased sector verifies");
            bench.succeeds(options, &["erase-flash"]);
            bench.succeeds(options, &["read-flash", "0x10000", "0x1000", text(&back)]);
            assert!(std::fs::read(&back).expect("read").iter().all(|byte| *byte == 0xff));
        }
    }
}

#[test]
fn uncompressed_writes_arrive_too() {
    let Some(bench) = Bench::new(&[]) else { return };
    let file = bench.file("odd.bin", &vec![0x5a; 5001]);
    bench.succeeds(&[], &["write-flash", "--no-compress", "0x1000", text(&file)]);
    bench.succeeds(&[], &["verify-flash", "0x1000", text(&file)]);
}

#[test]
fn mac_flash_id_and_security_info_are_read() {
    let Some(bench) = Bench::new(&[]) else { return };
    assert!(bench.succeeds(&[], &["read-mac"]).contains("02:00:00:ab:cd:ef"));
    assert!(bench.succeeds(&[], &["flash-id"]).contains("4MB"));
    assert!(bench.succeeds(&[], &["get-security-info"]).contains("Secure Boot: Disabled"));
}

#[test]
fn another_chip_and_a_flipped_bit_are_noticed() {
    let Some(bench) = Bench::new(&[Misbehaviour::WrongChip]) else { return };
    let (success, text_of_it) = bench.run(&[], &["read-mac"]);
    assert!(!success && text_of_it.contains("ESP32-C6"), "{text_of_it}");
    let Some(bench) = Bench::new(&[Misbehaviour::FlashBitFlip]) else { return };
    let file = bench.file("lamp.bin", &builtin("lamp").expect("built in"));
    let (success, text_of_it) = bench.run(&[], &["write-flash", "0x0", text(&file)]);
    assert!(!success && text_of_it.contains("MD5"), "{text_of_it}");
}

#[test]
fn image_info_calls_every_image_valid_but_the_corrupt_one() {
    let Some(esptool) = esptool() else { return };
    let folder = tempfile::tempdir().expect("folder");
    for name in BUILTIN_NAMES {
        let image = builtin(name).expect("built in");
        for (part, bytes) in [("bootloader", &image[..0x8000]), ("app", &image[0x10000..])] {
            let file = folder.path().join(format!("{name}-{part}.bin"));
            std::fs::write(&file, bytes).expect("write");
            let output = Command::new(&esptool).args(["--chip", "esp32c3", "image-info"]).arg(&file).output();
            let output = output.expect("esptool runs");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let valid = text.contains("(valid)") && !text.contains("invalid");
            assert_eq!(valid, (*name, part) != ("lamp-corrupt", "app"), "{name} {part}:\n{text}");
        }
    }
}
