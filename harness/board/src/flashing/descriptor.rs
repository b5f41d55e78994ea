//! The app descriptor in an ELF file (ESP-IDF, `esp_app_desc_t`).

use std::ops::Range;

/// `ESP_APP_DESC_MAGIC_WORD`.
const MAGIC: [u8; 4] = 0xabcd_5432_u32.to_le_bytes();
const VERSION: Range<usize> = 16..48;
const PROJECT: Range<usize> = 48..80;

/// Writes a version into the only app descriptor.
///
/// # Errors
/// How many descriptors there are, if it is not one.
pub(super) fn set_version(elf: &mut [u8], version: &str) -> Result<(), usize> {
    let places: Vec<usize> =
        (0..elf.len().saturating_sub(PROJECT.end)).step_by(4).filter(|at| is_at(elf, *at)).collect();
    let [at] = places[..] else { return Err(places.len()) };
    let field = &mut elf[at..][VERSION];
    field.fill(0);
    field[..version.len()].copy_from_slice(version.as_bytes());
    Ok(())
}

/// The magic number alone is also a constant of programs that look for it.
fn is_at(elf: &[u8], at: usize) -> bool {
    let here = &elf[at..];
    here.starts_with(&MAGIC) && [VERSION, PROJECT].into_iter().all(|field| is_text(&here[field]))
}

/// Printable characters up to a zero, and nothing after it.
fn is_text(field: &[u8]) -> bool {
    let length = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    let (text, rest) = field.split_at(length);
    (1..field.len()).contains(&length)
        && text.iter().all(|byte| (0x20..0x7f).contains(byte))
        && rest.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor() -> Vec<u8> {
        let mut bytes = vec![0; 256];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[16..21].copy_from_slice(b"1.0.0");
        bytes[48..52].copy_from_slice(b"lamp");
        bytes
    }

    #[test]
    fn the_version_is_replaced_and_nothing_else() {
        let mut file = [MAGIC.to_vec(), vec![7; 60], descriptor()].concat();
        let before = file.clone();
        set_version(&mut file, "2").expect("one");
        assert_eq!((&file[80..86], &file[112..116]), (&b"2\0\0\0\0\0"[..], &b"lamp"[..]));
        assert_eq!((&file[..80], &file[96..]), (&before[..80], &before[96..]));
    }

    #[test]
    fn none_or_two_descriptors_are_an_error() {
        assert_eq!(set_version(&mut [0; 300], "2"), Err(0));
        assert_eq!(set_version(&mut [descriptor(), descriptor()].concat(), "2"), Err(2));
        assert_eq!(set_version(&mut [1, 2], "2"), Err(0));
    }
}
