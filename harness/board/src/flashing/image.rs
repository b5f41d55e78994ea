//! Reads and checks a firmware's files, and inserts the settings of the bench.

use std::path::Path;
use std::sync::Arc;

use espflash::flasher::{FlashData, FlashSettings, FlashSize};
use espflash::image_format::Metadata;
use espflash::image_format::idf::IdfBootloaderFormat;
use hil_config::{Board, BoardKind, Chip, Firmware, Image, NvsNumber, NvsValue, Partitions};
use hil_files::{LARGEST_FILE, LARGEST_TEXT, Links, guarded};

use super::descriptor;
use super::flashers::chip_of;
use super::inspect::{Layout, Part, Target, inspect, place};
use super::nvs::Settings;
use super::partitions::{self, ENTRY_MAGIC, TABLE_AT};
use super::plan::{Region, plan};
use crate::error::BenchError;
use crate::micropython::read_scripts;
use crate::tap_address::TapAddress;
use crate::virtual_board::{VIRTUAL_FLASH, builtin_image};

/// A firmware's image, read and checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReadImage {
    /// What is to be written where, in order.
    pub(crate) parts: Vec<Part>,
    pub(crate) layout: Layout,
    /// The ELF file that it was made from, with its symbols.
    pub(crate) elf: Option<Arc<[u8]>>,
}

/// The ELF file that a firmware is made from, if it is.
#[must_use]
pub fn elf_of(firmware: &Firmware) -> Option<Arc<[u8]>> {
    let data = match &firmware.image {
        Image::Builtin(name) => builtin_image(name).ok()?,
        Image::File(path) => hil_files::read(path, Links::Follow, LARGEST_FILE).ok()?,
        Image::Installed | Image::Parts(_) => return None,
    };
    data.starts_with(b"\x7fELF").then(|| data.into())
}

/// Reads the files of a firmware for a board, and refuses what can't run on it.
pub(crate) fn read(firmware: &Firmware, board: &Board) -> Result<ReadImage, BenchError> {
    let failed = |reason: String, hint: Option<String>| BenchError::Firmware {
        firmware: firmware.name.to_string(),
        reason,
        hint,
    };
    let (mut parts, elf) = read_parts(firmware, board)?;
    if parts.is_empty() {
        return Ok(ReadImage::default());
    }
    parts.sort_by_key(|part| part.address);
    if !is_esp_image(board) {
        return Ok(ReadImage { layout: unchecked(&parts), parts, elf: None });
    }
    let target = target(board);
    let single = !matches!(firmware.image, Image::Parts(_)) && parts.len() == 1;
    let layout = inspect(&parts, single, target).map_err(|fault| {
        let text = match fault.place() {
            Some(place) => {
                // A missing part is in no file: name the last file before its place.
                let at = parts.iter().find(|part| part.covers(place));
                let at = at.or_else(|| parts.iter().rfind(|part| part.address <= place)).or(parts.first());
                format!("`{}`: {fault}", at.map_or("", |part| &part.source))
            }
            None => fault.to_string(),
        };
        failed(text, Some(fault.hint()))
    })?;
    Ok(ReadImage { parts, layout, elf })
}

/// Whether the board's firmware is for a chip that is known here.
fn is_esp_image(board: &Board) -> bool {
    board.emulator.as_ref().is_none_or(|emulator| emulator.esp_image)
}

/// What is known of an image for another machine: its partition table, if it has one where ESP-IDF has it.
fn unchecked(parts: &[Part]) -> Layout {
    let part = parts.iter().find(|part| part.covers(TABLE_AT));
    let bytes = part.and_then(|part| part.data.get(usize::try_from(TABLE_AT - part.address).ok()?..));
    let table = bytes.filter(|bytes| bytes.starts_with(&ENTRY_MAGIC)).and_then(|bytes| partitions::read(bytes).ok());
    Layout { partitions: table.unwrap_or_default(), boots: None }
}

fn target(board: &Board) -> Target<'_> {
    let of_emulator = board.emulator.as_ref().map(|emulator| emulator.flash_size);
    let flash = if board.kind == BoardKind::Virtual { Some(VIRTUAL_FLASH) } else { of_emulator };
    Target { board: board.name.as_str(), chip: board.chip, flash }
}

/// The parts of a firmware, and the ELF file among its files.
type Read = (Vec<Part>, Option<Arc<[u8]>>);

fn read_parts(firmware: &Firmware, board: &Board) -> Result<Read, BenchError> {
    let failed = |reason: String, hint: Option<String>| BenchError::Firmware {
        firmware: firmware.name.to_string(),
        reason,
        hint,
    };
    let read = |address: Option<u32>, path: &Path| {
        let data = hil_files::read(path, Links::Follow, LARGEST_FILE).map_err(|error| {
            let hint = "paths in a bench file count from its folder".to_owned();
            failed(format!("can't read `{}`: {error}", path.display()), Some(hint))
        })?;
        Ok::<_, BenchError>((address, data, path.display().to_string()))
    };
    let files = match &firmware.image {
        // What is on the board stays; settings would need its partition table.
        Image::Installed => return Ok((Vec::new(), None)),
        Image::Builtin(name) => {
            let data = builtin_image(name).map_err(|known| unknown_image(firmware, name, known))?;
            vec![(Some(0), data, format!("builtin:{name}"))]
        }
        Image::File(path) => vec![read(None, path)?],
        Image::Parts(files) => {
            files.iter().map(|(address, path)| read(Some(*address), path)).collect::<Result<_, _>>()?
        }
    };
    let (mut parts, mut elf) = (Vec::new(), None);
    for (address, data, source) in files {
        if data.starts_with(b"\x7fELF") && !is_esp_image(board) {
            // The emulator loads it by its path.
        } else if data.starts_with(b"\x7fELF") {
            let refused = |(reason, hint)| failed(format!("`{source}`: {reason}"), hint);
            let data = versioned(data, firmware).map_err(refused)?;
            let made = regions_of_elf(&data, board, firmware.partitions.as_ref()).map_err(refused)?;
            parts.extend(made.into_iter().map(|(address, data)| Part { address, data, source: source.clone() }));
            elf = Some(data.into());
        } else if firmware.version.is_some() {
            let hint = "the version of an ELF file can be changed; build the image with another one".to_owned();
            return Err(failed(format!("`version` is of no use: `{source}` is an image, with checksums"), Some(hint)));
        } else {
            let address = address.unwrap_or_else(|| place(&data, board.chip));
            parts.push(Part { address, data, source });
        }
    }
    Ok((parts, elf))
}

/// What is written to flash, with the settings of the bench in their place.
pub(crate) fn with_settings(
    image: ReadImage,
    firmware: &Firmware,
    tap: &TapAddress,
) -> Result<Vec<Region>, BenchError> {
    let ReadImage { parts, layout, .. } = image;
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let name = firmware.name.as_str();
    plan(name, parts, &layout, &filled(firmware, tap)).map_err(|fault| {
        let (reason, hint) = (fault.to_string(), Some(fault.hint()));
        BenchError::Firmware { firmware: name.to_owned(), reason, hint }
    })
}

/// Checks the files of a firmware for a board, before the board is touched.
///
/// # Errors
/// If its files can't be read, can't run on that board, or leave no place for its settings. A board or firmware that
/// the bench does not have is not looked at.
pub fn check_firmware(bench: &hil_config::Bench, board: &str, firmware: &str) -> Result<(), BenchError> {
    let (Some(board), Some(firmware)) = (bench.board(board), bench.firmware(firmware)) else { return Ok(()) };
    if board.kind == BoardKind::Process || firmware.process.is_some() {
        return Ok(());
    }
    let image = read(firmware, board)?;
    // The tap is not open yet: what its address and certificates add to the settings is checked when they are filled
    // in.
    with_settings(image, firmware, &TapAddress::default())?;
    read_scripts(firmware).map(drop)
}

/// Why an ELF file can't be made into an image, and what may help.
type ElfFault = (String, Option<String>);

/// The program with the version that the firmware is given.
fn versioned(mut elf: Vec<u8>, firmware: &Firmware) -> Result<Vec<u8>, ElfFault> {
    if let Some(version) = &firmware.version {
        descriptor::set_version(&mut elf, version).map_err(|found| {
            let reason = format!("its version can't be changed: it has {found} app descriptors");
            (reason, Some("programs of ESP-IDF, Arduino and esp-hal have one".to_owned()))
        })?;
    }
    Ok(elf)
}

/// Bootloader, partition table and app, as espflash makes them.
fn regions_of_elf(elf: &[u8], board: &Board, partitions: Option<&Partitions>) -> Result<Vec<(u32, Vec<u8>)>, ElfFault> {
    let whole = |reason: String| (reason, Some("is it the whole file that the linker wrote?".to_owned()));
    let table = |reason: String| (reason, Some("ESP-IDF's `gen_esp32part.py` shows what is in it".to_owned()));
    let chip = chip_of(board.chip).ok_or_else(|| {
        let reason = format!("an ELF file can't be made into an image for the {}", board.chip.word());
        (reason, Some("give its `.bin` files at their offsets".to_owned()))
    })?;
    check_elf(elf, board)?;
    let (partitions, two_slots) = match partitions {
        Some(Partitions::File(path)) => (Some(path.as_path()), false),
        Some(Partitions::TwoSlots) => (None, true),
        None => (None, false),
    };
    if let Some(path) = partitions {
        check_partitions(path).map_err(table)?;
    }
    let data = FlashData::new(flash_settings(board), 0, None, chip, chip.default_xtal_frequency());
    // The crates that read ELF files and partition tables panic on some that are broken.
    let made = guarded(|| {
        let image = IdfBootloaderFormat::new(elf, &data, partitions, None, None, None)?;
        let segments = image.flash_segments().map(|segment| (segment.addr, segment.data.into_owned()));
        // The app is where the first slot begins: espflash's own table has its factory app there.
        let in_slots = |(address, data)| match two_slots && address == TABLE_AT {
            true => (address, hil_virtual_board::image::PartitionTable::two_ota_apps().encode()),
            false => (address, data),
        };
        Ok(segments.map(in_slots).collect())
    });
    match (made, partitions) {
        (Ok(made), _) => made.map_err(|error: espflash::Error| whole(error.to_string())),
        (Err(_), Some(path)) => {
            Err(table(format!("espflash can't make an image of it with the partition table `{}`", path.display())))
        }
        (Err(panicked), None) => Err(whole(format!("espflash can't make an image of it: {panicked}"))),
    }
}

/// For the flash of an emulated board, whose size is known; else for the usual one.
fn flash_settings(board: &Board) -> FlashSettings {
    let size = match board.emulator.as_ref().map(|emulator| emulator.flash_size >> 20) {
        Some(2) => Some(FlashSize::_2Mb),
        Some(4) => Some(FlashSize::_4Mb),
        Some(8) => Some(FlashSize::_8Mb),
        Some(16) => Some(FlashSize::_16Mb),
        Some(32) => Some(FlashSize::_32Mb),
        _ => None,
    };
    FlashSettings::new(None, size, None)
}

/// Refuses a program for another chip: for the other CPU family, or for another chip according to esp-hal's metadata.
fn check_elf(elf: &[u8], board: &Board) -> Result<(), ElfFault> {
    /// `e_machine`: `EM_XTENSA` and `EM_RISCV`.
    const XTENSA: u16 = 94;
    const RISCV: u16 = 243;
    let wanted = match board.chip {
        Chip::Esp8266 | Chip::Esp32 | Chip::Esp32s2 | Chip::Esp32s3 => XTENSA,
        _ => RISCV,
    };
    /// `e_type`: `ET_EXEC`; and `EI_CLASS`.
    const EXECUTABLE: [u8; 2] = [2, 0];
    const OF_32_BITS: u8 = 1;
    const OF_64_BITS: u8 = 2;
    let machine = elf.get(18..20).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
    let found = match machine {
        Some(XTENSA) if wanted != XTENSA => "an Xtensa CPU".to_owned(),
        Some(RISCV) if wanted != RISCV => "a RISC-V CPU".to_owned(),
        Some(XTENSA | RISCV) => {
            let named = guarded(|| Metadata::from_bytes(Some(elf)).chip_name().map(str::to_owned)).ok().flatten();
            match named.as_deref().and_then(Chip::named) {
                Some(chip) if chip != board.chip => format!("the {}", chip.word()),
                _ if elf.get(16..18) != Some(&EXECUTABLE) => {
                    let hint = "name the file that the linker wrote, not an object file or a library";
                    return Err(("it is not a linked program".to_owned(), Some(hint.to_owned())));
                }
                _ => return Ok(()),
            }
        }
        Some(other) => match elf.get(4) {
            Some(&OF_32_BITS) => format!("another CPU (ELF machine {other})"),
            Some(&OF_64_BITS) => "a CPU of 64 bits".to_owned(),
            // Broken, as a file that is cut short: espflash says so.
            _ => return Ok(()),
        },
        None => return Ok(()),
    };
    let (name, chip) = (board.name.as_str(), board.chip.word());
    let hint = format!("build it for the `{chip}`, or correct `boards.{name}.chip`");
    Err((format!("it is made for {found}, and board `{name}` has an {chip}"), Some(hint)))
}

/// Refuses the files on which the reader of espflash panics.
fn check_partitions(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let bytes = hil_files::read(path, Links::Follow, LARGEST_TEXT)
        .map_err(|error| format!("can't read its partition table `{shown}`: {error}"))?;
    if bytes.len() < 2 {
        return Err(format!("its partition table `{shown}` is empty"));
    }
    if bytes.starts_with(&ENTRY_MAGIC) {
        let read = partitions::read(&bytes);
        let read = read.map_err(|fault| format!("its partition table `{shown}` is broken: {fault}"))?;
        if let Some(unknown) = read.iter().find(|partition| !partition.is_known_to_espflash()) {
            let (label, kind, subkind) = (&unknown.label, unknown.kind, unknown.subkind);
            return Err(format!(
                "its partition table `{shown}` gives `{label}` the type {kind:#04x} and the subtype {subkind:#04x}, which espflash does not support"
            ));
        }
    }
    Ok(())
}

fn filled(firmware: &Firmware, tap: &TapAddress) -> Settings {
    let settings = firmware.nvs.iter().map(|(key, value)| {
        let value = match value {
            NvsValue::Text(text) => NvsValue::Text(tap.fill(text)),
            NvsValue::Number(kind, NvsNumber::Port(port)) => {
                NvsValue::Number(*kind, NvsNumber::Is(tap.port_of(*port).into()))
            }
            other => other.clone(),
        };
        (key.clone(), value)
    });
    settings.collect()
}

/// There is no such built-in image.
fn unknown_image(firmware: &Firmware, name: &str, known: String) -> BenchError {
    let (firmware, reason) = (firmware.name.to_string(), format!("there is no built-in image `{name}`"));
    BenchError::Firmware { firmware, reason, hint: Some(known) }
}
