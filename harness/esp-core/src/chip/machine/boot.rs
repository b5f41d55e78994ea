//! From a setup to a machine that is about to execute the app's first instruction.

use std::collections::HashMap;

use super::{Machine, Trap};
use crate::chip::boot_error::BootError;
use crate::chip::cache::FLASH_PAGE;
use crate::chip::console::Console;
use crate::chip::hardware::{Build, Hardware};
use crate::chip::image::{Image, Segment};
use crate::chip::pace::Pace;
use crate::chip::rom;
use crate::chip::setup::Setup;
use crate::chip::wifi::{self, Wifi};
use crate::{Bus as _, Cpu, Elf};

/// Where code of the program can be.
const CODE: [std::ops::Range<u32>; 2] = [0x4037_c000..0x403e_0000, 0x4200_0000..0x4280_0000];

/// The first word of an app's descriptor, and where the version of ESP-IDF is in it.
const DESCRIPTOR_MAGIC: u32 = 0xabcd_5432;
const DESCRIPTOR_IDF: u32 = 112;
/// Where the boot loader leaves the stack pointer: it runs on the ROM's stack. ESP-IDF begins on it, esp-hal has its own.
const STACK: u32 = 0x3fcd_e600;

impl Machine {
    /// Makes a machine whose boot loader has just started the app.
    ///
    /// # Errors
    ///
    /// When there is no image that can run, or the flash or the ELF file can't be read.
    pub fn boot(setup: Setup) -> Result<Self, BootError> {
        let size = setup.flash.size();
        if !size.is_power_of_two() || !(0x1_0000..=0x100_0000).contains(&size) {
            return Err(BootError::FlashSize { size });
        }
        let image = Image::read(&*setup.flash, &setup.app)?;
        let elf = setup.elf.as_deref().map(Elf::read).transpose()?;
        let wifi = Wifi::new(setup.access_points, setup.mac);
        let mut hardware = Hardware::new(Build {
            flash: setup.flash,
            mac: setup.mac,
            cause: setup.reset_cause,
            strap: u32::from(setup.strap),
            usb: setup.usb,
            seed: setup.seed,
            kept: setup.retained.registers,
            rtc_memory: &setup.retained.memory,
        })?;
        let rom = setup.rom.as_deref().map(Elf::read).transpose()?;
        if let Some(rom) = &rom {
            hardware.load_rom(rom).map_err(std::io::Error::other)?;
        }
        for segment in &image.segments {
            load(&mut hardware, segment)?;
        }
        let idf = idf_version(&image, &hardware);
        let elf = elf.as_ref();
        if elf.is_some_and(|elf| !is_of(elf, image.entry, &hardware)) {
            return Err(BootError::OtherElf);
        }
        let mut cpu = Cpu::new(image.entry);
        cpu.set_register(2, STACK);
        // The hooks in the Wi-Fi driver know esp-radio's way to call it, and not ESP-IDF's.
        let traps = traps(elf.filter(|_| idf.is_none()), rom.as_ref());
        traps.keys().for_each(|address| cpu.trap_at(*address));
        Ok(Self {
            cpu,
            expected: hardware.now(),
            pace: Pace::default(),
            hardware,
            traps,
            idf,
            has_symbols: elf.is_some_and(|elf| !elf.is_stripped()),
            analogue: HashMap::new(),
            wifi,
            calls: Vec::new(),
            console: Console::default(),
            idle: false,
            delay: None,
            busy: None,
        })
    }
}

/// Puts a segment where the program expects it.
fn load(hardware: &mut Hardware, segment: &Segment) -> Result<(), BootError> {
    let missing = BootError::NoMemory { address: segment.address };
    if segment.is_mapped() {
        if segment.address % FLASH_PAGE != segment.from % FLASH_PAGE {
            return Err(missing);
        }
        let pages = (segment.from % FLASH_PAGE + segment.len).div_ceil(FLASH_PAGE);
        for page in 0..pages {
            hardware.map_flash(segment.address + page * FLASH_PAGE, segment.from + page * FLASH_PAGE);
        }
        return Ok(());
    }
    let bytes = hardware.read_flash(segment.from, segment.len).ok_or(BootError::Truncated)?;
    hardware.memory_mut().write(segment.address, &bytes).map_err(|_| missing)
}

/// The version of ESP-IDF that an app was built with, from its descriptor: `v5.5.2`. None for a program of esp-hal, whose
/// descriptor has only a number there.
fn idf_version(image: &Image, hardware: &Hardware) -> Option<String> {
    let descriptor = image.segments.iter().find(|segment| segment.is_mapped())?.address;
    if hardware.memory().word(descriptor) != Ok(DESCRIPTOR_MAGIC) {
        return None;
    }
    let mut version = [0; 32];
    hardware.memory().read(descriptor + DESCRIPTOR_IDF, &mut version).ok()?;
    let version = String::from_utf8_lossy(version.split(|byte| *byte == 0).next()?).into_owned();
    version.starts_with('v').then_some(version)
}

/// Whether an ELF file is of the program that is in memory: same entry, and the code there is the same.
fn is_of(elf: &Elf, entry: u32, hardware: &Hardware) -> bool {
    let same = |part: &crate::Part| {
        let mut loaded = vec![0; part.bytes.len()];
        hardware.memory().read(part.address, &mut loaded).is_ok() && loaded == part.bytes
    };
    let code = elf.segments().iter().filter(|part| CODE.iter().any(|range| range.contains(&part.address)));
    elf.entry() == entry && code.into_iter().all(same)
}

/// What is to happen at which address.
fn traps(elf: Option<&Elf>, rom: Option<&Elf>) -> HashMap<u32, (Trap, String)> {
    let symbols = elf.into_iter().flat_map(Elf::symbols);
    let driver = symbols.filter(|(_, address)| CODE.iter().any(|range| range.contains(address)));
    let driver = driver.filter_map(|(name, address)| {
        let trap = wifi::function(name)?.map_or(Trap::RadioWithout, Trap::Wifi);
        Some((address, (trap, name.to_owned())))
    });
    rom_traps(rom).into_iter().chain(driver).collect()
}

/// The same for the ROM. What has no model there runs, if there is a ROM, unless it is a part of the radio's driver.
fn rom_traps(rom: Option<&Elf>) -> HashMap<u32, (Trap, String)> {
    let models: HashMap<_, _> = rom::models().copied().collect();
    let mut all: Vec<(&str, u32)> = rom::names().collect();
    for (name, address) in rom.into_iter().flat_map(Elf::symbols).filter(|(_, address)| rom::RADIO.contains(address)) {
        all.extend(name.strip_prefix(rom::ENTRY_PREFIX).map(|name| (name, address)));
    }
    let traps = all.into_iter().filter_map(|(name, address)| {
        let trap = match models.get(name) {
            Some(model) => Trap::Rom(*model),
            None if rom.is_none() || rom::RADIO.contains(&address) => Trap::RomWithout,
            None => return None,
        };
        Some((address, (trap, name.to_owned())))
    });
    traps.collect()
}
