//! The OTA data: which slot the bootloader starts.
//!
//! Two entries, each in a sector of its own, as ESP-IDF has them (`esp_ota_select_entry_t` in `esp_flash_partitions.h`).
//! The crate `esp-bootloader-esp-idf` 0.6 has them too (`ota::Ota`), and is not used for three reasons: it reads no OTA
//! data of which a power cut has broken an entry, so that a lamp could not be updated after that; it changes the number
//! and the state of an entry in two writes, between which the new number has an old state; and it takes the entry with
//! the highest number for the running program, also when the bootloader fell back to the other one.

use esp_nvs::platform::software_crc32;

/// Bytes of an entry.
pub(super) const ENTRY: usize = 32;
const STATE_AT: usize = 24;
const CRC_AT: usize = 28;

/// `esp_ota_img_states_t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    New,
    PendingVerify,
    Valid,
    Invalid,
    Aborted,
    Undefined,
}

impl State {
    const ALL: [(Self, u32); 6] = [
        (Self::New, 0),
        (Self::PendingVerify, 1),
        (Self::Valid, 2),
        (Self::Invalid, 3),
        (Self::Aborted, 4),
        (Self::Undefined, u32::MAX),
    ];
}

/// An entry that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Counts the updates, from 1; it also says the slot.
    pub(super) sequence: u32,
    pub(super) state: State,
}

impl Entry {
    /// None if it is erased or broken.
    pub(super) fn read(bytes: &[u8; ENTRY]) -> Option<Self> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let sequence = word(0);
        if sequence == 0 || sequence == u32::MAX || word(CRC_AT) != crc(sequence) {
            return None;
        }
        let (state, _) = State::ALL.into_iter().find(|(_, number)| *number == word(STATE_AT))?;
        Some(Self { sequence, state })
    }

    pub(super) fn bytes(self) -> [u8; ENTRY] {
        let state = State::ALL.into_iter().find(|(state, _)| *state == self.state);
        let state = state.map_or(u32::MAX, |(_, number)| number);
        let mut bytes = [0xff; ENTRY];
        bytes[..4].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[STATE_AT..CRC_AT].copy_from_slice(&state.to_le_bytes());
        bytes[CRC_AT..].copy_from_slice(&crc(self.sequence).to_le_bytes());
        bytes
    }

    /// Which of two slots it means.
    pub(super) fn slot(self) -> usize {
        usize::from(self.sequence.is_multiple_of(2))
    }
}

/// Both entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OtaData(pub(super) [Option<Entry>; 2]);

impl OtaData {
    /// The entry of a slot that counts, and its place: the newest, if both mean it.
    pub(super) fn of(&self, slot: usize) -> Option<(usize, Entry)> {
        let entries = self.0.iter().enumerate().filter_map(|(place, entry)| Some((place, (*entry)?)));
        entries.filter(|(_, entry)| entry.slot() == slot).max_by_key(|(_, entry)| entry.sequence)
    }

    /// The entry that counts of both.
    pub(super) fn newest(&self) -> Option<Entry> {
        self.0.into_iter().flatten().max_by_key(|entry| entry.sequence)
    }

    /// The entry that chooses a slot, and its place: never that of the program that runs, which must stay whole until
    /// the new one is confirmed.
    pub(super) fn choosing(&self, slot: usize, running: usize) -> (usize, Entry) {
        let highest = self.newest().map_or(0, |entry| entry.sequence);
        let mut entry = Entry { sequence: highest + 1, state: State::New };
        if entry.slot() != slot {
            entry.sequence += 1;
        }
        let kept = self.of(running).map(|(place, _)| place);
        let free = || self.0.iter().position(Option::is_none).unwrap_or(0);
        (kept.map_or_else(free, |kept| 1 - kept), entry)
    }
}

/// The ROM's `crc32_le` with an initial value of all ones, as the bootloader calls it.
fn crc(sequence: u32) -> u32 {
    software_crc32(u32::MAX, &sequence.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(sequence: u32, state: State) -> Option<Entry> {
        Some(Entry { sequence, state })
    }

    #[test]
    fn an_entry_has_the_bytes_of_esp_idfs_tool() {
        // `otatool.py switch_ota_partition --slot 0`.
        let bytes = Entry { sequence: 1, state: State::Undefined }.bytes();
        assert_eq!((&bytes[..4], &bytes[28..]), (&[1, 0, 0, 0][..], &[0x9a, 0x98, 0x43, 0x47][..]));
        assert!(bytes[4..28].iter().all(|byte| *byte == 0xff));
        assert_eq!(Entry::read(&bytes), entry(1, State::Undefined));
    }

    #[test]
    fn a_broken_or_erased_entry_is_none() {
        let mut bytes = Entry { sequence: 7, state: State::Valid }.bytes();
        bytes[0] ^= 1;
        assert_eq!((Entry::read(&bytes), Entry::read(&[0xff; 32]), Entry::read(&[0; 32])), (None, None, None));
    }

    #[test]
    fn the_running_programs_entry_stays() {
        let running = |slot: usize, entries| OtaData(entries).choosing(1 - slot, slot);
        let new = |sequence| Entry { sequence, state: State::New };
        assert_eq!(running(0, [None, None]), (0, new(2)));
        assert_eq!(running(0, [entry(1, State::Valid), None]), (1, new(2)));
        assert_eq!(running(1, [entry(1, State::Valid), entry(2, State::Valid)]), (0, new(3)));
        // The bootloader fell back to slot 0, or took slot 1 back.
        assert_eq!(running(0, [entry(1, State::Valid), entry(2, State::Aborted)]), (1, new(4)));
        // A cut has broken the entry that was written last.
        assert_eq!(running(0, [None, entry(3, State::Valid)]), (0, new(4)));
        assert_eq!(running(1, [None, entry(1, State::Valid)]), (0, new(3)));
    }
}
