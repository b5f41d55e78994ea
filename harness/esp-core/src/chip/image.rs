//! App images in flash: their header and segments; and how one is made from an ELF file.

use super::boot_error::BootError;
use super::cache::{CODE, DATA, FLASH_PAGE, WINDOW};
use super::flash::Flash;
use crate::elf::{Elf, Part};

const MAGIC: u8 = 0xe9;
const CHIP: u16 = 5;
const HEADER: u32 = 24;
const SEGMENT_HEADER: u32 = 8;

/// A part of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// Where the program expects it.
    pub(super) address: u32,
    /// Where its bytes are in flash.
    pub(super) from: u32,
    pub(super) len: u32,
}

impl Segment {
    /// Whether the program reads it from flash, through the cache, instead of from RAM.
    pub(super) fn is_mapped(&self) -> bool {
        is_mapped(self.address)
    }
}

fn is_mapped(address: u32) -> bool {
    address.wrapping_sub(DATA) < WINDOW || address.wrapping_sub(CODE) < WINDOW
}

/// What an image's headers say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) entry: u32,
    pub(super) segments: Vec<Segment>,
}

impl Image {
    /// Reads the headers of the image in a part of the flash.
    pub(super) fn read(flash: &dyn Flash, app: &std::ops::Range<u32>) -> Result<Self, BootError> {
        let header = bytes::<24>(flash, app, app.start)?;
        if header[0] != MAGIC {
            return Err(BootError::NoImage { at: app.start });
        }
        let chip = u16::from_le_bytes([header[12], header[13]]);
        if chip != CHIP {
            return Err(BootError::OtherChip { chip });
        }
        let entry = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        let mut segments = Vec::new();
        let mut at = app.start + HEADER;
        for _ in 0..header[1] {
            let [address, len] = words(bytes::<8>(flash, app, at)?);
            let from = at + SEGMENT_HEADER;
            let end = from.checked_add(len).filter(|end| *end <= app.end).ok_or(BootError::Truncated)?;
            // Segments at address 0 only move the next one to where it can be mapped.
            if address != 0 && len != 0 {
                segments.push(Segment { address, from, len });
            }
            at = end;
        }
        Ok(Self { entry, segments })
    }

    /// The bytes of an image with this program.
    pub(super) fn from_elf(elf: &Elf) -> Vec<u8> {
        let (mapped, loaded): (Vec<&Part>, Vec<&Part>) =
            elf.segments().iter().partition(|part| is_mapped(part.address));
        let (data, code): (Vec<&Part>, Vec<&Part>) = mapped.into_iter().partition(|part| part.address < CODE);
        let mut image = vec![0; HEADER as usize];
        let mut count = 0;
        for part in [joined(&data), joined(&code)].into_iter().flatten() {
            // A mapped segment has the same place in its flash page as in the program's.
            let wanted = (part.address & (FLASH_PAGE - 1)) as usize;
            let header = SEGMENT_HEADER as usize;
            let gap = (wanted + 2 * FLASH_PAGE as usize - 2 * header - image.len() % FLASH_PAGE as usize)
                % FLASH_PAGE as usize;
            append(&mut image, 0, &vec![0; gap]);
            append(&mut image, part.address, &part.bytes);
            count += 2;
        }
        for part in loaded {
            append(&mut image, part.address, &part.bytes);
            count += 1;
        }
        image[0] = MAGIC;
        image[1] = count;
        image[4..8].copy_from_slice(&elf.entry().to_le_bytes());
        image[12..14].copy_from_slice(&CHIP.to_le_bytes());
        image
    }
}

/// Parts as one, with zeros between them.
fn joined(parts: &[&Part]) -> Option<Part> {
    let address = parts.iter().map(|part| part.address).min()?;
    let mut bytes = Vec::new();
    for part in parts {
        let at = (part.address - address) as usize;
        bytes.resize(bytes.len().max(at + part.bytes.len()), 0);
        bytes[at..at + part.bytes.len()].copy_from_slice(&part.bytes);
    }
    Some(Part { address, bytes })
}

fn append(image: &mut Vec<u8>, address: u32, bytes: &[u8]) {
    let len = bytes.len().next_multiple_of(4);
    image.extend(address.to_le_bytes());
    image.extend(u32::try_from(len).unwrap_or_default().to_le_bytes());
    let end = image.len() + len;
    image.extend(bytes);
    image.resize(end, 0);
}

fn bytes<const N: usize>(flash: &dyn Flash, app: &std::ops::Range<u32>, at: u32) -> Result<[u8; N], BootError> {
    let len = u32::try_from(N).unwrap_or(u32::MAX);
    if at.checked_add(len).is_none_or(|end| end > app.end) {
        return Err(BootError::Truncated);
    }
    let mut into = [0; N];
    flash.read(at, &mut into)?;
    Ok(into)
}

fn words(bytes: [u8; 8]) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = bytes;
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::flash::MemoryFlash;

    fn read(bytes: &[u8]) -> Result<Image, BootError> {
        let mut flash = MemoryFlash::new(0x1_0000);
        flash.bytes_mut()[..bytes.len()].copy_from_slice(bytes);
        Image::read(&flash, &(0..0x1_0000))
    }

    #[test]
    fn an_erased_partition_has_no_image() {
        assert!(matches!(read(&[]), Err(BootError::NoImage { at: 0 })));
    }

    #[test]
    fn an_image_for_another_chip_is_refused() {
        let mut header = [0; 24];
        header[0] = MAGIC;
        header[12] = 9;
        assert!(matches!(read(&header), Err(BootError::OtherChip { chip: 9 })));
    }

    #[test]
    fn a_segment_beyond_the_partition_is_refused() {
        let mut image = vec![0; 24];
        (image[0], image[1], image[12]) = (MAGIC, 1, 5);
        image.extend(0x4038_0000_u32.to_le_bytes());
        image.extend(0xffff_0000_u32.to_le_bytes());
        assert!(matches!(read(&image), Err(BootError::Truncated)));
    }

    #[test]
    fn segments_are_found_and_padding_is_not() {
        let mut image = vec![0; 24];
        (image[0], image[1], image[12]) = (MAGIC, 2, 5);
        append(&mut image, 0, &[0; 8]);
        append(&mut image, 0x4038_0000, &[1, 2, 3]);
        let segments = read(&image).expect("an image").segments;
        assert_eq!(segments, [Segment { address: 0x4038_0000, from: 24 + 8 + 8 + 8, len: 4 }]);
    }
}
