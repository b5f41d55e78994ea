//! What is written where, cut at the borders of partitions: a partition that the device changed is written again, and
//! no other.

use super::inspect::{BootApp, Layout, Part};
use super::nvs::{self, NvsFault, Settings};
use super::otadata;
use super::partitions::Partition;

/// A stretch of flash and what it is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) address: u32,
    pub(crate) data: Vec<u8>,
    pub(crate) role: Role,
}

impl Region {
    pub(crate) fn end(&self) -> u64 {
        u64::from(self.address) + self.data.len() as u64
    }

    /// Whether it is worth asking for it before it is made blank together with a program: a block is erased in one go
    /// (64 KiB on all SPI flash), and less than that takes no longer than the question.
    pub(crate) fn is_large(&self) -> bool {
        self.data.len() > 0x1_0000
    }
}

/// The regions that a flash does not hold, in order. Blank ones count only where a program is missing: then it is
/// another firmware, and no data of the previous one must stay.
pub(crate) fn missing<E>(
    regions: &[Region],
    mut holds: impl FnMut(&Region) -> Result<bool, E>,
) -> Result<Vec<&Region>, E> {
    let mut missing = Vec::new();
    let (blank, other): (Vec<_>, Vec<_>) = regions.iter().partition(|region| region.role == Role::Blank);
    for region in other {
        if !holds(region)? {
            missing.push(region);
        }
    }
    if missing.iter().any(|region| region.role == Role::Program) {
        for region in blank {
            if !region.is_large() || !holds(region)? {
                missing.push(region);
            }
        }
    }
    missing.sort_by_key(|region| region.address);
    Ok(missing)
}

/// When a region is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// Bootloader, partition table, app: where the flash holds anything else.
    Program,
    /// Settings, OTA data: the same. A difference does not mean another firmware: a device writes there.
    State,
    /// Data that the image leaves blank: only together with a program. What the device writes there stays.
    Blank,
}

/// Why an image can't be planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlanFault {
    /// `nvs` is given, but the image has no partition table.
    #[error("the bench file gives `nvs` settings, but the image has no partition table")]
    NoPartitionTable,
    /// `nvs` is given, but there is no such partition.
    #[error("the bench file gives `nvs` settings, but the image's partition table has no NVS partition")]
    NoNvsPartition,
    #[error(transparent)]
    Nvs(#[from] NvsFault),
}

impl PlanFault {
    /// One thing to try, true for this case.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::NoPartitionTable => "flash a merged image, or its parts at their offsets".to_owned(),
            Self::NoNvsPartition => "add `nvs, data, nvs, , 0x6000` to its partitions, or leave `nvs` out".to_owned(),
            Self::Nvs(NvsFault::Value { .. }) => "docs/reference/bench-file.md lists the types of settings".to_owned(),
            Self::Nvs(NvsFault::Whole { .. }) => "choose a partition table with more room for NVS".to_owned(),
        }
    }
}

/// Smallest part of flash that is erased.
const SECTOR: usize = 0x1000;

/// Cuts the parts of an image at the borders of its partitions, puts the settings into its NVS partition, and sees to
/// it that its app is the one that boots: no OTA data of an earlier firmware chooses another, and no app of an earlier
/// one is left to fall back to.
pub(crate) fn plan(
    firmware: &str,
    parts: Vec<Part>,
    layout: &Layout,
    settings: &Settings,
) -> Result<Vec<Region>, PlanFault> {
    let mut regions: Vec<Region> = parts.into_iter().flat_map(|part| cut(part, layout)).collect();
    if let Some(boots) = &layout.boots {
        boot_only(&mut regions, layout, boots);
    }
    if !settings.is_empty() {
        if layout.partitions.is_empty() {
            return Err(PlanFault::NoPartitionTable);
        }
        let mut all = layout.partitions.iter().filter(|partition| partition.is_nvs());
        // `nvs_flash_init` opens the partition of that label; others hold what a factory wrote, for example.
        let default = all.clone().find(|partition| partition.label == "nvs");
        let nvs = default.or_else(|| all.next()).ok_or(PlanFault::NoNvsPartition)?;
        replace(&mut regions, nvs, nvs::encode(firmware, settings, nvs.size)?);
    }
    for region in &mut regions {
        // The loader writes whole words.
        region.data.resize(region.data.len().next_multiple_of(4), 0xff);
    }
    regions.sort_by_key(|region| region.address);
    Ok(regions)
}

/// The pieces of a part: one for each partition, and what lies between.
fn cut(part: Part, layout: &Layout) -> Vec<Region> {
    let (start, end) = (u64::from(part.address), part.end());
    let mut borders: Vec<u64> = layout.partitions.iter().flat_map(|it| [u64::from(it.offset), it.end()]).collect();
    borders.extend([start, end]);
    borders.retain(|border| (start..=end).contains(border));
    borders.sort_unstable();
    borders.dedup();
    let piece = |pair: &[u64]| {
        let address = u32::try_from(pair[0]).ok()?;
        let (from, to) = (usize::try_from(pair[0] - start).ok()?, usize::try_from(pair[1] - start).ok()?);
        let data = part.data.get(from..to)?.to_vec();
        let within = layout.partitions.iter().find(|it| u64::from(it.offset) <= pair[0] && pair[1] <= it.end());
        Some(piece(address, data, within, layout))
    };
    borders.windows(2).filter_map(piece).collect()
}

fn piece(address: u32, mut data: Vec<u8>, within: Option<&Partition>, layout: &Layout) -> Region {
    let is_blank = data.iter().all(|byte| *byte == 0xff);
    let role = match within {
        Some(it) if it.is_nvs() || it.is_ota_data() => Role::State,
        Some(it) if it.is_data() && is_blank => Role::Blank,
        Some(it) if it.is_data() => Role::State,
        Some(it) if it.is_app() && is_blank => Role::Blank,
        _ => Role::Program,
    };
    if let Some(boots) = layout.boots.as_ref().filter(|boots| boots.offset == address) {
        // The padding of a merged image after its app is not part of the app.
        let used = data.iter().rposition(|byte| *byte != 0xff).map_or(0, |last| last + 1);
        let length = usize::try_from(boots.length).unwrap_or(data.len());
        data.truncate(used.max(length).next_multiple_of(SECTOR));
    }
    Region { address, data, role }
}

/// Nothing but the image's app can boot.
fn boot_only(regions: &mut Vec<Region>, layout: &Layout, boots: &BootApp) {
    if let Some(info) = layout.partitions.iter().find(|partition| partition.is_ota_data()) {
        let size = usize::try_from(info.size).unwrap_or(2 * SECTOR);
        let given = regions.iter().find(|region| region.address == info.offset);
        let mut slots: Vec<u8> = layout.partitions.iter().filter_map(Partition::ota_slot).collect();
        slots.sort_unstable();
        let place = boots.slot.and_then(|slot| slots.iter().position(|known| *known == slot));
        // What the image brings is kept, with its state, if it chooses an app.
        let chooses = given.is_some_and(|given| otadata::chosen(&given.data, slots.len()).is_some());
        if !chooses {
            let data = place.map_or_else(|| vec![0xff; size], |place| otadata::choosing(place, size));
            replace(regions, info, data);
        }
    }
    for slot in layout.partitions.iter().filter(|it| it.is_app() && it.offset != boots.offset) {
        let is_program = |region: &Region| region.address == slot.offset && region.role == Role::Program;
        if !regions.iter().any(is_program) {
            // Without its first bytes it is not an app.
            blank_begin(regions, slot);
        }
    }
}

/// Puts other bytes into a whole partition.
fn replace(regions: &mut Vec<Region>, partition: &Partition, data: Vec<u8>) {
    regions.retain(|region| region.address < partition.offset || u64::from(region.address) >= partition.end());
    regions.push(Region { address: partition.offset, data, role: Role::State });
}

/// Blanks the first sector of a partition, apart from what else the image says of it.
fn blank_begin(regions: &mut Vec<Region>, partition: &Partition) {
    if let Some(region) = regions.iter_mut().find(|region| region.address == partition.offset) {
        let begin = region.data.len().min(SECTOR);
        region.data.drain(..begin);
        region.address += u32::try_from(begin).unwrap_or(0);
    }
    regions.retain(|region| !region.data.is_empty());
    regions.push(Region { address: partition.offset, data: vec![0xff; SECTOR], role: Role::State });
}

#[cfg(test)]
mod tests {
    use hil_config::{Chip, NvsValue};
    use hil_virtual_board::image::{AppDescriptor, PartitionTable, builtin, merge};

    use super::*;
    use crate::flashing::inspect::{Target, inspect};

    fn settings() -> Settings {
        Settings::from([(("mqtt".into(), "host".into()), NvsValue::Text("127.0.0.1".into()))])
    }

    fn part(address: u32, data: Vec<u8>) -> Part {
        Part { address, data, source: "lamp.bin".to_owned() }
    }

    fn lamp() -> Vec<u8> {
        builtin("lamp").expect("built in")
    }

    fn two_slots() -> Vec<u8> {
        let app = AppDescriptor { project: "lamp".to_owned(), version: "1.0.0".to_owned() };
        merge(&app, &PartitionTable::two_ota_apps())
    }

    fn planned(parts: Vec<Part>, settings: &Settings) -> Vec<Region> {
        let target = Target { board: "lamp", chip: Chip::Esp32c3, flash: None };
        let layout = inspect(&parts, parts.len() == 1, target).expect("an image");
        plan("lamp", parts, &layout, settings).expect("a plan")
    }

    fn shape(regions: &[Region]) -> Vec<(u32, usize, Role)> {
        regions.iter().map(|region| (region.address, region.data.len(), region.role)).collect()
    }

    #[test]
    fn an_image_is_cut_at_its_partitions_and_blank_data_is_left_to_the_device() {
        let image = lamp();
        let length = image.len() - 0x10000;
        let expected = [
            (0, 0x9000, Role::Program),
            (0x9000, 0x6000, Role::State),
            (0xf000, 0x1000, Role::Blank),
            (0x10000, length, Role::Program),
        ];
        let regions = planned(vec![part(0, image.clone())], &Settings::new());
        assert_eq!(shape(&regions), expected);
        let whole: Vec<u8> = regions.into_iter().flat_map(|region| region.data).collect();
        assert_eq!(whole, image, "without settings nothing is changed");
    }

    #[test]
    fn settings_take_the_place_of_the_nvs_partition_and_of_nothing_else() {
        let plain = planned(vec![part(0, lamp())], &Settings::new());
        let set = planned(vec![part(0, lamp())], &settings());
        assert_eq!(shape(&set), shape(&plain));
        assert_eq!(set[1].data[0], 0xfe, "an active NVS page");
        let others = |regions: &[Region]| regions.iter().filter(|it| it.address != 0x9000).cloned().collect::<Vec<_>>();
        assert_eq!(others(&set), others(&plain));
    }

    #[test]
    fn an_image_filled_up_to_the_flash_writes_no_more_than_its_app() {
        let mut image = lamp();
        let length = image.len() - 0x10000;
        image.resize(4 << 20, 0xff);
        let regions = planned(vec![part(0, image)], &Settings::new());
        let programs: Vec<_> = shape(&regions).into_iter().filter(|(_, _, role)| *role == Role::Program).collect();
        let app = (0x10000, length.next_multiple_of(SECTOR), Role::Program);
        assert_eq!(programs[..2], [(0, 0x9000, Role::Program), app]);
    }

    #[test]
    fn no_slot_of_an_earlier_firmware_can_boot() {
        let regions = planned(vec![part(0, two_slots())], &Settings::new());
        let info = regions.iter().find(|region| region.address == 0xe000).expect("OTA data");
        assert_eq!(otadata::chosen(&info.data, 2), Some(0), "the app that is written is chosen");
        let other = regions.iter().find(|region| region.address == 0x15_0000).expect("the other slot");
        assert_eq!((other.data.as_slice(), other.role), (&[0xff; SECTOR][..], Role::State));
    }

    #[test]
    fn ota_data_of_the_image_itself_and_parts_that_leave_it_out_choose_the_app_that_is_there() {
        let image = two_slots();
        let app = image[0x10000..].to_vec();
        let bootloader = image[..0x9000].to_vec();
        let only_second = planned(vec![part(0, bootloader.clone()), part(0x15_0000, app.clone())], &Settings::new());
        let info = only_second.iter().find(|region| region.address == 0xe000).expect("OTA data");
        assert_eq!(otadata::chosen(&info.data, 2), Some(1));
        let blanked = only_second.iter().find(|region| region.address == 0x10000).expect("the other slot");
        assert_eq!(blanked.data, [0xff; SECTOR]);
        // State 1 would be a trial: what the image says is kept to the byte.
        let mut own = otadata::choosing(1, 2 * SECTOR);
        own[24] = 1;
        let parts =
            vec![part(0, bootloader), part(0xe000, own.clone()), part(0x10000, app.clone()), part(0x15_0000, app)];
        let both = planned(parts, &Settings::new());
        assert_eq!(both.iter().find(|region| region.address == 0xe000).map(|it| &it.data), Some(&own));
        let programs = both.iter().filter(|region| region.role == Role::Program).count();
        assert_eq!(programs, 3, "an app that the image brings stays: {:?}", shape(&both));
    }

    #[test]
    fn ota_data_that_chooses_an_app_that_is_not_there_starts_the_next_one() {
        let image = two_slots();
        let parts = vec![
            part(0, image[..0x9000].to_vec()),
            part(0xe000, otadata::choosing(1, 2 * SECTOR)),
            part(0x10000, image[0x10000..].to_vec()),
        ];
        let target = Target { board: "lamp", chip: Chip::Esp32c3, flash: None };
        let layout = inspect(&parts, false, target).expect("an image that boots");
        assert_eq!(layout.boots.map(|boots| boots.slot), Some(Some(0)));
    }

    #[test]
    fn settings_without_a_place_are_refused() {
        let no_table = Layout::default();
        let app_only = vec![part(0x10000, vec![0xe9; 64])];
        assert_eq!(plan("lamp", app_only, &no_table, &settings()), Err(PlanFault::NoPartitionTable));
        let parts = vec![part(0, lamp())];
        let target = Target { board: "lamp", chip: Chip::Esp32c3, flash: None };
        let mut layout = inspect(&parts, true, target).expect("an image");
        layout.partitions.remove(0);
        let lacks = plan("lamp", parts.clone(), &layout, &settings());
        assert_eq!(lacks, Err(PlanFault::NoNvsPartition));
    }

    #[test]
    fn settings_go_into_the_partition_that_an_app_opens_by_default() {
        let mut table = PartitionTable::single_app();
        table.0[0].size = 0x3000;
        table.0[0].label = "nvs_factory".to_owned();
        let nvs = hil_virtual_board::image::Partition {
            kind: 1,
            subkind: 2,
            offset: 0xc000,
            size: 0x3000,
            label: "nvs".to_owned(),
        };
        table.0.insert(1, nvs);
        let app = AppDescriptor { project: "lamp".to_owned(), version: "1.0.0".to_owned() };
        let regions = planned(vec![part(0, merge(&app, &table))], &settings());
        let first_byte = |address| regions.iter().find(|it| it.address == address).map(|it| it.data[0]);
        assert_eq!((first_byte(0x9000), first_byte(0xc000)), (Some(0xff), Some(0xfe)));
    }
}
