//! The app descriptor: how the bootloader, `esptool image-info` and `hil` recognise the image.

use esp_bootloader_esp_idf::{ESP_IDF_COMPATIBLE_VERSION, MMU_PAGE_SIZE, SECURE_VERSION};

use crate::variant::BUILT;

/// Project name.
pub(crate) const PROJECT: &str = "lamp-esp32c3";

/// Hash of `lamp-core` and `lamp-app`: which behaviour this image has.
pub(crate) const CORE: &str = env!("LAMP_CORE_HASH");

/// `<version>+<core>`, padded with zeros.
const DESCRIBED: ([u8; 31], usize) = described();

const fn described() -> ([u8; 31], usize) {
    let mut text = ([0; 31], 0);
    text = append(text, BUILT);
    text = append(text, "+");
    append(text, CORE)
}

const fn append(mut text: ([u8; 31], usize), part: &str) -> ([u8; 31], usize) {
    let mut n = 0;
    while n < part.len() {
        // Beyond the field's end this fails to compile.
        text.0[text.1] = part.as_bytes()[n];
        text.1 += 1;
        n += 1;
    }
    text
}

const fn built() -> &'static str {
    let (bytes, _) = DESCRIBED.0.split_at(DESCRIBED.1);
    match core::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => panic!("versions are ASCII"),
    }
}

// No time and date: the same sources give the same image.
esp_bootloader_esp_idf::esp_app_desc!(
    built(),
    PROJECT,
    "00:00:00",
    "Jan  1 2026",
    ESP_IDF_COMPATIBLE_VERSION,
    MMU_PAGE_SIZE,
    0,
    u16::MAX,
    SECURE_VERSION
);

/// The version in the app descriptor. It is read when it is asked for: the same program may be given another version
/// after it was built.
pub(crate) fn version() -> &'static str {
    core::hint::black_box(&ESP_APP_DESC).version()
}
