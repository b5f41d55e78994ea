//! What a machine is made of.

use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;

use super::boot_error::BootError;
use super::events::{AccessPoint, ResetCause};
use super::flash::{Flash, MemoryFlash};
use super::image::Image;
use super::rtc::Kept;
use crate::elf::Elf;

/// Where [`Setup::from_elf`] puts the app.
const APP: u32 = 0x1_0000;
const FLASH_SIZE: u32 = 0x40_0000;
/// How the boot loader's image begins: programs read in it that the flash has 4 MiB.
const BOOT_LOADER: [u8; 4] = [0xe9, 0, 2, 0x20];
/// What the strapping pins say for a boot from flash.
const BOOT_FROM_FLASH: u8 = 0x0c;

/// What stays when the chip resets itself: RTC memory and the registers beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    pub(super) memory: Vec<u8>,
    pub(super) registers: Kept,
}

/// What a machine is made of.
pub struct Setup {
    /// The flash chip.
    pub flash: Box<dyn Flash + Send>,
    /// Where the partition with the app's image is in flash.
    pub app: Range<u32>,
    /// The ELF file that the image was made from, with symbols: needed for Wi-Fi.
    pub elf: Option<Vec<u8>>,
    /// The chip's mask ROM as an ELF file: its code runs where a ROM function has no model.
    pub rom: Option<Vec<u8>>,
    /// The MAC address in the eFuses, which the station has.
    pub mac: [u8; 6],
    /// Why the chip starts.
    pub reset_cause: ResetCause,
    /// What stayed of the run before, unless the supply was cut.
    pub retained: Retained,
    /// The access points that can be heard.
    pub access_points: Vec<AccessPoint>,
    /// What the strapping register reads.
    pub strap: u8,
    /// Whether a host is connected to the USB console.
    pub usb: bool,
    /// Where random numbers begin.
    pub seed: u64,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Setup")
            .field("app", &self.app)
            .field("mac", &self.mac)
            .field("reset_cause", &self.reset_cause)
            .finish_non_exhaustive()
    }
}

impl Setup {
    /// A chip whose supply comes, with this flash and the app in this part of it.
    #[must_use]
    pub fn new(flash: Box<dyn Flash + Send>, app: Range<u32>) -> Self {
        Self {
            flash,
            app,
            elf: None,
            rom: None,
            mac: [0x02, 0, 0, 0, 0, 1],
            reset_cause: ResetCause::PowerOn,
            retained: Retained::default(),
            access_points: Vec::new(),
            strap: BOOT_FROM_FLASH,
            usb: false,
            seed: RandomState::new().hash_one(0),
        }
    }

    /// A chip with 4 MiB of flash that has this program as its app, at 0x10000, and beside it only the
    /// header of a boot loader.
    ///
    /// # Errors
    ///
    /// When the file is not a program for the processor, or larger than the flash.
    pub fn from_elf(file: Vec<u8>) -> Result<Self, BootError> {
        let image = Image::from_elf(&Elf::read(&file)?);
        let mut flash = MemoryFlash::new(FLASH_SIZE);
        let place = flash.bytes_mut().get_mut(APP as usize..APP as usize + image.len());
        place.ok_or(BootError::Truncated)?.copy_from_slice(&image);
        flash.bytes_mut()[..BOOT_LOADER.len()].copy_from_slice(&BOOT_LOADER);
        Ok(Self { elf: Some(file), ..Self::new(Box::new(flash), APP..FLASH_SIZE) })
    }
}
