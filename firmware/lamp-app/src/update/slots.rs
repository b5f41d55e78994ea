//! The flash of a lamp that takes updates.

use alloc::format;
use alloc::string::String;
use core::ops::Range;

use embedded_storage::nor_flash::NorFlash;
use sha2::{Digest as _, Sha256};

use super::otadata::{ENTRY, Entry, OtaData, State};

/// Bytes of a sector.
pub(super) const SECTOR: u32 = 4096;
/// What is erased at once: faster than sector by sector.
const BLOCK: u32 = 0x1_0000;

/// Where things are in flash. Ranges begin and end at a sector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Where the OTA data begin.
    pub otadata: u32,
    /// The two slots, `ota_0` first.
    pub slots: [Range<u32>; 2],
    /// Which of them the program runs in.
    pub running: usize,
}

/// What a lamp needs to take updates.
#[derive(Debug)]
pub struct Updates<F> {
    /// The whole flash.
    pub flash: F,
    /// Its parts.
    pub layout: Layout,
    /// The version of the program that runs.
    pub version: String,
    /// The name of the project, which an update must have too.
    pub project: String,
    /// The number of the chip that an update must be for (ESP-IDF, `esp_chip_id_t`).
    pub chip: u16,
    /// How long a new program may take to reach its broker, in milliseconds, until it gives the old one its place back.
    pub trial_ms: u64,
}

impl<F: NorFlash> Updates<F> {
    pub(super) fn other(&self) -> usize {
        1 - self.layout.running
    }

    pub(super) fn otadata(&mut self) -> Result<OtaData, String> {
        let mut entries = [None; 2];
        for (entry, at) in entries.iter_mut().zip([0, SECTOR]) {
            let mut bytes = Words::<ENTRY>([0; ENTRY]);
            read(&mut self.flash, self.layout.otadata + at, &mut bytes.0)?;
            *entry = Entry::read(&bytes.0);
        }
        Ok(OtaData(entries))
    }

    /// Erases the sector of an entry and writes it.
    fn write_entry(&mut self, place: usize, entry: Entry) -> Result<(), String> {
        let at = self.layout.otadata + if place == 0 { 0 } else { SECTOR };
        erase(&mut self.flash, at, at + SECTOR)?;
        write(&mut self.flash, at, &Words(entry.bytes()).0)
    }

    /// The state of the running program; none without an entry.
    pub(super) fn state(&mut self) -> Result<Option<State>, String> {
        Ok(self.otadata()?.of(self.layout.running).map(|(_, entry)| entry.state))
    }

    /// Gives the running program a state. Without an entry it is not on trial.
    pub(super) fn set_state(&mut self, state: State) -> Result<(), String> {
        match self.otadata()?.of(self.layout.running) {
            Some((place, entry)) => self.write_entry(place, Entry { state, ..entry }),
            None => Ok(()),
        }
    }

    /// Chooses a slot for the next start.
    pub(super) fn choose(&mut self, slot: usize) -> Result<(), String> {
        let (place, entry) = self.otadata()?.choosing(slot, self.layout.running);
        self.write_entry(place, entry)
    }

    pub(super) fn capacity(&self, slot: usize) -> u32 {
        let range = &self.layout.slots[slot];
        range.end - range.start
    }

    /// Writes a part of an image; the first part of a block erases the block. Parts begin at a sector.
    pub(super) fn write_image(&mut self, slot: usize, at: u32, bytes: &[u8]) -> Result<(), String> {
        let range = self.layout.slots[slot].clone();
        if at.is_multiple_of(BLOCK) {
            let from = range.start + at;
            erase(&mut self.flash, from, (from + BLOCK).min(range.end))?;
        }
        write(&mut self.flash, range.start + at, bytes)
    }

    /// What the image in a slot says of itself: its chip, and project and version of its app descriptor (ESP-IDF,
    /// `esp_app_desc_t`, which is first in the first segment).
    pub(super) fn image(&mut self, slot: usize) -> Option<Identity> {
        let mut head = Words::<0x70>([0; 0x70]);
        read(&mut self.flash, self.layout.slots[slot].start, &mut head.0).ok()?;
        Identity::read(&head.0)
    }
}

/// What an image says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) chip: u16,
    pub(super) project: String,
    pub(super) version: String,
}

impl Identity {
    const DESCRIPTOR: usize = 0x20;

    fn read(head: &[u8]) -> Option<Self> {
        let descriptor = head.get(Self::DESCRIPTOR..)?;
        if head[0] != 0xe9 || descriptor.get(..4)? != 0xabcd_5432_u32.to_le_bytes() {
            return None;
        }
        let text = |at: usize| {
            let field = descriptor.get(at..at + 32)?.split(|byte| *byte == 0).next()?;
            core::str::from_utf8(field).ok().map(String::from)
        };
        Some(Self { chip: u16::from_le_bytes([head[12], head[13]]), project: text(48)?, version: text(16)? })
    }
}

/// The hash of a part of the flash, some pieces at a time: it takes a while.
pub(super) struct Hashing {
    hash: Sha256,
    at: u32,
    left: u32,
}

impl Hashing {
    pub(super) fn new<F>(updates: &Updates<F>, slot: usize, length: u32) -> Self {
        Self { hash: Sha256::new(), at: updates.layout.slots[slot].start, left: length }
    }

    /// The hash, once it is done.
    pub(super) fn go_on<F: NorFlash>(&mut self, updates: &mut Updates<F>) -> Result<Option<[u8; 32]>, String> {
        let mut piece = Words::<1024>([0; 1024]);
        for _ in 0..16 {
            if self.left == 0 {
                return Ok(Some(core::mem::take(&mut self.hash).finalize().into()));
            }
            read(&mut updates.flash, self.at, &mut piece.0)?;
            let length = self.left.min(1024);
            self.hash.update(&piece.0[..length as usize]);
            self.at += length;
            self.left -= length;
        }
        Ok(None)
    }
}

/// Bytes that begin at a word: without that, the flash's driver copies them.
#[repr(align(4))]
pub(super) struct Words<const N: usize>(pub(super) [u8; N]);

fn read(flash: &mut impl NorFlash, at: u32, into: &mut [u8]) -> Result<(), String> {
    flash.read(at, into).map_err(|error| format!("flash: {error:?}"))
}

fn erase(flash: &mut impl NorFlash, from: u32, to: u32) -> Result<(), String> {
    flash.erase(from, to).map_err(|error| format!("flash: {error:?}"))
}

fn write(flash: &mut impl NorFlash, at: u32, bytes: &[u8]) -> Result<(), String> {
    flash.write(at, bytes).map_err(|error| format!("flash: {error:?}"))
}
