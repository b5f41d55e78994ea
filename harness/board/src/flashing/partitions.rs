//! The partition table of an image.
//!
//! Format: ESP-IDF, "Partition Tables". Read here and not by `esp-idf-part`, which panics on some tables that are
//! broken.

use md5::{Digest as _, Md5};

/// Where it lies in flash unless an app is built otherwise (`CONFIG_PARTITION_TABLE_OFFSET`).
pub(crate) const TABLE_AT: u32 = 0x8000;
/// Room for it.
pub(crate) const TABLE_SIZE: usize = 0xc00;
/// Beginning of an entry.
pub(crate) const ENTRY_MAGIC: [u8; 2] = [0xaa, 0x50];

const ENTRY: usize = 32;
const MD5_MAGIC: [u8; 2] = [0xeb, 0xeb];
const APP: u8 = 0;
const DATA: u8 = 1;

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partition {
    pub(crate) kind: u8,
    pub(crate) subkind: u8,
    pub(crate) offset: u32,
    pub(crate) size: u32,
    pub(crate) label: String,
}

impl Partition {
    pub(crate) fn is_app(&self) -> bool {
        self.kind == APP
    }

    pub(crate) fn is_factory_app(&self) -> bool {
        (self.kind, self.subkind) == (APP, 0)
    }

    pub(crate) fn is_data(&self) -> bool {
        self.kind == DATA
    }

    pub(crate) fn is_nvs(&self) -> bool {
        (self.kind, self.subkind) == (DATA, 2)
    }

    pub(crate) fn is_ota_data(&self) -> bool {
        (self.kind, self.subkind) == (DATA, 0)
    }

    /// Its number among the apps that come over the air.
    pub(crate) fn ota_slot(&self) -> Option<u8> {
        (self.kind == APP && self.subkind & 0xf0 == 0x10).then_some(self.subkind & 0x0f)
    }

    /// Whether `esp-idf-part` takes it; it panics on other subtypes of apps and data (0.6, `SubType::app`,
    /// `SubType::data`).
    pub(crate) fn is_known_to_espflash(&self) -> bool {
        match self.kind {
            APP => matches!(self.subkind, 0 | 0x10..=0x20),
            DATA => matches!(self.subkind, 0..=6 | 0x80..=0x83),
            kind => kind != 0xff,
        }
    }

    pub(crate) fn end(&self) -> u64 {
        u64::from(self.offset) + u64::from(self.size)
    }
}

/// What is wrong with a partition table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TableFault {
    /// An entry is not a partition.
    #[error("its entry {0} is not a partition")]
    Entry(usize),
    /// The checksum is wrong.
    #[error("its MD5 checksum is wrong")]
    Md5,
    /// It names no partition.
    #[error("it is empty")]
    Empty,
    /// Two partitions have flash in common.
    #[error("its partitions `{0}` and `{1}` overlap")]
    Overlap(String, String),
}

/// Reads a table. One without MD5 is taken: bootloaders can be built so.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Partition>, TableFault> {
    let room = &bytes[..bytes.len().min(TABLE_SIZE)];
    let mut partitions = Vec::new();
    for (index, entry) in room.chunks_exact(ENTRY).enumerate() {
        match [entry[0], entry[1]] {
            ENTRY_MAGIC => partitions.push(partition(entry)),
            MD5_MAGIC if entry[16..] == *Md5::digest(&room[..index * ENTRY]) => break,
            MD5_MAGIC => return Err(TableFault::Md5),
            [0xff, 0xff] => break,
            _ => return Err(TableFault::Entry(index)),
        }
    }
    if partitions.is_empty() {
        return Err(TableFault::Empty);
    }
    let mut sorted: Vec<&Partition> = partitions.iter().collect();
    sorted.sort_by_key(|partition| partition.offset);
    match sorted.windows(2).find(|pair| pair[0].end() > u64::from(pair[1].offset)) {
        Some(pair) => Err(TableFault::Overlap(pair[0].label.clone(), pair[1].label.clone())),
        None => Ok(partitions),
    }
}

fn partition(entry: &[u8]) -> Partition {
    let word = |at: usize| u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]);
    let label: Vec<u8> = entry[12..28].iter().copied().take_while(|byte| *byte != 0).collect();
    Partition {
        kind: entry[2],
        subkind: entry[3],
        offset: word(4),
        size: word(8),
        label: String::from_utf8_lossy(&label).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtual_board::builtin_image;

    #[test]
    fn a_table_is_read_as_esp_idf_part_reads_it() {
        let image = builtin_image("micropython").expect("built in");
        let bytes = &image[0x8000..0x8c00];
        let ours = read(bytes).expect("a table");
        let theirs = esp_idf_part::PartitionTable::try_from_bytes(bytes.to_vec()).expect("a table");
        let shape = |partition: &esp_idf_part::Partition| {
            (
                partition.name(),
                partition.offset(),
                partition.size(),
                u8::from(partition.ty()),
                u8::from(partition.subtype()),
            )
        };
        let theirs: Vec<_> = theirs.partitions().iter().map(shape).collect();
        let ours: Vec<_> = ours.iter().map(|it| (it.label.clone(), it.offset, it.size, it.kind, it.subkind)).collect();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn a_broken_table_is_named_by_what_is_wrong() {
        let image = builtin_image("lamp").expect("built in");
        let broken = |change: fn(&mut [u8])| {
            let mut bytes = image[0x8000..0x8c00].to_vec();
            change(&mut bytes);
            read(&bytes).expect_err("broken")
        };
        assert_eq!(broken(|bytes| bytes[4] ^= 1), TableFault::Md5);
        assert_eq!(broken(|bytes| bytes[32] = 0), TableFault::Entry(1));
        assert_eq!(broken(|bytes| bytes.fill(0xff)), TableFault::Empty);
        assert_eq!(read(b"\xaa\x50"), Err(TableFault::Empty));
        let overlap = broken(|bytes| {
            bytes[9] = 0x70;
            bytes[96..].fill(0xff);
        });
        assert_eq!(overlap, TableFault::Overlap("nvs".to_owned(), "phy_init".to_owned()));
    }
}
