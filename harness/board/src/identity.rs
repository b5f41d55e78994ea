//! Which firmware it is: told apart by its bytes, not by its name.

use std::path::Path;

use hil_config::Process;
use hil_files::{LARGEST_FILE, Links};
use sha2::{Digest as _, Sha256};

use crate::flashing::Part;
use crate::micropython::Script;

/// What a report says about a firmware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Beginning of the SHA-256 of all its bytes, in hex.
    pub(crate) hash: String,
    /// Bytes.
    pub(crate) size: usize,
    /// What it says of itself.
    pub(crate) version: Option<String>,
}

/// Digits of a hash that are kept: as many as keep any two images of a team apart.
const DIGITS: usize = 16;

/// Magic word, version and name of an ESP-IDF app: `esp_app_desc_t` in `esp_app_desc.h`.
const APP_DESCRIPTOR: [u8; 4] = 0xabcd_5432_u32.to_le_bytes();
const VERSION_AT: usize = 16;
const VERSION_SIZE: usize = 32;

impl Identity {
    /// Of what is written to flash as the files have it, and of scripts before texts are replaced in them.
    pub(crate) fn of(parts: &[Part], scripts: &[Script]) -> Self {
        let mut gathered = Gathered::default();
        for part in parts {
            // What a merged image is filled up with says nothing.
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
            // An option names none; what can't be read now is told of when the program is started.
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

    fn into_identity(self, version: Option<String>) -> Identity {
        let mut hash = hex::encode(self.digest.finalize());
        hash.truncate(DIGITS);
        Identity { hash, size: self.size, version }
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
        let hash = |parts: &[Part]| Identity::of(parts, &[]).hash;
        let plain = hash(&[part(0, b"app")]);
        assert_eq!(plain.len(), DIGITS);
        assert_eq!(plain, hash(&[part(0, b"app\xff\xff")]));
        assert_ne!(plain, hash(&[part(4, b"app")]));
        assert_ne!(hash(&[part(0, b"a"), part(0, b"b")]), hash(&[part(0, b"ab"), part(0, b"")]));
    }

    #[test]
    fn the_version_is_the_one_that_the_image_says() {
        let image = crate::virtual_board::builtin_image("lamp").expect("built in");
        let identity = Identity::of(&[part(0, &image)], &[]);
        assert!(identity.version.is_some(), "{identity:?}");
        assert_eq!(Identity::of(&[part(0, b"raw bytes")], &[]).version, None);
    }
}
