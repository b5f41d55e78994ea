//! What is written where: the image's parts, with the NVS partition made from the bench file.

use std::collections::BTreeMap;

use esp_idf_part::{DataType, Partition, PartitionTable, SubType, Type};
use esp_nvs_partition_tool::{DataValue, NvsEntry, NvsPartition};
use hil_config::NvsValue;

const PARTITION_TABLE_AT: usize = 0x8000;
const PARTITION_TABLE_SIZE: usize = 0xc00;

/// A stretch of flash and what it shall hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Address in flash.
    pub address: u32,
    /// The bytes.
    pub data: Vec<u8>,
}

/// Why no plan can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// `nvs` is given, but the image has no partition table.
    #[error("the bench file gives `nvs` settings, but the image has no valid partition table at 0x8000")]
    NoPartitionTable,
    /// `nvs` is given, but there is no such partition.
    #[error("the bench file gives `nvs` settings, but the image's partition table has no NVS partition")]
    NoNvsPartition,
    /// The settings don't fit.
    #[error("the `nvs` settings don't fit: {0}")]
    Nvs(String),
    /// Two parts overlap.
    #[error("the parts at {0:#x} and {1:#x} overlap")]
    Overlap(u32, u32),
}

/// Cuts the NVS partition out of the image's parts and puts the settings in its place.
///
/// Without settings the image is written as it is.
///
/// # Errors
/// When parts overlap, or settings are given that have no place.
pub fn plan(parts: Vec<Region>, settings: &BTreeMap<(String, String), NvsValue>) -> Result<Vec<Region>, PlanError> {
    let mut parts = parts;
    parts.sort_by_key(|part| part.address);
    for pair in parts.windows(2) {
        if end(&pair[0]) > u64::from(pair[1].address) {
            return Err(PlanError::Overlap(pair[0].address, pair[1].address));
        }
    }
    if !settings.is_empty() {
        let nvs = nvs_partition(&parts)?;
        let region = Region { address: nvs.offset(), data: encode(settings, nvs.size())? };
        parts = parts.into_iter().flat_map(|part| without(part, &region)).collect();
        parts.push(region);
        parts.sort_by_key(|part| part.address);
    }
    for part in &mut parts {
        // The loader writes whole words.
        part.data.resize(part.data.len().next_multiple_of(4), 0xff);
    }
    Ok(parts)
}

fn end(region: &Region) -> u64 {
    u64::from(region.address) + region.data.len() as u64
}

fn nvs_partition(parts: &[Region]) -> Result<Partition, PlanError> {
    let table = parts.iter().find_map(|part| {
        let start = PARTITION_TABLE_AT.checked_sub(usize::try_from(part.address).ok()?)?;
        let bytes = part.data.get(start..)?;
        PartitionTable::try_from_bytes(bytes[..bytes.len().min(PARTITION_TABLE_SIZE)].to_vec()).ok()
    });
    let table = table.ok_or(PlanError::NoPartitionTable)?;
    table.find_by_subtype(Type::Data, SubType::Data(DataType::Nvs)).cloned().ok_or(PlanError::NoNvsPartition)
}

fn encode(settings: &BTreeMap<(String, String), NvsValue>, size: u32) -> Result<Vec<u8>, PlanError> {
    let entry = |((namespace, key), value): (&(String, String), &NvsValue)| {
        let value = match value {
            NvsValue::Text(text) => DataValue::String(text.clone()),
            NvsValue::Integer(number) => DataValue::I32(*number),
        };
        NvsEntry::new_data(namespace.clone(), key.clone(), value)
    };
    let entries = settings.iter().map(entry).collect();
    let size = usize::try_from(size).unwrap_or(0);
    NvsPartition { entries }.generate_partition(size).map_err(|error| PlanError::Nvs(error.to_string()))
}

/// What is left of a part beside a hole; empty ends are left out.
fn without(part: Region, hole: &Region) -> Vec<Region> {
    let (start, stop) = (u64::from(part.address), end(&part));
    let hole_start = u64::from(hole.address).clamp(start, stop) - start;
    let hole_stop = end(hole).clamp(start, stop) - start;
    let (Ok(hole_start), Ok(hole_stop)) = (usize::try_from(hole_start), usize::try_from(hole_stop)) else {
        return vec![part];
    };
    let after = part.data[hole_stop..].to_vec();
    let after_at = part.address + u32::try_from(hole_stop).unwrap_or(u32::MAX);
    let mut before = part;
    before.data.truncate(hole_start);
    [before, Region { address: after_at, data: after }].into_iter().filter(|region| !region.data.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> BTreeMap<(String, String), NvsValue> {
        BTreeMap::from([(("mqtt".into(), "host".into()), NvsValue::Text("127.0.0.1".into()))])
    }

    fn lamp() -> Vec<Region> {
        vec![Region { address: 0, data: hil_virtual_board::image::builtin("lamp").expect("built in") }]
    }

    #[test]
    fn without_settings_the_image_is_written_as_it_is() {
        assert_eq!(plan(lamp(), &BTreeMap::new()), Ok(lamp()));
    }

    #[test]
    fn settings_take_the_place_of_the_nvs_partition() {
        let planned = plan(lamp(), &settings()).expect("plan");
        let shape: Vec<_> = planned.iter().map(|region| (region.address, end(region))).collect();
        assert_eq!(shape, [(0, 0x9000), (0x9000, 0xf000), (0xf000, end(&lamp()[0]))]);
        let whole: Vec<u8> = planned.iter().flat_map(|region| region.data.clone()).collect();
        let image = &lamp()[0].data;
        assert_eq!((&whole[..0x9000], &whole[0xf000..]), (&image[..0x9000], &image[0xf000..]));
        assert_eq!(whole[0x9000], 0xfe, "an active NVS page");
    }

    #[test]
    fn what_has_no_place_is_refused() {
        let app_only = vec![Region { address: 0x10000, data: vec![0xe9; 64] }];
        assert_eq!(plan(app_only, &settings()), Err(PlanError::NoPartitionTable));
        let part = |address, length| Region { address, data: vec![0; length] };
        assert_eq!(plan(vec![part(8, 8), part(0, 9)], &BTreeMap::new()), Err(PlanError::Overlap(0, 8)));
        let mut huge = settings();
        huge.insert(("a".into(), "b".into()), NvsValue::Text("x".repeat(4200)));
        assert!(matches!(plan(lamp(), &huge), Err(PlanError::Nvs(_))));
    }
}
