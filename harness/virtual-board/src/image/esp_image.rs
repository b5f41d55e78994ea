//! The image format of ROM, bootloader and app: header, segments, checksum, SHA-256.

use sha2::{Digest as _, Sha256};

const MAGIC: u8 = 0xe9;
const CHECKSUM_SEED: u8 = 0xef;
const HEADER: usize = 24;
const SEGMENT_HEADER: usize = 8;
const CHIP_ID_AT: usize = 12;
const HASH_APPENDED_AT: usize = 23;
const HASH: usize = 32;
const MOST_SEGMENTS: u8 = 16;
/// ESP32-C3 (`esp_chip_id_t`).
const ESP32C3: u16 = 5;

/// A part of an image with its load or map address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its address.
    pub address: u32,
    /// Its bytes; the length is a multiple of 4.
    pub data: Vec<u8>,
}

/// An image for an ESP32-C3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EspImage {
    /// Where execution begins.
    pub entry: u32,
    /// Its segments, in the order of the file.
    pub segments: Vec<Segment>,
}

/// Why an image in flash is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Wrong first byte: nothing is flashed here.
    #[error("invalid magic byte {0:#04x}")]
    Magic(u8),
    /// Made for another chip.
    #[error("image is for chip id {0}")]
    WrongChip(u16),
    /// Too many segments, or one that exceeds the flash.
    #[error("segment {0} does not fit")]
    Segment(u8),
    /// The checksum is wrong.
    #[error("checksum {calculated:#04x}, stored {stored:#04x}")]
    Checksum {
        /// Of the data.
        calculated: u8,
        /// In the image.
        stored: u8,
    },
    /// The SHA-256 is wrong.
    #[error("SHA-256 does not match")]
    Hash {
        /// Of the data.
        calculated: [u8; HASH],
        /// In the image.
        stored: [u8; HASH],
    },
}

impl EspImage {
    /// The image's bytes, with checksum and SHA-256.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let count = u8::try_from(self.segments.len()).unwrap_or(u8::MAX);
        // DIO (2); 4 MB flash at 80 MHz (0x2f).
        let mut bytes = vec![MAGIC, count, 2, 0x2f];
        bytes.extend(self.entry.to_le_bytes());
        // The write-protect pin is fused; drive strengths are the default.
        bytes.extend([0xee, 0, 0, 0]);
        bytes.extend(ESP32C3.to_le_bytes());
        // Any chip revision from 0 on: none (u8), 0 and 0xffff (u16), four reserved bytes, SHA-256 appended.
        bytes.extend([0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 1]);
        let mut checksum = CHECKSUM_SEED;
        for segment in &self.segments {
            bytes.extend(segment.address.to_le_bytes());
            bytes.extend(u32::try_from(segment.data.len()).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend(&segment.data);
            checksum = segment.data.iter().fold(checksum, |sum, byte| sum ^ byte);
        }
        bytes.resize((bytes.len() + 1).next_multiple_of(16) - 1, 0);
        bytes.push(checksum);
        let hash = Sha256::digest(&bytes);
        bytes.extend(hash);
        bytes
    }

    /// Parses an image in flash and checks it like ROM and bootloader.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn decode(flash: &[u8]) -> Result<Self, ImageError> {
        let magic = flash.first().copied().unwrap_or(0xff);
        if magic != MAGIC || flash.len() < HEADER {
            return Err(ImageError::Magic(magic));
        }
        let chip = u16::from_le_bytes([flash[CHIP_ID_AT], flash[CHIP_ID_AT + 1]]);
        if chip != ESP32C3 {
            return Err(ImageError::WrongChip(chip));
        }
        let entry = word(flash, 4).ok_or(ImageError::Segment(0))?;
        let mut image = Self { entry, segments: Vec::new() };
        let mut at = HEADER;
        let mut checksum = CHECKSUM_SEED;
        for index in 0..flash[1] {
            let segment = segment(flash, at).filter(|_| index < MOST_SEGMENTS).ok_or(ImageError::Segment(index))?;
            checksum = segment.data.iter().fold(checksum, |sum, byte| sum ^ byte);
            at += SEGMENT_HEADER + segment.data.len();
            image.segments.push(segment);
        }
        let end = (at + 1).next_multiple_of(16);
        let stored = *flash.get(end - 1).ok_or(ImageError::Segment(flash[1]))?;
        if stored != checksum {
            return Err(ImageError::Checksum { calculated: checksum, stored });
        }
        if flash[HASH_APPENDED_AT] == 1 {
            let stored = flash.get(end..end + HASH).and_then(|hash| hash.try_into().ok());
            let stored: [u8; HASH] = stored.ok_or(ImageError::Segment(flash[1]))?;
            let calculated: [u8; HASH] = Sha256::digest(&flash[..end]).into();
            if stored != calculated {
                return Err(ImageError::Hash { calculated, stored });
            }
        }
        Ok(image)
    }
}

fn segment(flash: &[u8], at: usize) -> Option<Segment> {
    let (address, length) = (word(flash, at)?, word(flash, at + 4)?);
    let start = at + SEGMENT_HEADER;
    let data = flash.get(start..start.checked_add(usize::try_from(length).ok()?)?)?.to_vec();
    Some(Segment { address, data })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn image() -> EspImage {
        let segment = |address, byte| Segment { address, data: vec![byte; 40] };
        EspImage { entry: 0x4200_0000, segments: vec![segment(0x3c00_0020, 1), segment(0x4038_0000, 2)] }
    }

    #[test]
    fn an_image_survives_the_round_trip() {
        let bytes = image().encode();
        assert_eq!(bytes.len() % 16, 0);
        assert_eq!(EspImage::decode(&bytes), Ok(image()));
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let whole = image().encode();
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] ^= 1;
            let found = EspImage::decode(&broken);
            // Without the flag there is no hash to check: the real bootloader boots such an image too.
            assert!(found.is_err() || at == HASH_APPENDED_AT, "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_checked_without_a_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = EspImage::decode(&bytes);
            if let Some(first) = bytes.first_mut() { *first = MAGIC }
            let _ = EspImage::decode(&bytes);
        }
    }
}
