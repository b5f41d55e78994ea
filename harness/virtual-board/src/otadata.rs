//! Which app the second-stage bootloader starts, according to partition table and OTA data.
//!
//! Follows ESP-IDF, `bootloader_utility.c` and `bootloader_common_loader.c`, with the roll back of apps that do not confirm
//! themselves (`CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE`).

use crate::flash::{Flash, SECTOR};
use crate::image::{Partition, PartitionTable};

/// `esp_ota_select_entry_t`: sequence number, label, state, CRC of the sequence number.
const ENTRY: usize = 32;
const STATE_AT: usize = 24;
const CRC_AT: usize = 28;
const ERASED: u32 = u32::MAX;

/// `esp_ota_img_states_t`.
mod state {
    pub(super) const NEW: u32 = 0;
    pub(super) const PENDING_VERIFY: u32 = 1;
    pub(super) const VALID: u32 = 2;
    pub(super) const INVALID: u32 = 3;
    pub(super) const ABORTED: u32 = 4;
}

/// An app to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// The factory app.
    Factory,
    /// An OTA app, by slot.
    Ota(usize),
    /// The test app.
    Test,
}

impl Slot {
    /// The bootloader's name for it in error messages.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Factory => "Factory app partition".to_owned(),
            Self::Ota(index) => format!("OTA app partition slot {index}"),
            Self::Test => "Test app partition".to_owned(),
        }
    }
}

/// The apps of a partition table (`bootloader_state_t`).
#[derive(Debug)]
pub(crate) struct Apps<'a> {
    factory: Option<&'a Partition>,
    test: Option<&'a Partition>,
    ota: Vec<&'a Partition>,
    info: Option<&'a Partition>,
}

/// The bootloader's choice.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Its log message: level and text.
    pub(crate) said: Option<(char, &'static str)>,
    /// The slot to try first; none for the factory app.
    start: Option<usize>,
    /// There was no OTA data: the started app is written there.
    is_initial: bool,
}

impl<'a> Apps<'a> {
    pub(crate) fn of(table: &'a PartitionTable) -> Self {
        let mut ota: Vec<_> = table.0.iter().filter(|partition| partition.ota_slot().is_some()).collect();
        // As in the bootloader, whose list is ordered by slot.
        ota.sort_by_key(|partition| partition.ota_slot());
        let find = |is: fn(&Partition) -> bool| table.0.iter().find(|partition| is(partition));
        Self {
            factory: find(Partition::is_factory_app),
            test: find(Partition::is_test_app),
            ota,
            info: find(Partition::is_ota_data),
        }
    }

    /// Reads and updates the OTA data: an app that was on trial at the last reset is rolled back, a new one goes on
    /// trial. None if it can't be read.
    pub(crate) fn choose(&self, flash: &Flash) -> Option<Choice> {
        let factory = |said| Choice { said, start: None, is_initial: false };
        let Some(info) = self.info else { return Some(factory(None)) };
        let base = usize::try_from(info.offset).ok()?;
        let mut entries = [Entry::read(flash, base)?, Entry::read(flash, base + SECTOR)?];
        for (n, entry) in entries.iter_mut().enumerate() {
            if entry.state == state::PENDING_VERIFY {
                entry.state = state::ABORTED;
                entry.write(flash, base + n * SECTOR);
            }
        }
        if entries.iter().all(Entry::is_out) || self.ota.is_empty() {
            return Some(match self.factory {
                Some(_) => factory(Some(('I', "Defaulting to factory image"))),
                None => Choice {
                    said: Some(('I', "No factory image, trying OTA 0")),
                    start: Some(0),
                    is_initial: entries.iter().all(|entry| entry.sequence == ERASED || !entry.holds()),
                },
            });
        }
        let valid = (0..2).filter(|n| !entries[*n].is_out() && entries[*n].holds());
        let Some(active) = valid.max_by_key(|n| (entries[*n].sequence, std::cmp::Reverse(*n))) else {
            return Some(factory(Some(match self.factory {
                Some(_) => ('E', "ota data partition invalid, falling back to factory"),
                None => ('E', "ota data partition invalid and no factory, will try all partitions"),
            })));
        };
        let entry = &mut entries[active];
        if entry.state == state::NEW {
            entry.state = state::PENDING_VERIFY;
            entry.write(flash, base + active * SECTOR);
        }
        // Sequence numbers start at 1 and exceed the number of slots.
        let slot = usize::try_from(entry.sequence.wrapping_sub(1)).ok()? % self.ota.len();
        Some(Choice { said: None, start: Some(slot), is_initial: false })
    }

    /// The order in which the apps are tried: from the chosen one down to the factory app, then upwards, then the
    /// test app.
    pub(crate) fn tried(&self, choice: &Choice) -> Vec<(Slot, &'a Partition)> {
        let count = choice.start.map_or(0, |start| start + 1).min(self.ota.len());
        let ota = |index: usize| (Slot::Ota(index), self.ota[index]);
        let down = (0..count).rev().map(ota);
        let factory = self.factory.map(|partition| (Slot::Factory, partition));
        let up = (count..self.ota.len()).map(ota);
        let test = self.test.map(|partition| (Slot::Test, partition));
        down.chain(factory).chain(up).chain(test).collect()
    }

    /// Writes the started app if there was no OTA data.
    pub(crate) fn note_started(&self, flash: &Flash, choice: &Choice, slot: Slot) -> Option<String> {
        let Slot::Ota(index) = slot else { return None };
        let base = usize::try_from(self.info.filter(|_| choice.is_initial)?.offset).ok()?;
        let sequence = u32::try_from(index + 1).ok()?;
        let entry = Entry { sequence, state: state::VALID, crc: crc(sequence), raw: [0xff; ENTRY] };
        entry.write(flash, base);
        Some(format!("Set actual ota_seq={sequence} in otadata[0]"))
    }
}

#[derive(Debug)]
struct Entry {
    sequence: u32,
    state: u32,
    crc: u32,
    /// As it was read, with the label.
    raw: [u8; ENTRY],
}

impl Entry {
    fn read(flash: &Flash, at: usize) -> Option<Self> {
        let raw: [u8; ENTRY] = flash.read(at, ENTRY)?.try_into().ok()?;
        let word = |at: usize| u32::from_le_bytes([raw[at], raw[at + 1], raw[at + 2], raw[at + 3]]);
        Some(Self { sequence: word(0), state: word(STATE_AT), crc: word(CRC_AT), raw })
    }

    /// `write_otadata`: erases the sector first.
    fn write(&self, flash: &Flash, at: usize) {
        let mut bytes = self.raw;
        bytes[..4].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[STATE_AT..CRC_AT].copy_from_slice(&self.state.to_le_bytes());
        bytes[CRC_AT..].copy_from_slice(&self.crc.to_le_bytes());
        // It was read from there, so it can be written there.
        let _ = flash.erase(at, SECTOR) && flash.program(at, &bytes);
    }

    /// `bootloader_common_ota_select_invalid`.
    fn is_out(&self) -> bool {
        self.sequence == ERASED || matches!(self.state, state::INVALID | state::ABORTED)
    }

    fn holds(&self) -> bool {
        self.crc == crc(self.sequence)
    }
}

/// The ROM's `crc32_le` with an initial value of all ones.
fn crc(sequence: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(u32::MAX);
    hasher.update(&sequence.to_le_bytes());
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: usize = 0xe000;

    fn table(factory: bool) -> PartitionTable {
        let partition = |kind, subkind, offset, label: &str| Partition {
            kind,
            subkind,
            offset,
            size: 0x10_0000,
            label: label.to_owned(),
        };
        let mut all = vec![
            partition(1, 0, 0xe000, "otadata"),
            partition(0, 0x11, 0x21_0000, "ota_1"),
            partition(0, 0x10, 0x11_0000, "ota_0"),
        ];
        all.extend(factory.then(|| partition(0, 0, 0x1_0000, "factory")));
        PartitionTable(all)
    }

    /// Writes two entries, as (sequence, state); none leaves it erased.
    fn flash(entries: [Option<(u32, u32)>; 2]) -> Flash {
        let flash = Flash::erased(false).expect("flash");
        for (n, entry) in entries.into_iter().enumerate() {
            let Some((sequence, state)) = entry else { continue };
            let entry = Entry { sequence, state, crc: crc(sequence), raw: [0xff; ENTRY] };
            entry.write(&flash, INFO + n * SECTOR);
        }
        flash
    }

    fn states(flash: &Flash) -> [u32; 2] {
        [0, 1].map(|n| Entry::read(flash, INFO + n * SECTOR).expect("read").state)
    }

    fn order(flash: &Flash, factory: bool) -> Vec<Slot> {
        let table = table(factory);
        let apps = Apps::of(&table);
        let choice = apps.choose(flash).expect("chosen");
        apps.tried(&choice).into_iter().map(|(slot, _)| slot).collect()
    }

    #[test]
    fn the_crc_is_that_of_the_rom() {
        // `otatool.py switch_ota_partition --slot 0` writes these bytes.
        assert_eq!(crc(1), 0x4743_989a);
    }

    #[test]
    fn erased_ota_data_starts_the_factory_app_or_else_slot_0_and_writes_that_down() {
        let fresh = flash([None, None]);
        assert_eq!(order(&fresh, true), [Slot::Factory, Slot::Ota(0), Slot::Ota(1)]);
        assert_eq!(order(&fresh, false), [Slot::Ota(0), Slot::Ota(1)]);
        let table = table(false);
        let apps = Apps::of(&table);
        let choice = apps.choose(&fresh).expect("chosen");
        let said = apps.note_started(&fresh, &choice, Slot::Ota(1));
        assert_eq!(said.as_deref(), Some("Set actual ota_seq=2 in otadata[0]"));
        assert_eq!(order(&fresh, false), [Slot::Ota(1), Slot::Ota(0)]);
    }

    #[test]
    fn the_higher_sequence_number_is_started_and_counts_round_the_slots() {
        assert_eq!(order(&flash([Some((1, state::VALID)), Some((2, state::VALID))]), true)[0], Slot::Ota(1));
        assert_eq!(order(&flash([Some((3, state::VALID)), Some((2, state::VALID))]), true)[0], Slot::Ota(0));
        let last = order(&flash([None, Some((2, ERASED))]), true);
        assert_eq!(last, [Slot::Ota(1), Slot::Ota(0), Slot::Factory]);
    }

    #[test]
    fn a_new_app_is_on_trial_for_one_boot_and_then_rolled_back() {
        let flash = flash([Some((1, state::VALID)), Some((2, state::NEW))]);
        assert_eq!((order(&flash, true)[0], states(&flash)), (Slot::Ota(1), [state::VALID, state::PENDING_VERIFY]));
        assert_eq!((order(&flash, true)[0], states(&flash)), (Slot::Ota(0), [state::VALID, state::ABORTED]));
    }

    #[test]
    fn invalid_and_aborted_apps_are_skipped_and_broken_entries_fall_back() {
        for state in [state::INVALID, state::ABORTED] {
            assert_eq!(order(&flash([Some((1, state::VALID)), Some((2, state))]), true)[0], Slot::Ota(0));
            assert_eq!(order(&flash([Some((1, state)), Some((2, state))]), true)[0], Slot::Factory);
        }
        let broken = flash([Some((1, state::VALID)), None]);
        assert!(broken.program(INFO + CRC_AT, &[0]));
        assert_eq!(order(&broken, true)[0], Slot::Factory);
        assert_eq!(order(&broken, false), [Slot::Ota(0), Slot::Ota(1)]);
    }
}
