//! Reads and writes an NVS partition like the chip's library (ESP-IDF, "Non-Volatile Storage Library", structure of a
//! page).
//!
//! Independent of the harness's generator on purpose: each tests the other.

use std::collections::BTreeMap;

use crate::flash::Flash;
use crate::image::Partition;

const PAGE: usize = 4096;
const ENTRY: usize = 32;
const ENTRIES: usize = 126;
const ENTRIES_AT: usize = 64;
/// States of an entry: two bits each, which can only be cleared.
const WRITTEN: u8 = 0b10;
const ERASED: u8 = 0b00;
const FREE: u8 = 0b11;
/// States of a page.
const ACTIVE: u32 = 0xffff_fffe;
const FULL: u32 = 0xffff_fffc;
/// Types of an entry.
const U8: u8 = 0x01;
const U32: u8 = 0x04;
const BLOB_DATA: u8 = 0x42;
const BLOB_INDEX: u8 = 0x48;

/// The contents of a partition: (namespace, key) to value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Nvs(BTreeMap<(String, String), Value>);

/// A stored value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Integer(i128),
    Blob(Vec<u8>),
}

impl Nvs {
    /// Reads every valid entry; pages and entries with a wrong CRC are skipped, as in the library.
    pub(crate) fn read(partition: &[u8]) -> Self {
        let pages: Vec<_> = partition.chunks_exact(PAGE).filter(|page| is_in_use(page)).collect();
        let namespaces: BTreeMap<u8, String> = pages
            .iter()
            .flat_map(|page| entries(page))
            .filter(|(entry, _)| entry[0] == 0 && entry[1] == U8)
            .filter_map(|(entry, _)| Some((entry[24], key(entry)?)))
            .collect();
        let chunks: BTreeMap<_, _> = pages.iter().flat_map(|page| entries(page)).filter_map(chunk).collect();
        let value = |(entry, data): (&[u8], &[u8])| {
            let namespace = namespaces.get(&entry[0])?.clone();
            let value = if entry[1] == BLOB_INDEX { blob(entry, &chunks) } else { value(entry, data) };
            Some(((namespace, key(entry)?), value?))
        };
        let all = pages.iter().flat_map(|page| entries(page));
        Self(all.filter(|(entry, _)| entry[0] != 0).filter_map(value).collect())
    }

    /// A value as text; integers in decimal.
    pub(crate) fn text(&self, namespace: &str, key: &str) -> Option<String> {
        match self.0.get(&(namespace.to_owned(), key.to_owned()))? {
            Value::Text(text) => Some(text.clone()),
            Value::Integer(number) => Some(number.to_string()),
            Value::Blob(_) => None,
        }
    }

    /// The bytes of a blob.
    #[cfg(test)]
    fn blob(&self, namespace: &str, key: &str) -> Option<&[u8]> {
        match self.0.get(&(namespace.to_owned(), key.to_owned()))? {
            Value::Blob(bytes) => Some(bytes),
            Value::Text(_) | Value::Integer(_) => None,
        }
    }

    /// A value as a number; text is parsed.
    pub(crate) fn number<T: std::str::FromStr>(&self, namespace: &str, key: &str) -> Option<T> {
        self.text(namespace, key)?.parse().ok()
    }
}

/// Active, full or freeing, with a valid header CRC.
fn is_in_use(page: &[u8]) -> bool {
    let state = word(page, 0);
    matches!(state, ACTIVE | FULL | 0xffff_fff8) && crc(&[&page[4..28]]) == word(page, 28)
}

/// The written entries of a page, each with the bytes of the entries it spans.
fn entries(page: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut index = 0;
    std::iter::from_fn(move || {
        while index < ENTRIES {
            let start = ENTRIES_AT + index * ENTRY;
            let entry = &page[start..start + ENTRY];
            let valid = entry_state(page, index) == WRITTEN && crc(&[&entry[..4], &entry[8..]]) == word(entry, 4);
            let span = if valid { usize::from(entry[2]).max(1) } else { 1 };
            index += span;
            if valid && index <= ENTRIES {
                return Some((entry, &page[start + ENTRY..start + span * ENTRY]));
            }
        }
        None
    })
}

fn entry_state(page: &[u8], index: usize) -> u8 {
    (page[32 + index / 4] >> (index % 4 * 2)) & 0b11
}

/// Namespace, key and index of a blob's chunk, with its bytes.
fn chunk((entry, data): (&[u8], &[u8])) -> Option<((u8, String, u8), Vec<u8>)> {
    let length = usize::from(u16::from_le_bytes([entry[24], entry[25]]));
    let bytes = (entry[1] == BLOB_DATA).then(|| data.get(..length)).flatten()?;
    (crc(&[bytes]) == word(entry, 28)).then(|| Some(((entry[0], key(entry)?, entry[3]), bytes.to_vec())))?
}

/// A blob, assembled from its chunks.
fn blob(index: &[u8], chunks: &BTreeMap<(u8, String, u8), Vec<u8>>) -> Option<Value> {
    let (size, count, start) = (word(index, 24), index[28], index[29]);
    let key = key(index)?;
    let piece = |n: u8| chunks.get(&(index[0], key.clone(), start.wrapping_add(n)));
    let bytes = (0..count).map(|n| piece(n).map(Vec::as_slice)).collect::<Option<Vec<_>>>()?.concat();
    (bytes.len() == usize::try_from(size).ok()?).then_some(Value::Blob(bytes))
}

fn key(entry: &[u8]) -> Option<String> {
    let bytes = &entry[8..24];
    let length = bytes.iter().position(|byte| *byte == 0)?;
    String::from_utf8(bytes[..length].to_vec()).ok()
}

fn value(entry: &[u8], data: &[u8]) -> Option<Value> {
    let number: [u8; 8] = entry[24..32].try_into().ok()?;
    let integer = u64::from_le_bytes(number);
    Some(match entry[1] {
        U8 => Value::Integer((integer & 0xff).into()),
        0x02 => Value::Integer((integer & 0xffff).into()),
        U32 => Value::Integer((integer & 0xffff_ffff).into()),
        0x08 => Value::Integer(integer.into()),
        0x11 => Value::Integer(number[0].cast_signed().into()),
        0x12 => Value::Integer(i16::from_le_bytes([number[0], number[1]]).into()),
        0x14 => Value::Integer(i32::from_le_bytes([number[0], number[1], number[2], number[3]]).into()),
        0x18 => Value::Integer(integer.cast_signed().into()),
        0x21 => {
            let length = usize::from(u16::from_le_bytes([number[0], number[1]]));
            let bytes = data.get(..length).filter(|bytes| crc(&[bytes]) == word(entry, 28))?;
            Value::Text(String::from_utf8(bytes.strip_suffix(&[0])?.to_vec()).ok()?)
        }
        _ => return None,
    })
}

/// An NVS partition in flash that an app writes at run time.
#[derive(Debug, Clone)]
pub(crate) struct NvsStore {
    flash: Flash,
    base: usize,
    size: usize,
}

impl NvsStore {
    /// None if the partition exceeds the flash.
    pub(crate) fn open(flash: &Flash, partition: &Partition) -> Option<Self> {
        let (base, size) = (usize::try_from(partition.offset).ok()?, usize::try_from(partition.size).ok()?);
        flash.read(base, size).map(|_| Self { flash: flash.clone(), base, size })
    }

    /// Replaces a number. False if there is no space: pages are not garbage-collected.
    pub(crate) fn set(&self, namespace: &str, name: &str, number: u32) -> bool {
        self.try_set(namespace, name, number).is_some()
    }

    fn try_set(&self, namespace: &str, name: &str, number: u32) -> Option<()> {
        let former = self.find(|entry| entry[0] == 0 && entry[1] == U8 && key(entry).as_deref() == Some(namespace));
        let space = match former {
            Some((_, entry)) => entry[24],
            None => {
                let space = self.highest_namespace()?.checked_add(1)?;
                self.append(&entry(0, U8, namespace, u32::from(space)))?;
                space
            }
        };
        let former = self.find(|entry| entry[0] == space && key(entry).as_deref() == Some(name));
        self.append(&entry(space, U32, name, number))?;
        // The new entry is written before the old one is erased: a power cut in between loses neither.
        match former {
            Some(((page, index), _)) => self.set_state(page, index, ERASED),
            None => Some(()),
        }
    }

    fn page(&self, page: usize) -> Option<Vec<u8>> {
        (page < self.size / PAGE).then(|| self.flash.read(self.base + page * PAGE, PAGE))?
    }

    /// Page and index of the last entry with this key, with its bytes.
    fn find(&self, is: impl Fn(&[u8]) -> bool) -> Option<((usize, usize), Vec<u8>)> {
        let pages = (0..self.size / PAGE).rev().filter_map(|page| Some((page, self.page(page)?)));
        pages.filter(|(_, bytes)| is_in_use(bytes)).find_map(|(page, bytes)| {
            let all = entries(&bytes).filter(|(entry, _)| is(entry)).last();
            all.map(|(entry, _)| {
                let offset = entry.as_ptr() as usize - bytes.as_ptr() as usize;
                ((page, (offset - ENTRIES_AT) / ENTRY), entry.to_vec())
            })
        })
    }

    fn highest_namespace(&self) -> Option<u8> {
        let pages = (0..self.size / PAGE).filter_map(|page| self.page(page)).filter(|bytes| is_in_use(bytes));
        let highest = |bytes: Vec<u8>| {
            let spaces = entries(&bytes).filter(|(entry, _)| entry[0] == 0 && entry[1] == U8);
            spaces.map(|(entry, _)| entry[24]).max()
        };
        Some(pages.filter_map(highest).max().unwrap_or(0))
    }

    /// Writes an entry after the last one of the active page, or into an empty page if that is full.
    fn append(&self, entry: &[u8; ENTRY]) -> Option<()> {
        let (page, index) = self.free_place()?;
        let at = self.base + page * PAGE + ENTRIES_AT + index * ENTRY;
        self.flash.program(at, entry).then_some(())?;
        self.set_state(page, index, WRITTEN)
    }

    fn free_place(&self) -> Option<(usize, usize)> {
        let all: Vec<_> = (0..self.size / PAGE).filter_map(|page| self.page(page)).collect();
        let active = all.iter().position(|bytes| is_in_use(bytes) && word(bytes, 0) == ACTIVE);
        if let Some(page) = active {
            let used = (0..ENTRIES).rev().find(|index| entry_state(&all[page], *index) != FREE);
            let next = used.map_or(0, |last| last + 1);
            if next < ENTRIES {
                return Some((page, next));
            }
            self.flash.program(self.base + page * PAGE, &FULL.to_le_bytes()).then_some(())?;
        }
        let sequence = all.iter().filter(|bytes| is_in_use(bytes)).map(|bytes| word(bytes, 4)).max();
        let page = all.iter().position(|bytes| bytes.iter().all(|byte| *byte == 0xff))?;
        let mut header = [0xff; 32];
        header[..4].copy_from_slice(&ACTIVE.to_le_bytes());
        header[4..8].copy_from_slice(&sequence.map_or(0, |last| last.wrapping_add(1)).to_le_bytes());
        // Version 2 of the format.
        header[8] = 0xfe;
        let sum = crc(&[&header[4..28]]);
        header[28..].copy_from_slice(&sum.to_le_bytes());
        self.flash.program(self.base + page * PAGE, &header).then_some((page, 0))
    }

    fn set_state(&self, page: usize, index: usize, state: u8) -> Option<()> {
        let shift = index % 4 * 2;
        let byte = !(0b11 << shift) | (state << shift);
        self.flash.program(self.base + page * PAGE + 32 + index / 4, &[byte]).then_some(())
    }
}

/// An entry without further ones that it spans.
fn entry(namespace: u8, kind: u8, name: &str, number: u32) -> [u8; ENTRY] {
    let mut entry = [0xff; ENTRY];
    entry[..4].copy_from_slice(&[namespace, kind, 1, 0xff]);
    entry[8..24].fill(0);
    let length = name.len().min(15);
    entry[8..8 + length].copy_from_slice(&name.as_bytes()[..length]);
    let bytes = number.to_le_bytes();
    let width = if kind == U8 { 1 } else { 4 };
    entry[24..24 + width].copy_from_slice(&bytes[..width]);
    let sum = crc(&[&entry[..4], &entry[8..]]);
    entry[4..8].copy_from_slice(&sum.to_le_bytes());
    entry
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The ROM's `crc32_le` with an initial value of all ones.
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
    fn a_partition_of_the_generator_is_read_back() {
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
    fn every_type_that_the_generator_writes_is_read_back() {
        let entry = |key: &str, value| NvsEntry::new_data("a".into(), key.into(), value);
        let long: Vec<u8> = (0..9000u32).flat_map(u32::to_le_bytes).collect();
        let entries = vec![
            entry("u8", DataValue::U8(u8::MAX)),
            entry("i8", DataValue::I8(i8::MIN)),
            entry("u16", DataValue::U16(u16::MAX)),
            entry("i16", DataValue::I16(i16::MIN)),
            entry("u32", DataValue::U32(u32::MAX)),
            entry("i32", DataValue::I32(i32::MIN)),
            entry("u64", DataValue::U64(u64::MAX)),
            entry("i64", DataValue::I64(i64::MIN)),
            entry("short", DataValue::Binary(vec![0, 0xff])),
            entry("long", DataValue::Binary(long.clone())),
        ];
        let nvs = Nvs::read(&NvsPartition { entries }.generate_partition(0x10000).expect("fits"));
        let number = |key: &str| nvs.number::<i128>("a", key);
        assert_eq!((number("u8"), number("i8")), (Some(u8::MAX.into()), Some(i8::MIN.into())));
        assert_eq!((number("u16"), number("i16")), (Some(u16::MAX.into()), Some(i16::MIN.into())));
        assert_eq!((number("u32"), number("i32")), (Some(u32::MAX.into()), Some(i32::MIN.into())));
        assert_eq!((number("u64"), number("i64")), (Some(u64::MAX.into()), Some(i64::MIN.into())));
        assert_eq!(nvs.blob("a", "short"), Some(&[0, 0xff][..]));
        assert_eq!(nvs.blob("a", "long"), Some(&long[..]));
        assert_eq!(nvs.text("a", "long"), None);
    }

    fn store(contents: &[u8]) -> NvsStore {
        let flash = Flash::erased(false).expect("flash");
        assert!(flash.program(0x9000, contents));
        let partition = Partition { kind: 1, subkind: 2, offset: 0x9000, size: 0x3000, label: "nvs".into() };
        NvsStore::open(&flash, &partition).expect("in the flash")
    }

    /// The contents of the store, read by our reader and by the generator's own parser.
    fn read_both(store: &NvsStore) -> (Option<u32>, Vec<(String, DataValue)>) {
        let bytes = store.flash.read(0x9000, 0x3000).expect("in the flash");
        let parsed = NvsPartition::try_from_bytes(bytes.clone()).expect("a partition");
        let entry = |entry: NvsEntry| match entry.content {
            esp_nvs_partition_tool::EntryContent::Data(value) => Some((entry.key, value)),
            _ => None,
        };
        (Nvs::read(&bytes).number("lamp", "boots"), parsed.entries.into_iter().filter_map(entry).collect())
    }

    #[test]
    fn a_value_stored_by_an_app_is_read_by_both_and_others_stay() {
        let entries = vec![NvsEntry::new_data("mqtt".into(), "port".into(), DataValue::U16(1883))];
        let given = NvsPartition { entries }.generate_partition(0x3000).expect("fits");
        for contents in [&given[..], &[0xff; 0x3000]] {
            let store = store(contents);
            // More than fits into a page.
            for boots in 1..=150 {
                assert!(store.set("lamp", "boots", boots));
                assert_eq!(read_both(&store).0, Some(boots));
            }
            let (_, parsed) = read_both(&store);
            let boots: Vec<_> = parsed.iter().filter(|(key, _)| key == "boots").collect();
            assert_eq!(boots, [&("boots".to_owned(), DataValue::U32(150))]);
            assert_eq!(parsed.len(), if contents[0] == 0xff { 1 } else { 2 }, "{parsed:?}");
        }
    }

    #[test]
    fn a_full_partition_stores_nothing_more_and_keeps_its_contents() {
        let store = store(&[0xff; 0x3000]);
        let stored = (1..).take_while(|boots| store.set("lamp", "boots", *boots)).last();
        assert_eq!(read_both(&store).0, stored);
    }

    #[test]
    fn a_flipped_bit_loses_only_its_entry() {
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
