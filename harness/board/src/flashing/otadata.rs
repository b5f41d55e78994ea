//! Which app the OTA data of an image chooses, and OTA data that chooses one.
//!
//! After ESP-IDF, `bootloader_common_loader.c`.

/// `esp_ota_select_entry_t`, one in each of two sectors.
const ENTRY: usize = 32;
const SECTOR: usize = 0x1000;
const STATE_AT: usize = 24;
const CRC_AT: usize = 28;
/// `ESP_OTA_IMG_VALID`.
const VALID: u32 = 2;

/// The place, among the apps that come over the air, of the one that is chosen; none if nothing is.
pub(super) fn chosen(partition: &[u8], apps: usize) -> Option<usize> {
    let entries = [partition.get(..ENTRY), partition.get(SECTOR..SECTOR + ENTRY)];
    let sequence = entries.into_iter().flatten().filter_map(sequence).max()?;
    usize::try_from(sequence.wrapping_sub(1)).ok()?.checked_rem(apps)
}

/// The number of an entry that counts.
fn sequence(entry: &[u8]) -> Option<u32> {
    let word = |at: usize| u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]);
    let (sequence, state) = (word(0), word(STATE_AT));
    // `ESP_OTA_IMG_INVALID` and `ESP_OTA_IMG_ABORTED`.
    let is_out = sequence == u32::MAX || matches!(state, 3 | 4);
    (!is_out && word(CRC_AT) == crc(sequence)).then_some(sequence)
}

/// OTA data that chooses the app at that place; the bootloader makes the same of erased OTA data once it has started
/// it.
pub(super) fn choosing(place: usize, size: usize) -> Vec<u8> {
    let sequence = u32::try_from(place + 1).unwrap_or(1);
    let mut data = vec![0xff; size];
    let entry = [(0, sequence), (STATE_AT, VALID), (CRC_AT, crc(sequence))];
    for (at, word) in entry {
        if let Some(field) = data.get_mut(at..at + 4) {
            field.copy_from_slice(&word.to_le_bytes());
        }
    }
    data
}

/// The ROM's `crc32_le` begun with all ones.
fn crc(sequence: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(u32::MAX);
    hasher.update(&sequence.to_le_bytes());
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_that_counts_and_has_the_higher_number_chooses() {
        assert_eq!(chosen(&[0xff; 2 * SECTOR], 2), None);
        for place in 0..2 {
            assert_eq!(chosen(&choosing(place, 2 * SECTOR), 2), Some(place));
        }
        let mut both = choosing(0, 2 * SECTOR);
        both[SECTOR..].copy_from_slice(&choosing(1, SECTOR));
        assert_eq!(chosen(&both, 2), Some(1));
        let mut aborted = both.clone();
        aborted[SECTOR + STATE_AT] = 4;
        assert_eq!(chosen(&aborted, 2), Some(0));
        both[SECTOR + CRC_AT] ^= 1;
        assert_eq!(chosen(&both, 2), Some(0));
        assert_eq!(chosen(&both, 0), None, "no app that it could choose");
    }
}
