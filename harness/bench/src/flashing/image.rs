//! Reads a firmware's files and puts its settings in their place.

use std::path::Path;

use espflash::flasher::{FlashData, FlashSettings};
use espflash::image_format::idf::IdfBootloaderFormat;
use hil_config::{Chip, Firmware, Image, NvsValue};

use super::espflash_backend::chip_of;
use super::plan::{Region, plan};
use crate::bench::unknown_image;
use crate::error::BenchError;
use crate::tap_address::TapAddress;
use crate::virtual_board::builtin_image;

/// What the firmware's files say is to be written where.
pub(crate) fn read(firmware: &Firmware, chip: Chip) -> Result<Vec<Region>, BenchError> {
    let failed = |reason: String, hint: Option<String>| BenchError::Firmware {
        firmware: firmware.name.to_string(),
        reason,
        hint,
    };
    let mut parts = Vec::new();
    match &firmware.image {
        // What is on the board stays; settings would need its partition table.
        Image::Installed => {}
        Image::Builtin(name) => {
            let data = builtin_image(name).map_err(|known| unknown_image(firmware, name, known))?;
            parts.push(Region { address: 0, data });
        }
        Image::Parts(files) => {
            for (address, path) in files {
                let data = std::fs::read(path).map_err(|error| {
                    let hint = "paths in a bench file count from its folder".to_owned();
                    failed(format!("can't read `{}`: {error}", path.display()), Some(hint))
                })?;
                if data.starts_with(b"\x7fELF") {
                    let regions = regions_of_elf(&data, chip, firmware.partitions.as_deref());
                    parts.extend(regions.map_err(|reason| failed(format!("`{}`: {reason}", path.display()), None))?);
                } else {
                    parts.push(Region { address: *address, data });
                }
            }
        }
    }
    Ok(parts)
}

/// The same with the settings of the bench in their place.
pub(crate) fn with_settings(
    parts: Vec<Region>,
    firmware: &Firmware,
    tap: &TapAddress,
) -> Result<Vec<Region>, BenchError> {
    if parts.is_empty() {
        return Ok(parts);
    }
    plan(parts, &filled(firmware, tap)).map_err(|error| BenchError::Firmware {
        firmware: firmware.name.to_string(),
        reason: error.to_string(),
        hint: None,
    })
}

/// Bootloader, partition table and app, as espflash makes them.
fn regions_of_elf(elf: &[u8], chip: Chip, partitions: Option<&Path>) -> Result<Vec<Region>, String> {
    let chip =
        chip_of(chip).ok_or_else(|| format!("an ELF file can't be made into an image for the {}", chip.word()))?;
    let data = FlashData::new(FlashSettings::default(), 0, None, chip, chip.default_xtal_frequency());
    let image =
        IdfBootloaderFormat::new(elf, &data, partitions, None, None, None).map_err(|error| error.to_string())?;
    Ok(image
        .flash_segments()
        .map(|segment| Region { address: segment.addr, data: segment.data.into_owned() })
        .collect())
}

type Settings = std::collections::BTreeMap<(String, String), NvsValue>;

fn filled(firmware: &Firmware, tap: &TapAddress) -> Settings {
    let settings = firmware.nvs.iter().map(|(key, value)| {
        let value = match value {
            NvsValue::Text(text) => NvsValue::Text(tap.fill(text)),
            NvsValue::Integer(number) => NvsValue::Integer(*number),
        };
        (key.clone(), value)
    });
    settings.collect()
}
