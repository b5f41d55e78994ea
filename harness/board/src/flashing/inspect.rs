//! Checks an image before anything is powered: whether it can run on its board, and which app must boot.

use hil_config::Chip;

use super::header::{self, App, Header, MAGIC};
use super::otadata;
use super::partitions::{self, ENTRY_MAGIC, Partition, TABLE_AT, TableFault};

/// Bytes for a place in flash, and where they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) address: u32,
    pub(crate) data: Vec<u8>,
    /// What messages call it.
    pub(crate) source: String,
}

impl Part {
    pub(crate) fn end(&self) -> u64 {
        u64::from(self.address) + self.data.len() as u64
    }
}

/// What an image is made for and where its pieces lie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Empty if the image does not bring a partition table.
    pub(crate) partitions: Vec<Partition>,
    /// The app that the bootloader must start.
    pub(crate) boots: Option<BootApp>,
}

/// An app with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BootApp {
    pub(crate) offset: u32,
    /// Its number, where it came over the air.
    pub(crate) slot: Option<u8>,
    /// Bytes of its image.
    pub(crate) length: u64,
    /// Its identity.
    pub(crate) app: Option<App>,
}

/// The board that an image must fit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) board: &'a str,
    pub(crate) chip: Chip,
    /// Bytes of its flash, where they are known before it is asked.
    pub(crate) flash: Option<u64>,
}

/// Why an image can't run on its board.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ImageFault {
    #[error("`{0}` is empty")]
    Empty(String),
    #[error("`{source_name}` is not an ESP image: {begins}")]
    NotImage { source_name: String, begins: String },
    #[error("{what} is made for the {found}, and board `{board}` has an {expected}")]
    WrongChip { what: String, board: String, expected: String, found: String },
    #[error("`{source_name}` ends at {end:#x}: it is larger than the flash of board `{board}`, which has {}", size(*flash))]
    TooBig { source_name: String, board: String, end: u64, flash: u64 },
    #[error("`{source_name}` is made for a flash of {}, and that of board `{board}` has {}", size(*made_for), size(*flash))]
    FlashSize { source_name: String, board: String, made_for: u64, flash: u64 },
    #[error("`{source_name}` is an app image{} without bootloader and partition table", named(app.as_ref()))]
    AppOnly { source_name: String, app: Option<App>, bootloader_at: u32 },
    #[error("`{source_name}` has no partition table at {TABLE_AT:#x}")]
    NoTable { source_name: String, bootloader_at: u32 },
    #[error("the partition table at {at:#x} is broken: {fault}")]
    Table { at: u32, fault: TableFault },
    #[error("the partition `{label}` ends at {end:#x}, and the image is made for a flash of {}", size(*flash))]
    PartitionBeyond { label: String, end: u64, flash: u64 },
    #[error("the partition table at {TABLE_AT:#x} has no app partition")]
    NoAppPartition,
    #[error("the boot partition `{label}` at {offset:#x} holds no app")]
    NoApp { label: String, offset: u32 },
    #[error("the {what} at {offset:#x} is cut short: its header gives {length} bytes, and there are {present}")]
    CutShort { what: &'static str, offset: u32, length: u64, present: u64 },
    #[error("`{source_name}` is at {at:#x}, but the {chip} looks for its bootloader at {bootloader_at:#x}")]
    Misplaced { source_name: String, at: u32, chip: String, bootloader_at: u32 },
    #[error("`{source_name}` is an app{} at {at:#x}, where the chip looks for its bootloader", named(app.as_ref()))]
    AppAsBootloader { source_name: String, at: u32, app: Option<App> },
    #[error("`{source_name}` at {TABLE_AT:#x} is not a partition table as the chip reads it")]
    NotTable { source_name: String },
    #[error("the app at {offset:#x} has {length} bytes, and its partition `{label}` has room for {room}")]
    AppTooBig { label: String, offset: u32, length: u64, room: u32 },
    #[error("the parts at {0:#x} and {1:#x} overlap")]
    Overlap(u32, u32),
}

fn named(app: Option<&App>) -> String {
    app.map(|app| format!(" (`{}` {})", app.project, app.version)).unwrap_or_default()
}

/// As flash sizes are written.
pub(crate) fn size(bytes: u64) -> String {
    if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) {
        format!("{} MiB", bytes >> 20)
    } else {
        format!("{} KiB", bytes >> 10)
    }
}

impl ImageFault {
    /// Where in flash it is, where the text does not name a file.
    pub(crate) fn place(&self) -> Option<u32> {
        match self {
            Self::Table { at, .. } => Some(*at),
            Self::NoApp { offset, .. } | Self::CutShort { offset, .. } | Self::AppTooBig { offset, .. } => {
                Some(*offset)
            }
            Self::PartitionBeyond { .. } | Self::NoAppPartition => Some(TABLE_AT),
            Self::Empty(_) | Self::NotImage { .. } | Self::WrongChip { .. } | Self::TooBig { .. } => None,
            Self::Misplaced { .. } | Self::AppAsBootloader { .. } | Self::NotTable { .. } => None,
            Self::FlashSize { .. } | Self::AppOnly { .. } | Self::NoTable { .. } | Self::Overlap(..) => None,
        }
    }

    /// One thing to try, true for this case.
    pub(crate) fn hint(&self) -> String {
        let parts = |at: &u32| {
            format!(
                "flash the merged image that `esptool merge-bin` makes, or give the parts at their offsets: `{{ {at:#x} = \"bootloader.bin\", 0x8000 = \"partition-table.bin\", 0x10000 = \"app.bin\" }}`"
            )
        };
        match self {
            Self::Empty(_) => "did the build write it?".to_owned(),
            Self::NotImage { .. } => "name an ELF file, or the merged image that `esptool merge-bin` makes".to_owned(),
            Self::WrongChip { board, expected, .. } => {
                format!("build it for the `{expected}`, or correct `boards.{board}.chip`")
            }
            Self::TooBig { .. } => "name a smaller image; `esptool merge-bin` pads to a size only if asked".to_owned(),
            Self::FlashSize { .. } | Self::PartitionBeyond { .. } => {
                "choose the flash size and the partition table of the board in the build".to_owned()
            }
            Self::AppOnly { bootloader_at, .. } | Self::NoTable { bootloader_at, .. } => parts(bootloader_at),
            Self::Table { .. } => "build it again; ESP-IDF's `gen_esp32part.py` shows what is in it".to_owned(),
            Self::NoAppPartition => "a partition of the type `app` is what the bootloader starts".to_owned(),
            Self::NoApp { offset, .. } => {
                format!("add the app, `{{ …, {offset:#x} = \"app.bin\" }}`, or merge it in with `esptool merge-bin`")
            }
            Self::Misplaced { bootloader_at, .. } => {
                format!("a bootloader goes to {bootloader_at:#x}: `{{ {bootloader_at:#x} = \"bootloader.bin\", … }}`")
            }
            Self::AppAsBootloader { .. } => "are the offsets of the parts swapped?".to_owned(),
            Self::NotTable { .. } => {
                "name the `.bin` that the build made of the `.csv`; ESP-IDF's `gen_esp32part.py` does it, too"
                    .to_owned()
            }
            Self::CutShort { .. } => "was it copied or downloaded to its end?".to_owned(),
            Self::AppTooBig { .. } => "choose a partition table with more room for the app".to_owned(),
            Self::Overlap(..) => "each part ends before the next begins".to_owned(),
        }
    }
}

/// Where a single file goes: to the place where the chip looks for its bootloader, unless it is made for 0 and is
/// filled up before its bootloader.
pub(crate) fn place(data: &[u8], chip: Chip) -> u32 {
    let at = chip.bootloader_offset();
    let begins_as_image = data.first() == Some(&MAGIC);
    if at != 0 && begins_as_image { at } else { 0 }
}

/// Checks all parts of an image.
///
/// Of an ESP8266 it is checked only that nothing is empty or too large, and that what lies at 0 is an image: its format
/// does not say more.
pub(crate) fn inspect(parts: &[Part], single: bool, target: Target<'_>) -> Result<Layout, ImageFault> {
    check_places(parts, target)?;
    let image = Image { parts, target };
    let bootloader_at = target.chip.bootloader_offset();
    let begin = if single { parts.first() } else { parts.iter().find(|part| part.covers(bootloader_at)) };
    let mut made_for = None;
    if let Some(part) = begin {
        let at = if part.covers(bootloader_at) { bootloader_at } else { part.address };
        let header = image.header(part, at)?;
        made_for = header.and_then(|header| header.flash_size);
    }
    if target.chip.image_id().is_none() {
        return Ok(Layout::default());
    }
    if let Some(part) = parts.iter().find(|part| part.address == TABLE_AT)
        && !part.data.starts_with(&ENTRY_MAGIC)
        && part.data.first() != Some(&MAGIC)
    {
        return Err(ImageFault::NotTable { source_name: part.source.clone() });
    }
    let Some((at, bytes)) = image.table() else { return image.without_table(begin, single) };
    if let Some(part) = begin {
        image.check_bootloader(part, bootloader_at)?;
    }
    let partitions = partitions::read(bytes).map_err(|fault| ImageFault::Table { at, fault })?;
    let flash = made_for.or(target.flash);
    if let Some((partition, flash)) =
        flash.and_then(|flash| Some((partitions.iter().find(|partition| partition.end() > flash)?, flash)))
    {
        let (label, end) = (partition.label.clone(), partition.end());
        return Err(ImageFault::PartitionBeyond { label, end, flash });
    }
    let boots = Some(image.boot_app(&partitions)?);
    Ok(Layout { partitions, boots })
}

fn check_places(parts: &[Part], target: Target<'_>) -> Result<(), ImageFault> {
    if let Some(part) = parts.iter().find(|part| part.data.is_empty()) {
        return Err(ImageFault::Empty(part.source.clone()));
    }
    if let Some(pair) = parts.windows(2).find(|pair| pair[0].end() > u64::from(pair[1].address)) {
        return Err(ImageFault::Overlap(pair[0].address, pair[1].address));
    }
    let Some(flash) = target.flash else { return Ok(()) };
    match parts.iter().find(|part| part.end() > flash) {
        Some(part) => {
            let (source_name, board) = (part.source.clone(), target.board.to_owned());
            Err(ImageFault::TooBig { source_name, board, end: part.end(), flash })
        }
        None => Ok(()),
    }
}

impl Part {
    pub(crate) fn covers(&self, address: u32) -> bool {
        self.address <= address && u64::from(address) < self.end()
    }

    /// Its bytes from an address on.
    fn from(&self, address: u32) -> Option<&[u8]> {
        self.data.get(usize::try_from(address.checked_sub(self.address)?).ok()?..)
    }
}

/// The parts as the chip finds them.
struct Image<'a> {
    parts: &'a [Part],
    target: Target<'a>,
}

impl<'a> Image<'a> {
    /// The file that lies at an address.
    fn source(&self, address: u32) -> &'a str {
        self.parts.iter().find(|part| part.covers(address)).map_or("", |part| &part.source)
    }

    /// What lies at an address, to the end of its part.
    fn at(&self, address: u32) -> Option<&'a [u8]> {
        self.parts.iter().find(|part| part.covers(address)).and_then(|part| part.from(address))
    }

    /// The header of an image that must be there, for this chip and a flash of this size. An ESP8266's says neither.
    fn header(&self, part: &Part, at: u32) -> Result<Option<Header>, ImageFault> {
        let bytes = part.from(at).unwrap_or_default();
        let source_name = || part.source.clone();
        let not_image = || ImageFault::NotImage { source_name: source_name(), begins: beginning(bytes) };
        if bytes.first() != Some(&MAGIC) && part.address != at && part.data.first() == Some(&MAGIC) {
            let chip = self.target.chip.word().to_owned();
            let (source_name, bootloader_at) = (source_name(), self.target.chip.bootloader_offset());
            return Err(ImageFault::Misplaced { source_name, at: part.address, chip, bootloader_at });
        }
        if bytes.first() != Some(&MAGIC) {
            return Err(not_image());
        }
        if self.target.chip.image_id().is_none() {
            return Ok(None);
        }
        let header = Header::read(bytes).ok_or_else(not_image)?;
        self.check_chip(header, format!("`{}`", part.source))?;
        if let Some((made_for, flash)) = header.flash_size.zip(self.target.flash).filter(|(for_, has)| for_ > has) {
            let (source_name, board) = (part.source.clone(), self.target.board.to_owned());
            return Err(ImageFault::FlashSize { source_name, board, made_for, flash });
        }
        Ok(Some(header))
    }

    /// Checks that a bootloader is complete, and not an app.
    fn check_bootloader(&self, part: &Part, at: u32) -> Result<(), ImageFault> {
        let Some(bytes) = part.from(at) else { return Ok(()) };
        if let Some(app) = App::read(bytes) {
            return Err(ImageFault::AppAsBootloader { source_name: part.source.clone(), at, app: Some(app) });
        }
        check_length("bootloader", at, bytes)
    }

    fn check_chip(&self, header: Header, what: String) -> Result<(), ImageFault> {
        if self.target.chip.image_id() == Some(header.chip_id) {
            return Ok(());
        }
        let found = Chip::with_image_id(header.chip_id)
            .map_or_else(|| format!("chip with the number {}", header.chip_id), |chip| chip.word().to_owned());
        Err(ImageFault::WrongChip {
            what,
            board: self.target.board.to_owned(),
            expected: self.target.chip.word().to_owned(),
            found,
        })
    }

    /// The partition table: at its usual place, or else where a whole one with an MD5 begins.
    fn table(&self) -> Option<(u32, &'a [u8])> {
        const SECTOR: usize = 0x1000;
        let is_table = |bytes: &[u8]| bytes.starts_with(&ENTRY_MAGIC);
        if let Some(bytes) = self.at(TABLE_AT).filter(|bytes| is_table(bytes)) {
            return Some((TABLE_AT, bytes));
        }
        // Further on, the bytes of an app may look like a table by chance.
        const FURTHEST: u32 = 0x2_0000;
        let sectors = (0..FURTHEST).step_by(SECTOR);
        sectors
            .filter_map(|at| Some((at, self.at(at)?)))
            .find(|(_, bytes)| is_table(bytes) && partitions::read(bytes).is_ok())
    }

    /// An image that leaves the table of the board as it is.
    fn without_table(&self, begin: Option<&Part>, single: bool) -> Result<Layout, ImageFault> {
        /// Where apps lie unless the table says otherwise.
        const APP_AT: u32 = 0x1_0000;
        let bootloader_at = self.target.chip.bootloader_offset();
        if let Some(part) = begin {
            let source_name = part.source.clone();
            let app = part.from(bootloader_at.max(part.address)).and_then(App::read);
            if app.is_some() {
                return Err(ImageFault::AppOnly { source_name, app, bootloader_at });
            }
            if single {
                return Err(ImageFault::NoTable { source_name, bootloader_at });
            }
        }
        for part in self.parts.iter().filter(|part| part.address == APP_AT || App::read(&part.data).is_some()) {
            let not_image = || ImageFault::NotImage { source_name: part.source.clone(), begins: beginning(&part.data) };
            let header = Header::read(&part.data).ok_or_else(not_image)?;
            self.check_chip(header, format!("`{}`", part.source))?;
            check_length("app", part.address, &part.data)?;
        }
        // Where a single app comes alone, it is the one that must boot.
        let apps: Vec<_> = self.parts.iter().filter(|part| App::read(&part.data).is_some()).collect();
        let boots = match apps[..] {
            [part] => Some(BootApp {
                offset: part.address,
                slot: None,
                length: header::length(&part.data).unwrap_or_default(),
                app: App::read(&part.data),
            }),
            _ => None,
        };
        Ok(Layout { partitions: Vec::new(), boots })
    }

    /// The app that the bootloader is to start, as ESP-IDF's looks for one (`bootloader_utility_load_boot_image`): from
    /// the one that the image's OTA data names, or else the factory's, down to the factory's, then upwards, and the one
    /// for tests last.
    fn boot_app(&self, partitions: &[Partition]) -> Result<BootApp, ImageFault> {
        let mut apps: Vec<&Partition> = partitions.iter().filter(|partition| partition.is_app()).collect();
        apps.sort_by_key(|partition| partition.subkind);
        let (over_the_air, others): (Vec<_>, Vec<_>) = apps.into_iter().partition(|it| it.ota_slot().is_some());
        let (factory, tests): (Vec<_>, Vec<_>) = others.into_iter().partition(|it| it.is_factory_app());
        let info = partitions.iter().find(|partition| partition.is_ota_data());
        let chosen = info.and_then(|info| otadata::chosen(self.at(info.offset)?, over_the_air.len()));
        let below = chosen.map_or(0, |index| (index + 1).min(over_the_air.len()));
        let (below, above) = over_the_air.split_at(below);
        let mut order = below.iter().rev().chain(&factory).chain(above).chain(&tests);
        let first = *order.clone().next().ok_or(ImageFault::NoAppPartition)?;
        self.check_app(order.find(|partition| self.holds_image(partition)).unwrap_or(&first))
    }

    fn holds_image(&self, partition: &Partition) -> bool {
        self.at(partition.offset).is_some_and(|bytes| bytes.first() == Some(&MAGIC))
    }

    fn check_app(&self, partition: &Partition) -> Result<BootApp, ImageFault> {
        let (label, offset) = (partition.label.clone(), partition.offset);
        let bytes = self.at(offset).unwrap_or_default();
        let (Some(header), Some(length)) = (Header::read(bytes), header::length(bytes)) else {
            return Err(ImageFault::NoApp { label, offset });
        };
        self.check_chip(header, format!("the app at {offset:#x} in `{}`", self.source(offset)))?;
        check_length("app", offset, bytes)?;
        if length > u64::from(partition.size) {
            return Err(ImageFault::AppTooBig { label, offset, length, room: partition.size });
        }
        Ok(BootApp { offset, slot: partition.ota_slot(), length, app: App::read(bytes) })
    }
}

/// Checks that an image is complete.
fn check_length(what: &'static str, offset: u32, bytes: &[u8]) -> Result<(), ImageFault> {
    let present = bytes.len() as u64;
    match header::length(bytes) {
        Some(length) if length > present => Err(ImageFault::CutShort { what, offset, length, present }),
        _ => Ok(()),
    }
}

/// How a file that is not an image begins, for messages.
fn beginning(bytes: &[u8]) -> String {
    const SHOWN: usize = 16;
    let first = &bytes[..bytes.len().min(SHOWN)];
    if first.is_empty() || first.iter().all(|byte| matches!(byte, 0 | 0xff)) {
        return "it is blank where the chip looks for its bootloader".to_owned();
    }
    if first.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        let text = String::from_utf8_lossy(first);
        return format!("it begins with the text `{}`", text.lines().next().unwrap_or_default());
    }
    if first.first() == Some(&MAGIC) {
        return format!("it is cut short: it has {} bytes, and the header of an image has 24", bytes.len());
    }
    let hex: Vec<_> = first.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("it begins with {}, and an image with e9", hex.join(" "))
}
