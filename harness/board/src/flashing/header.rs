//! The header of an image, and the descriptor of an app.
//!
//! Formats: ESP-IDF, "App Image Format"; `esp_app_format.h` and `esp_app_desc.h`.

/// First byte of every image.
pub(crate) const MAGIC: u8 = 0xe9;

const HEADER: usize = 24;
const SEGMENT_HEADER: usize = 8;
const FLASH_SIZE_AT: usize = 3;
const CHIP_ID_AT: usize = 12;
const HASH_APPENDED_AT: usize = 23;
const HASH: usize = 32;

/// The header of an image for every chip but the ESP8266.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// `esp_chip_id_t`.
    pub(crate) chip_id: u16,
    /// Size of the flash that it is made for, in bytes; none if the field is unknown.
    pub(crate) flash_size: Option<u64>,
}

impl Header {
    /// None if this is not an image.
    pub(crate) fn read(image: &[u8]) -> Option<Self> {
        let header = image.get(..HEADER).filter(|header| header[0] == MAGIC)?;
        let code = header[FLASH_SIZE_AT] >> 4;
        // 0 is 1 MiB, and each code beyond doubles it, up to 128 MiB.
        let flash_size = (code <= 7).then(|| (1 << 20) << code);
        Some(Self { chip_id: u16::from_le_bytes([header[CHIP_ID_AT], header[CHIP_ID_AT + 1]]), flash_size })
    }
}

/// The length of an image by its header; more than its bytes if it is cut short. None if this is not an image.
pub(crate) fn length(image: &[u8]) -> Option<u64> {
    Header::read(image)?;
    let mut at = HEADER;
    for _ in 0..image[1] {
        let Some(length) = image.get(at + 4..at + SEGMENT_HEADER) else { return Some(at as u64 + 16) };
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
        let Some(next) = usize::try_from(length).ok().and_then(|length| (at + SEGMENT_HEADER).checked_add(length))
        else {
            return Some(u64::MAX);
        };
        if next > image.len() {
            return Some(next as u64);
        }
        at = next;
    }
    // The checksum is the last byte of a line of sixteen.
    let with_checksum = (at as u64 + 1).next_multiple_of(16);
    Some(with_checksum + if image[HASH_APPENDED_AT] == 1 { HASH as u64 } else { 0 })
}

/// The identity of an app: `esp_app_desc_t`, at the beginning of the first segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct App {
    pub(crate) project: String,
    pub(crate) version: String,
    /// Hash of its ELF file, in hex; none if the build did not write it.
    pub(crate) elf_hash: Option<String>,
}

const DESCRIPTOR_AT: usize = HEADER + SEGMENT_HEADER;
const DESCRIPTOR: [u8; 4] = 0xabcd_5432_u32.to_le_bytes();
const VERSION_AT: usize = 16;
const PROJECT_AT: usize = 48;
const ELF_HASH_AT: usize = 144;

impl App {
    /// None if an image holds no app, or one without a descriptor.
    pub(crate) fn read(image: &[u8]) -> Option<Self> {
        Header::read(image)?;
        let descriptor = image.get(DESCRIPTOR_AT..DESCRIPTOR_AT + ELF_HASH_AT + HASH)?;
        if descriptor[..4] != DESCRIPTOR {
            return None;
        }
        let hash = &descriptor[ELF_HASH_AT..ELF_HASH_AT + HASH];
        let elf_hash = hash.iter().any(|byte| *byte != 0).then(|| hex::encode(hash));
        Some(Self { project: text(&descriptor[PROJECT_AT..]), version: text(&descriptor[VERSION_AT..]), elf_hash })
    }
}

/// A field of 32 bytes that ends at its first zero.
fn text(field: &[u8]) -> String {
    let bytes: Vec<u8> = field.iter().take(32).copied().take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flashing::flashers::chip_of;
    use crate::virtual_board::builtin_image;

    const APP_AT: usize = 0x10000;

    #[test]
    fn an_app_has_an_identity_and_a_length() {
        let image = builtin_image("lamp").expect("built in");
        let header = Header::read(&image).expect("a header");
        assert_eq!((header.chip_id, header.flash_size), (5, Some(4 << 20)));
        let app = App::read(&image[APP_AT..]).expect("an app");
        assert_eq!((app.project.as_str(), app.version.as_str(), app.elf_hash), ("lamp", "1.0.0", None));
        assert_eq!(App::read(&image), None, "a bootloader is not an app");
        assert_eq!(length(&image[APP_AT..]), Some((image.len() - APP_AT) as u64));
        assert!(length(&image[APP_AT..APP_AT + 0x5000]).is_some_and(|length| length > 0x5000), "cut short");
    }

    /// Compared with espflash's own table.
    #[test]
    fn every_chip_has_the_number_and_the_offset_of_espflash() {
        for word in ["esp32", "esp32c2", "esp32c3", "esp32c5", "esp32c6", "esp32h2", "esp32p4", "esp32s2", "esp32s3"] {
            let chip = hil_config::Chip::named(word).expect("known");
            let known = chip_of(chip).expect("known to espflash");
            assert_eq!(chip.image_id(), Some(known.id()), "{word}");
            assert_eq!(chip.bootloader_offset(), known.boot_address(), "{word}");
        }
    }
}
