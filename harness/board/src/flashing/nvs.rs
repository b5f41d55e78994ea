//! An NVS partition with the settings of the bench file.

use std::collections::BTreeMap;

use esp_nvs_partition_tool::{DataValue, NvsEntry, NvsPartition};
use hil_config::{NvsNumber, NvsType, NvsValue};
use hil_files::guarded;

/// (namespace, key) to value.
pub(crate) type Settings = BTreeMap<(String, String), NvsValue>;

/// Why settings can't be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NvsFault {
    #[error("`{key}` can't be stored: {reason}")]
    Value { key: String, reason: String },
    #[error("the `nvs` settings don't fit into the NVS partition of {} KiB: {reason}", size >> 10)]
    Whole { size: usize, reason: String },
}

/// Longest string with its terminator (ESP-IDF, NVS library, "Keys and Values").
const LONGEST_TEXT: usize = 4000;

pub(crate) fn encode(firmware: &str, settings: &Settings, size: u32) -> Result<Vec<u8>, NvsFault> {
    let size = usize::try_from(size).unwrap_or(0);
    let mut entries = Vec::new();
    for ((namespace, key), value) in settings {
        let named = || format!("firmware.{firmware}.nvs.\"{namespace}.{key}\"");
        let value = stored(value).map_err(|reason| NvsFault::Value { key: named(), reason })?;
        let entry = NvsEntry::new_data(namespace.clone(), key.clone(), value);
        // Alone first, so that the message names its key.
        generate(vec![entry.clone()], size).map_err(|reason| NvsFault::Value { key: named(), reason })?;
        entries.push(entry);
    }
    generate(entries, size).map_err(|reason| NvsFault::Whole { size, reason })
}

/// The size comes from the image's partition table, which may be broken.
fn generate(entries: Vec<NvsEntry>, size: usize) -> Result<Vec<u8>, String> {
    /// As `nvs_partition_gen.py` takes it; the largest flash of these chips.
    const LARGEST: usize = 128 << 20;
    if size > LARGEST {
        return Err(format!("the partition has {size:#x} bytes, more than any flash"));
    }
    match guarded(|| NvsPartition { entries }.generate_partition(size)) {
        Ok(made) => made.map_err(|error| error.to_string()),
        Err(panicked) => Err(panicked.to_string()),
    }
}

fn stored(value: &NvsValue) -> Result<DataValue, String> {
    Ok(match value {
        NvsValue::Text(text) if text.contains('\0') => return Err("a string can't hold a zero byte".to_owned()),
        NvsValue::Text(text) if text.len() >= LONGEST_TEXT => {
            return Err(format!("a string has at most {} bytes, and this one has {}", LONGEST_TEXT - 1, text.len()));
        }
        NvsValue::Text(text) => DataValue::String(text.clone()),
        NvsValue::Integer(number) => DataValue::I32(*number),
        NvsValue::Boolean(value) => DataValue::U8(u8::from(*value)),
        NvsValue::Blob(bytes) => DataValue::Binary(bytes.clone()),
        NvsValue::Number(_, NvsNumber::Port(port)) => {
            return Err(format!("the port `{}` is not known", port.placeholder()));
        }
        NvsValue::Number(kind, NvsNumber::Is(number)) => {
            integer(*kind, *number).ok_or_else(|| format!("`{number}` is not a value of the type `{}`", kind.word()))?
        }
    })
}

fn integer(kind: NvsType, number: i128) -> Option<DataValue> {
    Some(match kind {
        NvsType::U8 => DataValue::U8(number.try_into().ok()?),
        NvsType::I8 => DataValue::I8(number.try_into().ok()?),
        NvsType::U16 => DataValue::U16(number.try_into().ok()?),
        NvsType::I16 => DataValue::I16(number.try_into().ok()?),
        NvsType::U32 => DataValue::U32(number.try_into().ok()?),
        NvsType::I32 => DataValue::I32(number.try_into().ok()?),
        NvsType::U64 => DataValue::U64(number.try_into().ok()?),
        NvsType::I64 => DataValue::I64(number.try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(value: NvsValue) -> String {
        let settings = Settings::from([
            (("mqtt".to_owned(), "host".to_owned()), value),
            (("mqtt".to_owned(), "port".to_owned()), NvsValue::Integer(1883)),
        ]);
        encode("lamp", &settings, 0x6000).expect_err("refused").to_string()
    }

    /// What a placeholder stands for is known only now: a certificate may be too long.
    #[test]
    fn a_value_that_cant_be_stored_is_named_by_its_key() {
        let text = [
            fault(NvsValue::Text("x".repeat(4000))),
            fault(NvsValue::Text("a\0b".to_owned())),
            fault(NvsValue::Blob(vec![0; 0x8000])),
            fault(NvsValue::Number(NvsType::U8, NvsNumber::Is(256))),
        ];
        insta::assert_snapshot!(text.join("\n"));
    }

    #[test]
    fn settings_that_fit_alone_and_not_together_are_refused_as_a_whole() {
        let blob = |n: usize| (("a".to_owned(), format!("b{n}")), NvsValue::Blob(vec![0; 0x2000]));
        let settings: Settings = (0..4).map(blob).collect();
        insta::assert_snapshot!(encode("lamp", &settings, 0x6000).expect_err("refused").to_string());
    }
}
