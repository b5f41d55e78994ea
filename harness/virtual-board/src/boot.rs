//! From reset to the app: what ROM and second-stage bootloader check and print.
//!
//! The texts are those of an ESP32-C3 with ESP-IDF's bootloader, so that a detector works on both.

use std::time::Duration;

pub(crate) use hil_esp_core::chip::ResetCause;

use crate::flash::{Flash, SIZE};
use crate::image::{
    AppDescriptor, BOOTLOADER_AT, EspImage, ImageError, PARTITION_TABLE_AT, Partition, PartitionTable, TableError,
};
use crate::nvs::{Nvs, NvsStore};
use crate::otadata::Apps;

/// How an app prints why the chip left reset.
pub(crate) fn app_text(cause: ResetCause) -> &'static str {
    match cause {
        ResetCause::PowerOn => "power on",
        ResetCause::SoftwareSystem | ResetCause::SoftwareCpu => "software restart",
        ResetCause::BrownOut => "brown-out",
        ResetCause::DeepSleep => "deep sleep",
        _ => "watchdog",
    }
}

/// The ROM's first lines.
pub(crate) fn rom_banner(cause: ResetCause, download: bool) -> Vec<String> {
    let boot = if download { "boot:0x5 (DOWNLOAD(USB/UART0))" } else { "boot:0xd (SPI_FAST_FLASH_BOOT)" };
    let mut lines = vec![
        "ESP-ROM:esp32c3-api1-20210207".to_owned(),
        "Build:Feb  7 2021".to_owned(),
        format!("rst:{:#x} ({}),{boot}", cause.number(), cause.name()),
    ];
    if download {
        lines.push("waiting for download".to_owned());
    }
    lines
}

/// The app that the bootloader has chosen.
#[derive(Debug)]
pub(crate) struct BootedApp {
    pub(crate) project: String,
    pub(crate) version: String,
    /// It only selects an app of this crate: there is no code in it.
    pub(crate) is_native: bool,
    /// Where it is in flash.
    pub(crate) partition: Partition,
}

/// What the flash contains to run.
#[derive(Debug)]
pub(crate) struct Bootable {
    pub(crate) app: BootedApp,
    pub(crate) nvs: Nvs,
    /// The NVS partition.
    pub(crate) store: Option<NvsStore>,
    /// The file system partition.
    pub(crate) files: Option<Partition>,
}

/// The end of a boot: its output, and the app or the reset that follows.
pub(crate) struct Boot {
    pub(crate) lines: Vec<String>,
    pub(crate) end: Result<Bootable, (ResetCause, Duration)>,
}

/// How long a chip without a valid bootloader runs until its watchdog fires.
const WATCHDOG: Duration = Duration::from_millis(600);
/// How long a bootloader without a bootable app runs until it resets.
const BOOTLOADER_RESET: Duration = Duration::from_millis(300);

/// Boots from the ROM through the bootloader to the app.
pub(crate) fn boot(flash: &Flash) -> Boot {
    let mut lines = Vec::new();
    let end = rom(flash, &mut lines).and_then(|()| bootloader(flash, &mut Log::new(&mut lines)));
    Boot { lines, end }
}

type Reset = (ResetCause, Duration);

/// The ROM loads the second-stage bootloader. A wrong hash does not stop it; a wrong checksum does.
fn rom(flash: &Flash, lines: &mut Vec<String>) -> Result<(), Reset> {
    let room = flash.read(BOOTLOADER_AT, PARTITION_TABLE_AT).unwrap_or_default();
    let header = u32::from_le_bytes([room[0], room[1], room[2], room[3]]);
    let image = match EspImage::decode(&room) {
        Ok(image) => image,
        Err(ImageError::Hash { calculated, stored }) => {
            lines.push("SHA-256 comparison failed:".to_owned());
            lines.push(format!("Calculated: {}", hex::encode(calculated)));
            lines.push(format!("Expected: {}", hex::encode(stored)));
            lines.push("Attempting to boot anyway...".to_owned());
            return Ok(());
        }
        Err(ImageError::Magic(_)) => {
            lines.extend(std::iter::repeat_n(format!("invalid header: {header:#010x}"), 3));
            return Err((ResetCause::TimerGroup0System, WATCHDOG));
        }
        Err(_) => {
            lines.push("Invalid image block, can't boot.".to_owned());
            lines.push("ets_main.c 333 ".to_owned());
            return Err((ResetCause::TimerGroup0System, WATCHDOG));
        }
    };
    lines.push("SPIWP:0xee".to_owned());
    lines.push("mode:DIO, clock div:1".to_owned());
    for segment in &image.segments {
        lines.push(format!("load:{:#010x},len:{:#x}", segment.address, segment.data.len()));
    }
    lines.push(format!("entry {:#010x}", image.entry));
    Ok(())
}

/// The bootloader's log: level, milliseconds since reset, tag.
struct Log<'a> {
    lines: &'a mut Vec<String>,
    milliseconds: u32,
}

impl<'a> Log<'a> {
    fn new(lines: &'a mut Vec<String>) -> Self {
        Self { lines, milliseconds: 24 }
    }

    fn line(&mut self, level: char, tag: &str, text: &str) {
        // About the time for a line of sixty characters at 115200 baud.
        self.milliseconds += 5;
        self.lines.push(format!("{level} ({}) {tag}: {text}", self.milliseconds));
    }

    fn info(&mut self, tag: &str, text: &str) {
        self.line('I', tag, text);
    }

    fn error(&mut self, tag: &str, text: &str) {
        self.line('E', tag, text);
    }
}

fn bootloader(flash: &Flash, log: &mut Log<'_>) -> Result<Bootable, Reset> {
    const RESET: Reset = (ResetCause::SoftwareSystem, BOOTLOADER_RESET);
    log.info("boot", "ESP-IDF v5.5.1 2nd stage bootloader");
    log.info("boot", "chip revision: v0.4");
    log.info("boot.esp32c3", "SPI Flash Size : 4MB");
    let table = partition_table(flash, log).ok_or(RESET)?;
    let app = start_app(flash, &table, log).ok_or(RESET)?;
    log.info("boot", "Disabling RNG early entropy source...");
    log.info("app_init", &format!("Project name:     {}", app.project));
    log.info("app_init", &format!("App version:      {}", app.version));
    let settings = table.0.iter().find(|partition| partition.is_nvs());
    let nvs = settings.and_then(|partition| contents(flash, partition));
    let store = settings.and_then(|partition| NvsStore::open(flash, partition));
    let files = table.0.iter().find(|partition| partition.is_file_system()).cloned();
    Ok(Bootable { app, nvs: nvs.map(|bytes| Nvs::read(&bytes)).unwrap_or_default(), store, files })
}

/// Tries the apps in the order of the OTA data, until one can be started.
fn start_app(flash: &Flash, table: &PartitionTable, log: &mut Log<'_>) -> Option<BootedApp> {
    let apps = Apps::of(table);
    let Some(choice) = apps.choose(flash) else {
        log.error("boot", "bootloader_flash_read failed for otadata");
        return None;
    };
    if let Some((level, text)) = choice.said {
        log.line(level, "boot", text);
    }
    for (slot, partition) in apps.tried(&choice) {
        let Some(app) = app(flash, partition, log) else {
            log.error("boot", &format!("{} is not bootable", slot.name()));
            continue;
        };
        if let Some(said) = apps.note_started(flash, &choice, slot) {
            log.info("boot", &said);
        }
        log.info("boot", &format!("Loaded app from partition at offset {:#x}", partition.offset));
        return Some(app);
    }
    log.error("boot", "No bootable app partitions in the partition table");
    None
}

fn partition_table(flash: &Flash, log: &mut Log<'_>) -> Option<PartitionTable> {
    let room = flash.read(PARTITION_TABLE_AT, 0xc00)?;
    log.info("boot", "Partition Table:");
    let failure = match PartitionTable::decode(&room) {
        Ok(table) => {
            show(&table, log);
            let beyond = table.0.iter().position(|p| u64::from(p.offset) + u64::from(p.size) > SIZE as u64);
            let Some(index) = beyond else { return Some(table) };
            let Partition { offset, size, .. } = table.0[index];
            format!("partition {index} invalid - offset {offset:#x} size {size:#x} exceeds flash chip size {SIZE:#x}")
        }
        Err(TableError::Magic { index, magic }) => format!("partition {index} invalid magic number {magic:#x}"),
        Err(TableError::Md5) => "Incorrect MD5 checksum".to_owned(),
        Err(TableError::NoMd5) => "No MD5 found in partition table".to_owned(),
    };
    log.error("flash_parts", &failure);
    log.error("boot", "Failed to verify partition table");
    log.error("boot", "load partition table error!");
    None
}

fn show(table: &PartitionTable, log: &mut Log<'_>) {
    log.info("boot", "## Label            Usage          Type ST Offset   Length");
    for (n, partition) in table.0.iter().enumerate() {
        let usage = match (partition.kind, partition.subkind) {
            (0, 0) => "factory app",
            (0, 0x10..=0x1f) => "OTA app",
            (0, 0x20) => "test app",
            (0, _) => "Unknown app",
            (1, 0) => "OTA data",
            (1, 1) => "RF data",
            (1, 2) => "WiFi data",
            _ => "Unknown data",
        };
        let Partition { kind, subkind, offset, size, label } = partition;
        log.info("boot", &format!("{n:2} {label:16} {usage:16} {kind:02x} {subkind:02x} {offset:08x} {size:08x}"));
    }
    log.info("boot", "End of partition table");
}

fn app(flash: &Flash, partition: &Partition, log: &mut Log<'_>) -> Option<BootedApp> {
    let offset = partition.offset;
    let image = match EspImage::decode(&contents(flash, partition)?) {
        Ok(image) => image,
        Err(error) => {
            let text = match error {
                ImageError::Magic(_) => format!("image at {offset:#x} has invalid magic byte (nothing flashed here?)"),
                ImageError::WrongChip(_) => "can't run on lower chip revision or other chip".to_owned(),
                ImageError::Segment(index) => format!("Segment {index} end is past the end of the partition"),
                ImageError::Checksum { calculated, stored } => {
                    format!("Checksum failed. Calculated {calculated:#x} read {stored:#x}")
                }
                ImageError::Hash { .. } => "Image hash failed - image is corrupt".to_owned(),
            };
            log.error("esp_image", &text);
            return None;
        }
    };
    let mut paddr = offset + 24;
    for (n, segment) in image.segments.iter().enumerate() {
        let length = segment.data.len();
        let mapped = matches!(segment.address >> 24, 0x3c | 0x42);
        let how = if mapped { "map" } else { "load" };
        let data = paddr + 8;
        let vaddr = segment.address;
        log.info(
            "esp_image",
            &format!("segment {n}: paddr={data:08x} vaddr={vaddr:08x} size={length:05x}h ({length:6}) {how}"),
        );
        paddr = data + u32::try_from(length).unwrap_or(u32::MAX);
    }
    let descriptor = &image.segments.first()?.data;
    let AppDescriptor { project, version } = AppDescriptor::decode(descriptor)?;
    let is_native = AppDescriptor::is_native(descriptor);
    Some(BootedApp { project, version, is_native, partition: partition.clone() })
}

fn contents(flash: &Flash, partition: &Partition) -> Option<Vec<u8>> {
    flash.read(usize::try_from(partition.offset).ok()?, usize::try_from(partition.size).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{builtin, merge};

    fn flash(change: impl Fn(&mut Vec<u8>)) -> Flash {
        let flash = Flash::erased(false).expect("flash");
        let mut image = builtin("lamp").expect("built in");
        change(&mut image);
        assert!(flash.program(0, &image));
        flash
    }

    fn refusal(change: impl Fn(&mut Vec<u8>)) -> (ResetCause, String) {
        let boot = boot(&flash(change));
        (boot.end.expect_err("boots").0, boot.lines.join("\n"))
    }

    #[test]
    fn a_whole_image_boots_its_app() {
        let boot = boot(&flash(|_| {}));
        let bootable = boot.end.expect("boots");
        assert_eq!((bootable.app.project.as_str(), bootable.app.version.as_str()), ("lamp", "1.0.0"));
        let log = boot.lines.join("\n");
        assert!(log.contains("boot: Loaded app from partition at offset 0x10000"), "{log}");
    }

    #[test]
    fn an_empty_flash_and_a_broken_bootloader_end_in_the_watchdog() {
        let (cause, log) = refusal(|image| image.fill(0xff));
        assert_eq!((cause, log.contains("invalid header: 0xffffffff")), (ResetCause::TimerGroup0System, true), "{log}");
        let (cause, log) = refusal(|image| image[0x100] ^= 1);
        assert_eq!((cause, log.contains("Invalid image block")), (ResetCause::TimerGroup0System, true), "{log}");
    }

    #[test]
    fn a_broken_partition_table_is_rejected_by_the_bootloader() {
        let (cause, log) = refusal(|image| image[PARTITION_TABLE_AT + 4] ^= 1);
        assert_eq!(cause, ResetCause::SoftwareSystem);
        assert!(log.contains("Incorrect MD5 checksum") && log.contains("load partition table error!"), "{log}");
    }

    #[test]
    fn a_broken_app_is_rejected_by_the_bootloader() {
        let (_, log) = refusal(|image| image[0x10000] = 0);
        assert!(log.contains("image at 0x10000 has invalid magic byte"), "{log}");
        let (_, log) = refusal(|image| *image.last_mut().expect("bytes") ^= 1);
        assert!(log.contains("Image hash failed - image is corrupt"), "{log}");
        let corrupt = Flash::erased(false).expect("flash");
        assert!(corrupt.program(0, &builtin("lamp-corrupt").expect("built in")));
        let log = boot(&corrupt).lines.join("\n");
        assert!(log.contains("esp_image: Checksum failed. Calculated") && log.contains("is not bootable"), "{log}");
    }

    /// ROM and bootloader parse the flash, including NVS and OTA data.
    #[test]
    fn the_flash_may_hold_any_bytes() {
        let images = ["lamp", "micropython", "lamp-corrupt"].map(|name| builtin(name).expect("built in"));
        let two = merge(
            &AppDescriptor { project: "lamp".to_owned(), version: "1".to_owned() },
            &PartitionTable::two_ota_apps(),
        );
        let places = [0..0x40, 0x8000..0x80e0, 0x8000..0x80e0, 0x9000..0x9100, 0xe000..0xe020, 0x10000..0x10140];
        let words: [&[u8]; 4] = [&[0xff; 64], b"\xaa\x50\x01\x02", b"\xe9\x01\x02\x20", b"\xfe\xff\xff\xff"];
        let corpus = hil_fuzz::Corpus::new(images.into_iter().chain([two])).with_places(&places).with_words(words);
        hil_fuzz::fuzz("flash", &corpus, 300, |bytes| {
            let flash = Flash::erased(false).expect("flash");
            assert!(flash.program(0, &bytes[..bytes.len().min(SIZE)]));
            let boot = boot(&flash);
            assert!(!boot.lines.is_empty());
            // Parts that a checksum protects are parsed as well.
            let from = |at: usize| bytes.get(at..).unwrap_or_default();
            drop((EspImage::decode(bytes), EspImage::decode(from(0x10000)), PartitionTable::decode(from(0x8000))));
            drop(Nvs::read(from(0x9000)));
        });
    }
}
