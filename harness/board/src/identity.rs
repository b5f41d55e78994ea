//! Identifies a firmware by its bytes, not by its name.

use std::path::Path;

use hil_config::Process;
use hil_files::{LARGEST_FILE, Links};
use sha2::{Digest as _, Sha256};

use crate::flashing::Part;
use crate::micropython::Script;

/// What a report shows about a firmware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FirmwareIdentity {
    /// Beginning of the SHA-256 of all its bytes, in hex.
    pub(crate) hash: String,
    /// Bytes.
    pub(crate) size: usize,
    /// The version in its app descriptor.
    pub(crate) version: Option<String>,
}

/// Digits of a hash that are kept: enough to distinguish all images of a team.
const DIGITS: usize = 16;

/// Magic word, version and name of an ESP-IDF app: `esp_app_desc_t` in `esp_app_desc.h`.
const APP_DESCRIPTOR: [u8; 4] = 0xabcd_5432_u32.to_le_bytes();
const VERSION_AT: usize = 16;
const VERSION_SIZE: usize = 32;

impl FirmwareIdentity {
    /// Of what is written to flash as the files have it, and of scripts before texts are replaced in them.
    pub(crate) fn of(parts: &[Part], scripts: &[Script]) -> Self {
        let mut gathered = Gathered::default();
        for part in parts {
            // Padding of a merged image does not count.
            let used = part.data.iter().rposition(|byte| *byte != 0xff).map_or(0, |last| last + 1);
            gathered.take(&part.address.to_le_bytes(), &part.data[..used]);
        }
        for script in scripts {
            gathered.take(script.path.as_bytes(), &script.contents);
        }
        gathered.into_identity(parts.iter().find_map(|part| version(&part.data)))
    }

    /// Of a program: its words, and the files that they name.
    pub(crate) fn of_program(process: &Process) -> Self {
        let mut gathered = Gathered::default();
        for word in &process.command {
            let path = process.dir.as_deref().unwrap_or(Path::new("")).join(word);
            // An option names no file; an unreadable file is reported when the program is started.
            let file = hil_files::read(&path, Links::Follow, LARGEST_FILE).unwrap_or_default();
            gathered.take(word.as_bytes(), &file);
        }
        gathered.into_identity(None)
    }
}

#[derive(Default)]
struct Gathered {
    digest: Sha256,
    size: usize,
}

impl Gathered {
    /// Lengths go in as well, so that bytes can't move from one part to the next unseen.
    fn take(&mut self, name: &[u8], contents: &[u8]) {
        for part in [name, contents] {
            self.digest.update((part.len() as u64).to_le_bytes());
            self.digest.update(part);
        }
        self.size += contents.len();
    }

    fn into_identity(self, version: Option<String>) -> FirmwareIdentity {
        let mut hash = hex::encode(self.digest.finalize());
        hash.truncate(DIGITS);
        FirmwareIdentity { hash, size: self.size, version }
    }
}

fn version(image: &[u8]) -> Option<String> {
    let words = image.chunks_exact(4).position(|word| word == APP_DESCRIPTOR)?;
    let field = image.get(words * 4 + VERSION_AT..)?.get(..VERSION_SIZE)?;
    let text = field.split(|byte| *byte == 0).next()?;
    let text = std::str::from_utf8(text).ok()?;
    let printable = !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    printable.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(address: u32, data: &[u8]) -> Part {
        Part { address, data: data.to_vec(), source: String::new() }
    }

    #[test]
    fn bytes_and_their_place_make_the_hash_and_padding_does_not() {
        let hash = |parts: &[Part]| FirmwareIdentity::of(parts, &[]).hash;
        let plain = hash(&[part(0, b"app")]);
        assert_eq!(plain.len(), DIGITS);
        assert_eq!(plain, hash(&[part(0, b"app\xff\xff")]));
        assert_ne!(plain, hash(&[part(4, b"app")]));
        assert_ne!(hash(&[part(0, b"a"), part(0, b"b")]), hash(&[part(0, b"ab"), part(0, b"")]));
    }

    #[test]
    fn the_version_is_the_one_in_the_image() {
        let image = crate::virtual_board::builtin_image("lamp").expect("built in");
        let identity = FirmwareIdentity::of(&[part(0, &image)], &[]);
        assert!(identity.version.is_some(), "{identity:?}");
        assert_eq!(FirmwareIdentity::of(&[part(0, b"raw bytes")], &[]).version, None);
    }
}
