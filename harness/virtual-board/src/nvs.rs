//! Reads an NVS partition as the chip's library does (ESP-IDF, "Non-Volatile Storage Library", structure of a page).
//!
//! Written apart from the harness's generator on purpose: the two check each other.

use std::collections::BTreeMap;

const PAGE: usize = 4096;
const ENTRY: usize = 32;
const ENTRIES: usize = 126;
const ENTRIES_AT: usize = 64;
const WRITTEN: u8 = 0b10;

/// Settings of a partition: (namespace, key) to value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Nvs(BTreeMap<(String, String), Value>);

/// A stored value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
}

impl Nvs {
    /// Reads every valid entry; pages and entries whose CRC does not hold are left out, as the library does.
    pub(crate) fn read(partition: &[u8]) -> Self {
        let pages: Vec<_> = partition.chunks_exact(PAGE).filter(|page| is_in_use(page)).collect();
        let namespaces: BTreeMap<u8, String> = pages
            .iter()
            .flat_map(|page| entries(page))
            .filter(|(entry, _)| entry[0] == 0 && entry[1] == 0x01)
            .filter_map(|(entry, _)| Some((entry[24], key(entry)?)))
            .collect();
        let value = |(entry, data): (&[u8], &[u8])| {
            let namespace = namespaces.get(&entry[0])?.clone();
            Some(((namespace, key(entry)?), value(entry, data)?))
        };
        let all = pages.iter().flat_map(|page| entries(page));
        Self(all.filter(|(entry, _)| entry[0] != 0).filter_map(value).collect())
    }

    /// A value as text; integers are written out.
    pub(crate) fn text(&self, namespace: &str, key: &str) -> Option<String> {
        match self.0.get(&(namespace.to_owned(), key.to_owned()))? {
            Value::Text(text) => Some(text.clone()),
            Value::Integer(number) => Some(number.to_string()),
        }
    }

    /// A value as a number; text is read.
    pub(crate) fn number<T: std::str::FromStr>(&self, namespace: &str, key: &str) -> Option<T> {
        self.text(namespace, key)?.parse().ok()
    }
}

/// Active, full or freeing, with a header whose CRC holds.
fn is_in_use(page: &[u8]) -> bool {
    let state = word(page, 0);
    matches!(state, 0xffff_fffe | 0xffff_fffc | 0xffff_fff8) && crc(&[&page[4..28]]) == word(page, 28)
}

/// The written entries of a page, each with the bytes of the entries it spans.
fn entries(page: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut index = 0;
    std::iter::from_fn(move || {
        while index < ENTRIES {
            let start = ENTRIES_AT + index * ENTRY;
            let entry = &page[start..start + ENTRY];
            let state = (page[32 + index / 4] >> (index % 4 * 2)) & 0b11;
            let valid = state == WRITTEN && crc(&[&entry[..4], &entry[8..]]) == word(entry, 4);
            let span = if valid { usize::from(entry[2]).max(1) } else { 1 };
            index += span;
            if valid && index <= ENTRIES {
                return Some((entry, &page[start + ENTRY..start + span * ENTRY]));
            }
        }
        None
    })
}

fn key(entry: &[u8]) -> Option<String> {
    let bytes = &entry[8..24];
    let length = bytes.iter().position(|byte| *byte == 0)?;
    String::from_utf8(bytes[..length].to_vec()).ok()
}

fn value(entry: &[u8], data: &[u8]) -> Option<Value> {
    let number: [u8; 8] = entry[24..32].try_into().ok()?;
    let integer = i64::from_le_bytes(number);
    Some(match entry[1] {
        0x01 => Value::Integer(integer & 0xff),
        0x02 => Value::Integer(integer & 0xffff),
        0x04 => Value::Integer(integer & 0xffff_ffff),
        0x08 | 0x18 => Value::Integer(integer),
        0x11 => Value::Integer(i64::from(number[0].cast_signed())),
        0x12 => Value::Integer(i64::from(i16::from_le_bytes([number[0], number[1]]))),
        0x14 => Value::Integer(i64::from(i32::from_le_bytes([number[0], number[1], number[2], number[3]]))),
        0x21 => {
            let length = usize::from(u16::from_le_bytes([number[0], number[1]]));
            let bytes = data.get(..length).filter(|bytes| crc(&[bytes]) == word(entry, 28))?;
            Value::Text(String::from_utf8(bytes.strip_suffix(&[0])?.to_vec()).ok()?)
        }
        _ => return None,
    })
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The ROM's `crc32_le` begun with all ones.
fn crc(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(u32::MAX);
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use esp_nvs_partition_tool::{DataValue, NvsEntry, NvsPartition};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_the_generator_writes_is_read_back() {
        let entry = |key: &str, value| NvsEntry::new_data("mqtt".into(), key.into(), value);
        let long = "x".repeat(100);
        let entries = vec![
            entry("host", DataValue::String("127.0.0.1".into())),
            entry("port", DataValue::U16(1883)),
            entry("keep_alive", DataValue::I32(-7)),
            NvsEntry::new_data("other".into(), "host".into(), DataValue::String(long.clone())),
        ];
        let partition = NvsPartition { entries }.generate_partition(0x6000).expect("fits");
        let nvs = Nvs::read(&partition);
        assert_eq!(nvs.text("mqtt", "host").as_deref(), Some("127.0.0.1"));
        assert_eq!(nvs.number::<u16>("mqtt", "port"), Some(1883));
        assert_eq!(nvs.number::<i64>("mqtt", "keep_alive"), Some(-7));
        assert_eq!(nvs.text("other", "host"), Some(long));
        assert_eq!(nvs.text("mqtt", "user"), None);
    }

    #[test]
    fn a_flipped_bit_loses_the_entry_it_is_in() {
        let entries = vec![NvsEntry::new_data("a".into(), "b".into(), DataValue::String("text".into()))];
        let whole = NvsPartition { entries }.generate_partition(0x3000).expect("fits");
        assert!(Nvs::read(&whole).text("a", "b").is_some());
        for at in (0..whole.len()).filter(|at| whole[*at] != 0xff) {
            let mut broken = whole.clone();
            broken[at] ^= 1;
            assert_ne!(Nvs::read(&broken), Nvs::read(&whole), "byte {at:#x}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..9000)) {
            Nvs::read(&bytes);
        }
    }
}
