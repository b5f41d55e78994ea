//! The contents of a flash from one firmware to the next: the flashed app is the one that boots, and a partition that
//! the device changed is written again, and no other.

use std::path::Path;

use hil_bench::{Bench, BenchError, Booted, Claim, LockedBoard, TapAddress};
use hil_timeline::{Cursor, Epoch, FlashPhase, Timeline, What};
use hil_virtual_board::image::{AppDescriptor, PartitionTable, builtin, merge};
use tempfile::TempDir;

const APP_AT: usize = 0x10000;
const SLOT_1: u32 = 0x15_0000;

/// An image with two slots, whose first holds the lamp of that version.
fn two_slots(version: &str) -> Vec<u8> {
    let app = AppDescriptor { project: "lamp".to_owned(), version: version.to_owned() };
    merge(&app, &PartitionTable::two_ota_apps())
}

fn corrupt(mut image: Vec<u8>) -> Vec<u8> {
    let at = image.len() - 0x1000;
    image[at] ^= 1;
    image
}

/// Images of a bench with one virtual board; each is a firmware of its file's name.
struct Lab {
    folder: TempDir,
    text: String,
}

impl Lab {
    fn new() -> Self {
        let text = "[boards.lamp]\nkind = \"virtual\"\noff-time = \"50ms\"\n".to_owned();
        Self { folder: tempfile::tempdir().expect("folder"), text }
    }

    fn file(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.folder.path().join(name), bytes).expect("write");
    }

    fn firmware(&mut self, name: &str, image: &str, more: &str) {
        let ready = "ready = \"mqtt: starting\"";
        self.text.push_str(&format!("\n[firmware.{name}]\nimage = {image}\n{ready}\n{more}\n"));
    }

    async fn open(&self) -> Fixture {
        let path = self.folder.path().join("bench.toml");
        std::fs::write(&path, &self.text).expect("write");
        Fixture::open(&path).await
    }
}

struct Fixture {
    timeline: Timeline,
    bench: Bench,
}

impl Fixture {
    async fn open(path: &Path) -> Self {
        let config = hil_config::Bench::from_file(path, &hil_bench::kinds()).unwrap_or_else(|error| panic!("{error}"));
        let timeline = Timeline::in_memory(Epoch::start());
        let bench = Bench::open(config, &timeline, Claim::default()).await.expect("bench");
        Self { timeline, bench }
    }

    async fn lamp(&self) -> LockedBoard {
        self.bench.lock("lamp").await.expect("lamp")
    }

    /// Runs a firmware; returns how it booted and what was written: (asked, written, skipped).
    async fn run(&self, firmware: &str) -> (Result<Booted, BenchError>, (bool, usize, usize)) {
        let firmware = self.bench.config().firmware(firmware).expect("firmware").clone();
        let from = self.timeline.end();
        let tap = TapAddress { host: "127.0.0.1".to_owned(), port: 9, ..TapAddress::default() };
        let booted = self.lamp().await.run_firmware(&firmware, &tap).await;
        let (mut asked, mut finished) = (false, (0, 0));
        for event in self.timeline.since(from) {
            match &event.what {
                What::Flash { flash: FlashPhase::Connecting { .. }, .. } => asked = true,
                What::Flash { flash: FlashPhase::Finished { written, skipped, .. }, .. } => {
                    finished = (*written, *skipped);
                }
                _ => {}
            }
        }
        (booted, (asked, finished.0, finished.1))
    }

    async fn runs(&self, firmware: &str) -> (bool, usize, usize) {
        let (booted, flashed) = self.run(firmware).await;
        assert_eq!(booted.expect("bench works"), Booted::Running);
        flashed
    }

    /// The lines of the console since the flash before the last reset.
    fn said(&self, text: &str, from: Cursor) -> bool {
        let is_line = |what: &What| matches!(what, What::Console { line, .. } if line.contains(text));
        self.timeline.since(from).iter().any(|event| is_line(&event.what))
    }
}

#[tokio::test]
async fn an_app_of_an_earlier_firmware_in_another_slot_is_not_taken_for_the_flashed_one() {
    let mut lab = Lab::new();
    let (good, bad) = (two_slots("1.0.0"), corrupt(two_slots("1.0.0-no-will")));
    lab.file("boot.bin", &good[..0x9000]);
    lab.file("app.bin", &good[APP_AT..]);
    lab.file("bad.bin", &bad);
    lab.firmware("second-slot", "{ 0x0 = \"boot.bin\", 0x150000 = \"app.bin\" }", "");
    lab.firmware("bad", "\"bad.bin\"", "");
    let fixture = lab.open().await;
    fixture.runs("second-slot").await;
    let (booted, _) = fixture.run("bad").await;
    let Ok(Booted::Refused { reason }) = booted else { panic!("the app of the earlier firmware runs: {booted:?}") };
    assert!(reason.contains("boot-loops"), "{reason}");
}

#[tokio::test]
async fn ota_data_that_the_image_leaves_out_does_not_start_the_old_slot() {
    let mut lab = Lab::new();
    let (old, new) = (two_slots("1.0.0"), two_slots("1.0.0-no-will"));
    lab.file("boot.bin", &old[..0x9000]);
    lab.file("old.bin", &old[APP_AT..]);
    lab.file("new.bin", &new[APP_AT..]);
    lab.firmware("old", "{ 0x0 = \"boot.bin\", 0x150000 = \"old.bin\" }", "");
    lab.firmware("new", "{ 0x0 = \"boot.bin\", 0x10000 = \"new.bin\" }", "");
    let fixture = lab.open().await;
    fixture.runs("old").await;
    assert!(fixture.said(&format!("Loaded app from partition at offset {SLOT_1:#x}"), Cursor::default()));
    let from = fixture.timeline.end();
    fixture.runs("new").await;
    assert!(fixture.said("App version:      1.0.0-no-will", from), "the app that was flashed runs");
    // The bootloader writes nothing down that would have to be undone.
    assert_eq!(fixture.runs("new").await.1, 0);
}

#[tokio::test]
async fn an_app_alone_that_is_not_the_one_that_boots_is_the_benchs_fault() {
    let mut lab = Lab::new();
    let (old, new) = (two_slots("1.0.0"), two_slots("1.0.0-no-will"));
    lab.file("boot.bin", &old[..0x9000]);
    lab.file("old.bin", &old[APP_AT..]);
    lab.file("new.bin", &new[APP_AT..]);
    lab.firmware("old", "{ 0x0 = \"boot.bin\", 0x150000 = \"old.bin\" }", "");
    lab.firmware("new", "{ 0x10000 = \"new.bin\" }", "");
    let fixture = lab.open().await;
    fixture.runs("old").await;
    let (booted, _) = fixture.run("new").await;
    assert!(matches!(&booted, Err(BenchError::OtherApp { found, .. }) if found.contains("0x150000")), "{booted:?}");
    // It says nothing of the board: the next firmware runs.
    fixture.runs("old").await;
}

const COUNTS: &str = "nvs = { \"lamp.count_boots\" = true }";

#[tokio::test]
async fn only_settings_that_the_device_changed_are_restored() {
    let mut lab = Lab::new();
    lab.file("lamp.bin", &builtin("lamp").expect("built in"));
    lab.firmware("lamp", "\"lamp.bin\"", COUNTS);
    let fixture = lab.open().await;
    let (_, written, skipped) = fixture.runs("lamp").await;
    assert_eq!((written, skipped), (155_728, 0));
    for _ in 0..2 {
        let from = fixture.timeline.end();
        let (_, written, skipped) = fixture.runs("lamp").await;
        assert_eq!((written, skipped), (0x6000, 155_728 - 0x6000), "the NVS partition and nothing else");
        assert!(fixture.said("boot 1 since its settings were written", from), "each life begins with its settings");
    }
}

#[tokio::test]
async fn a_blank_nvs_partition_is_blank_again_for_the_next_firmware() {
    let mut lab = Lab::new();
    lab.file("lamp.bin", &builtin("lamp").expect("built in"));
    lab.firmware("with", "\"lamp.bin\"", COUNTS);
    lab.firmware("without", "\"lamp.bin\"", "");
    let fixture = lab.open().await;
    fixture.runs("with").await;
    let from = fixture.timeline.end();
    assert_eq!(fixture.runs("without").await.1, 0x6000);
    assert!(!fixture.said("since its settings were written", from), "nothing of the other's settings is left");
    assert_eq!(fixture.runs("without").await.1, 0);
}

#[tokio::test]
async fn a_flash_that_is_verified_once_is_verified_again_only_after_a_doubt() {
    let mut lab = Lab::new();
    lab.file("lamp.bin", &builtin("lamp").expect("built in"));
    let once = |nvs: &str| format!("{nvs}\nverify = \"once\"");
    lab.firmware("lamp", "\"lamp.bin\"", &once(COUNTS));
    lab.firmware("other", "\"builtin:lamp-no-will\"", &once(""));
    let fixture = lab.open().await;
    let size = 155_728;
    assert_eq!(fixture.runs("lamp").await, (true, size, 0));
    let from = fixture.timeline.end();
    assert_eq!(fixture.runs("lamp").await, (false, 0, size), "nothing is asked, and nothing written");
    assert!(fixture.said("boot 2 since its settings were written", from), "NVS keeps what the firmware wrote");
    // Another firmware.
    assert!(fixture.runs("other").await.0);
    assert!(fixture.runs("lamp").await.0);
    assert!(!fixture.runs("lamp").await.0);
    // A flash by a step of its own.
    let firmware = fixture.bench.config().firmware("lamp").expect("firmware").clone();
    fixture.lamp().await.flash(&firmware, &TapAddress::default()).await.expect("flashed");
    assert!(fixture.runs("lamp").await.0);
    // A program that has the port may do anything.
    drop(fixture.lamp().await.take_port().await.expect("the port"));
    assert!(fixture.runs("lamp").await.0);
    // A retry.
    fixture.lamp().await.recover(1).await.expect("recovered");
    assert!(fixture.runs("lamp").await.0);
    assert!(!fixture.runs("lamp").await.0);
}

#[tokio::test]
async fn blank_data_is_left_to_the_device_until_another_program_comes() {
    let mut lab = Lab::new();
    let filled = |version: &str| {
        let mut image = two_slots(version);
        image.resize(4 << 20, 0xff);
        image
    };
    lab.file("one.bin", &filled("1.0.0"));
    lab.file("two.bin", &filled("1.0.0-no-will"));
    // What the device itself would leave in its file system.
    let mut used = filled("1.0.0");
    used[0x29_0000] = 0;
    lab.file("used.bin", &used);
    lab.firmware("one", "\"one.bin\"", "");
    lab.firmware("two", "\"two.bin\"", "");
    lab.firmware("used", "\"used.bin\"", "");
    let fixture = lab.open().await;
    fixture.runs("one").await;
    assert_eq!(fixture.runs("used").await.1, 0x16_0000, "data that the image brings is written");
    assert_eq!(fixture.runs("one").await.1, 0, "and does not cause blank data to be written");
    assert!(fixture.runs("two").await.1 > 0x16_0000, "nothing of it stays for another program");
}

#[tokio::test]
async fn a_device_that_falls_back_to_another_app_by_itself_is_the_firmwares_fault() {
    let mut lab = Lab::new();
    let (good, bad) = (two_slots("1.0.0"), corrupt(two_slots("1.0.0-no-will")));
    lab.file("boot.bin", &good[..0x9000]);
    lab.file("good.bin", &good[APP_AT..]);
    lab.file("bad.bin", &bad[APP_AT..]);
    // The image itself brings an app to fall back to.
    lab.firmware("both", "{ 0x0 = \"boot.bin\", 0x10000 = \"bad.bin\", 0x150000 = \"good.bin\" }", "");
    let fixture = lab.open().await;
    let (booted, _) = fixture.run("both").await;
    let Ok(Booted::Refused { reason }) = booted else { panic!("it runs: {booted:?}") };
    assert!(reason.contains("an app other than the flashed one runs"), "{reason}");
}
