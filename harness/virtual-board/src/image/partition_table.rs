//! The partition table at 0x8000, with its MD5.

use md5::{Digest as _, Md5};

const ENTRY: usize = 32;
/// Space for the table in flash.
pub(crate) const SIZE: usize = 0xc00;
const ENTRY_MAGIC: [u8; 2] = [0xaa, 0x50];
const MD5_MAGIC: [u8; 2] = [0xeb, 0xeb];

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// 0 is app, 1 is data.
    pub kind: u8,
    /// 0 of app is factory, 0x10 to 0x1f are OTA slots, 0x20 is test; 0 of data is OTA data, 1 is phy, 2 is NVS, 0x81
    /// is a file system.
    pub subkind: u8,
    /// Its address in flash.
    pub offset: u32,
    /// Its size in bytes.
    pub size: u32,
    /// Its label, at most 15 bytes.
    pub label: String,
}

impl Partition {
    /// Whether it is the factory app, which starts without OTA data.
    #[must_use]
    pub fn is_factory_app(&self) -> bool {
        (self.kind, self.subkind) == (0, 0)
    }

    /// Its OTA slot, if it is one.
    #[must_use]
    pub fn ota_slot(&self) -> Option<u8> {
        (self.kind == 0 && self.subkind & 0xf0 == 0x10).then_some(self.subkind & 0x0f)
    }

    /// Whether it is the test app.
    #[must_use]
    pub fn is_test_app(&self) -> bool {
        (self.kind, self.subkind) == (0, 0x20)
    }

    /// Whether it is the OTA data.
    #[must_use]
    pub fn is_ota_data(&self) -> bool {
        (self.kind, self.subkind) == (1, 0)
    }

    /// Whether it is an NVS partition.
    #[must_use]
    pub fn is_nvs(&self) -> bool {
        (self.kind, self.subkind) == (1, 2)
    }

    /// Whether it is a file system.
    #[must_use]
    pub fn is_file_system(&self) -> bool {
        (self.kind, self.subkind) == (1, 0x81)
    }
}

/// All partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionTable(pub Vec<Partition>);

/// Why a partition table in flash is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// An entry has a wrong magic number.
    #[error("partition {index} has invalid magic number {magic:#06x}")]
    Magic {
        /// Which entry.
        index: usize,
        /// The number found.
        magic: u16,
    },
    /// The MD5 is wrong.
    #[error("MD5 does not match")]
    Md5,
    /// There is no MD5.
    #[error("no MD5")]
    NoMd5,
}

impl PartitionTable {
    /// The table of the built-in images: 24 KiB of NVS, 4 KiB of radio data, 1 MiB of app.
    #[must_use]
    pub fn single_app() -> Self {
        Self(vec![
            partition(1, 2, 0x9000, 0x6000, "nvs"),
            partition(1, 1, 0xf000, 0x1000, "phy_init"),
            partition(0, 0, 0x10000, 0x10_0000, "factory"),
        ])
    }

    /// MicroPython's table for a flash of 4 MiB (its ESP32 port, `partitions-4MiB.csv`): 2 MiB of files.
    #[must_use]
    pub fn with_files() -> Self {
        Self(vec![
            partition(1, 2, 0x9000, 0x6000, "nvs"),
            partition(1, 1, 0xf000, 0x1000, "phy_init"),
            partition(0, 0, 0x10000, 0x1f_0000, "factory"),
            partition(1, 0x81, 0x20_0000, 0x20_0000, "vfs"),
        ])
    }

    /// Arduino's table for a flash of 4 MiB (`default.csv`): two OTA apps and no factory app.
    #[must_use]
    pub fn two_ota_apps() -> Self {
        Self(vec![
            partition(1, 2, 0x9000, 0x5000, "nvs"),
            partition(1, 0, 0xe000, 0x2000, "otadata"),
            partition(0, 0x10, 0x10000, 0x14_0000, "app0"),
            partition(0, 0x11, 0x15_0000, 0x14_0000, "app1"),
            partition(1, 0x82, 0x29_0000, 0x16_0000, "spiffs"),
        ])
    }

    /// The table's bytes, with its MD5.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SIZE);
        for partition in &self.0 {
            bytes.extend(ENTRY_MAGIC);
            bytes.extend([partition.kind, partition.subkind]);
            bytes.extend(partition.offset.to_le_bytes());
            bytes.extend(partition.size.to_le_bytes());
            let mut label = partition.label.as_bytes().to_vec();
            label.resize(16, 0);
            bytes.extend(label);
            bytes.extend([0; 4]);
        }
        let md5 = Md5::digest(&bytes);
        bytes.extend(MD5_MAGIC);
        bytes.extend([0xff; 14]);
        bytes.extend(md5);
        bytes.resize(SIZE, 0xff);
        bytes
    }

    /// Parses a table in flash and checks it like the bootloader.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn decode(flash: &[u8]) -> Result<Self, TableError> {
        let mut partitions = Vec::new();
        for (index, entry) in flash.chunks_exact(ENTRY).enumerate() {
            match [entry[0], entry[1]] {
                ENTRY_MAGIC => partitions.push(decode_entry(entry)),
                MD5_MAGIC if entry[16..] == *Md5::digest(&flash[..index * ENTRY]) => return Ok(Self(partitions)),
                MD5_MAGIC => return Err(TableError::Md5),
                [0xff, 0xff] if index > 0 => return Err(TableError::NoMd5),
                magic => return Err(TableError::Magic { index, magic: u16::from_le_bytes(magic) }),
            }
        }
        Err(TableError::NoMd5)
    }
}

fn partition(kind: u8, subkind: u8, offset: u32, size: u32, label: &str) -> Partition {
    Partition { kind, subkind, offset, size, label: label.to_owned() }
}

fn decode_entry(entry: &[u8]) -> Partition {
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

    #[test]
    fn a_table_survives_the_round_trip_and_every_flipped_bit_is_found() {
        let table = PartitionTable::single_app();
        let bytes = table.encode();
        assert_eq!(PartitionTable::decode(&bytes), Ok(table.clone()));
        let used = (table.0.len() + 1) * ENTRY;
        for at in 0..used {
            let mut broken = bytes.clone();
            broken[at] ^= 1;
            let filler = at >= used - ENTRY + 2 && at < used - 16;
            assert_eq!(PartitionTable::decode(&broken).is_ok(), filler, "byte {at}");
        }
        assert_eq!(PartitionTable::decode(&[0xff; SIZE]), Err(TableError::Magic { index: 0, magic: 0xffff }));
        assert_eq!(PartitionTable::decode(&bytes[..used - ENTRY]), Err(TableError::NoMd5));
    }
}
