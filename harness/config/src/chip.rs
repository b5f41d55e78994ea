//! Chips.

use serde::{Deserialize, Serialize};

/// The silicon of a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "each is called what it is called on its package")]
pub enum Chip {
    Esp8266,
    Esp32,
    Esp32c2,
    Esp32c3,
    Esp32c5,
    Esp32c6,
    Esp32h2,
    Esp32p4,
    Esp32s2,
    Esp32s3,
}

impl Chip {
    pub(crate) const WORDS: &[(&'static str, Self)] = &[
        ("esp8266", Self::Esp8266),
        ("esp32", Self::Esp32),
        ("esp32c2", Self::Esp32c2),
        ("esp32c3", Self::Esp32c3),
        ("esp32c5", Self::Esp32c5),
        ("esp32c6", Self::Esp32c6),
        ("esp32h2", Self::Esp32h2),
        ("esp32p4", Self::Esp32p4),
        ("esp32s2", Self::Esp32s2),
        ("esp32s3", Self::Esp32s3),
    ];

    /// The word in `bench.toml`.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, chip)| *chip == self).map_or("", |(word, _)| word)
    }

    /// The words of all chips.
    #[must_use]
    pub fn words() -> Vec<&'static str> {
        Self::WORDS.iter().map(|(word, _)| *word).collect()
    }

    /// Where its ROM looks for the second-stage bootloader in flash (ESP-IDF, `CONFIG_BOOTLOADER_OFFSET_IN_FLASH`).
    #[must_use]
    pub fn bootloader_offset(self) -> u32 {
        match self {
            Self::Esp32 | Self::Esp32s2 => 0x1000,
            Self::Esp32c5 | Self::Esp32p4 => 0x2000,
            Self::Esp8266 | Self::Esp32c2 | Self::Esp32c3 | Self::Esp32c6 | Self::Esp32h2 | Self::Esp32s3 => 0,
        }
    }

    /// Its number in the header of an image (ESP-IDF, `esp_chip_id_t`); an ESP8266's has no such field.
    #[must_use]
    pub fn image_id(self) -> Option<u16> {
        Some(match self {
            Self::Esp8266 => return None,
            Self::Esp32 => 0,
            Self::Esp32s2 => 2,
            Self::Esp32c3 => 5,
            Self::Esp32s3 => 9,
            Self::Esp32c2 => 12,
            Self::Esp32c6 => 13,
            Self::Esp32h2 => 16,
            Self::Esp32p4 => 18,
            Self::Esp32c5 => 23,
        })
    }

    /// The chip whose images have that number in their header.
    #[must_use]
    pub fn with_image_id(id: u16) -> Option<Self> {
        Self::WORDS.iter().map(|(_, chip)| *chip).find(|chip| chip.image_id() == Some(id))
    }

    /// The chip of that name, written with or without a dash: `ESP32-C3` is `esp32c3`.
    ///
    /// # Example
    /// ```
    /// assert_eq!(hil_config::Chip::named("ESP32-C3"), Some(hil_config::Chip::Esp32c3));
    /// ```
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
        Self::WORDS.iter().find(|(word, _)| *word == plain).map(|(_, chip)| *chip)
    }
}
