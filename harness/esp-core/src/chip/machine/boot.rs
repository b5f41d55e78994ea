//! From a setup to a machine that is about to execute the app's first instruction.

use std::collections::HashMap;

use super::{Machine, Trap};
use crate::chip::boot_error::BootError;
use crate::chip::cache::FLASH_PAGE;
use crate::chip::console::Console;
use crate::chip::hardware::{Build, Hardware};
use crate::chip::image::{Image, Segment};
use crate::chip::rom;
use crate::chip::setup::Setup;
use crate::chip::wifi::{self, Wifi};
use crate::{Bus as _, Cpu, Elf};

/// Where code of the program can be.
const CODE: [std::ops::Range<u32>; 2] = [0x4037_c000..0x403e_0000, 0x4200_0000..0x4280_0000];

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
        for segment in &image.segments {
            load(&mut hardware, segment)?;
        }
        let elf = elf.as_ref();
        if elf.is_some_and(|elf| !is_of(elf, image.entry, &hardware)) {
            return Err(BootError::OtherElf);
        }
        let mut cpu = Cpu::new(image.entry);
        let traps = traps(elf);
        traps.keys().for_each(|address| cpu.trap_at(*address));
        Ok(Self {
            cpu,
            expected: hardware.now(),
            hardware,
            traps,
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
fn traps(elf: Option<&Elf>) -> HashMap<u32, (Trap, String)> {
    let models: HashMap<_, _> = rom::models().copied().collect();
    let rom = rom::names().map(|(name, address)| {
        let trap = models.get(name).map_or(Trap::RomWithout, |model| Trap::Rom(*model));
        (address, (trap, name.to_owned()))
    });
    let symbols = elf.into_iter().flat_map(Elf::symbols);
    let radio = symbols.filter(|(_, address)| CODE.iter().any(|range| range.contains(address)));
    let radio = radio.filter_map(|(name, address)| {
        let trap = wifi::function(name)?.map_or(Trap::RadioWithout, Trap::Wifi);
        Some((address, (trap, name.to_owned())))
    });
    rom.chain(radio).collect()
}
