//! `[firmware.NAME]`: what is flashed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use regex::Regex;

use crate::board::of_a_board;
use crate::limits::{LIMIT_KEYS, TimeLimits};
use crate::names::FirmwareName;
use crate::nvs::{self, NVS_VALUE, NvsValue};
use crate::placeholders::refuse;
use crate::process::{NEEDS, Needs, PROCESS_KEYS, Process};
use crate::scripts::{SCRIPT_KEYS, Scripts};
use crate::spec::{Key, Kind, TableSpec, words};
use crate::table::{Table, Value};

/// One firmware of the bench.
#[derive(Debug, Clone)]
pub struct Firmware {
    /// Its name.
    pub name: FirmwareName,
    /// What is written to flash.
    pub image: Image,
    /// What is uploaded to a board that runs MicroPython.
    pub scripts: Option<Scripts>,
    /// The program that a process board runs.
    pub process: Option<Process>,
    /// What this machine must have for it to run.
    pub needs: Option<Needs>,
    /// Partition table for an ELF file.
    pub partitions: Option<Partitions>,
    /// The version that the app descriptor of an ELF file gets.
    pub version: Option<String>,
    /// Settings written into the NVS partition: (namespace, key) to value. Where it is empty, the partition is
    /// written as the image has it.
    pub nvs: BTreeMap<(String, String), NvsValue>,
    /// Where the firmware publishes its version, if its console does not show it.
    pub version_topic: Option<String>,
    /// When the flash is asked whether it holds the firmware.
    pub verify: Verify,
    /// A line of the console that says that the app is up. Without it, the first sign of the app counts.
    pub ready: Option<Regex>,
    /// How long it may take, where the board's own limits don't fit.
    pub limits: TimeLimits,
}

/// What is flashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Image {
    /// An image that `hil` brings along, by name.
    Builtin(String),
    /// One file, whose contents say where it goes: an ELF file, or a merged image.
    File(PathBuf),
    /// Files at offsets in flash, in ascending order.
    Parts(Vec<(u32, PathBuf)>),
    /// Nothing: what is on the board stays, or there is no flash.
    Installed,
}

/// A partition table for an ELF file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partitions {
    /// Arduino's for 4 MiB, which `hil` brings along: OTA data, and two slots of 1.25 MiB.
    TwoSlots,
    /// A file, as `.csv` or `.bin`.
    File(PathBuf),
}

/// When a board's flash is asked whether it holds the firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verify {
    /// For each scenario.
    #[default]
    EachScenario,
    /// Once a run, and again after any doubt.
    Once,
}

impl Verify {
    const WORDS: &[(&'static str, Self)] = &[("each-scenario", Self::EachScenario), ("once", Self::Once)];
}

/// What a firmware is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirmwareKind {
    /// An image for flash.
    Image,
    /// MicroPython and scripts.
    MicroPython,
    /// A program of this machine.
    Process,
}

impl FirmwareKind {
    const WORDS: &[(&'static str, Self)] =
        &[("image", Self::Image), ("micropython", Self::MicroPython), ("process", Self::Process)];
}

pub(crate) static FIRMWARE: TableSpec = TableSpec {
    keys: &[
        Key::optional(
            "extends",
            Kind::Text,
            "",
            "Another firmware whose keys this one has, unless it gives its own. `nvs`, `settings`, `replace` and `env` are merged entry by entry; any other key is replaced as a whole. A firmware of a project file may extend one of the bench file, also that of its own name.",
        ),
        Key::optional(
            "kind",
            Kind::Word(|| words(FirmwareKind::WORDS)),
            "`\"image\"`",
            "`image`: an image for flash. `micropython`: MicroPython and its scripts. `process`: a program of this machine, for a board of the kind `process`.",
        ),
        Key::optional(
            "image",
            Kind::AnyOf(&[Kind::Text, Kind::Map(&Kind::Text)]),
            "",
            "An ELF file (`hil` adds bootloader and partition table); a merged `.bin`, written where the chip looks for its bootloader (0x1000 on an `esp32` and `esp32s2`, 0x2000 on an `esp32c5` and `esp32p4`, otherwise 0), or at 0 if it was made for that; files at offsets, `{ 0x0 = \"boot.bin\", 0x8000 = \"table.bin\", 0x10000 = \"app.bin\" }`; or an image that is part of `hil`, `\"builtin:lamp\"`. A file that is not there stops only what uses the firmware. Required for the kind `image`; for `micropython` MicroPython's `.bin`, `\"builtin:micropython\"` on virtual boards, or `\"installed\"`, which flashes nothing.",
        ),
        Key::optional(
            "partitions",
            Kind::Text,
            "espflash's",
            "Partition table for an ELF file, as `.csv` or `.bin`; or `\"builtin:two-slots\"`, Arduino's for 4 MiB, which has OTA data and two slots for apps of 1.25 MiB.",
        ),
        Key::optional(
            "version",
            Kind::Text,
            "the image's",
            "The version that the app descriptor of an ELF file gets in place of its own, of 1 to 31 printable ASCII characters: the same program as another version, for updates. What a program prints as its version only changes if it reads it there (`esp_app_get_description`).",
        ),
        Key::optional(
            "version-topic",
            Kind::Text,
            "",
            "Topic on which the firmware publishes its version, as a word of the payload. Steps about updates look there, and not at the console, where ESP-IDF's start prints `App version`. Nothing else on this topic may name a version.",
        ),
        Key::optional(
            "nvs",
            Kind::Map(&NVS_VALUE),
            "",
            "Settings, `\"namespace.key\" = value`, each name of 1 to 15 bytes. Text is stored as a string of at most 3999 bytes, also `\"{tap.port}\"`; an integer as `i32`, `true` and `false` as `u8`. Other types are named: `{ u8 = 1 }`, `i8`, `u16`, `i16`, `u32`, `i32`, `u64`, `i64`, `{ u16 = \"{tap.port}\" }` for a port that is read as a number, and bytes as `{ blob = \"hex:00ff\" }` or `{ blob = \"base64:AP8=\" }`. They replace the image's NVS partition. `{tap.host}` and `{tap.port}` become the address of the board's tap, `{http.url}` and `{https.url}` that of its files, `{sntp.host}` and `{sntp.port}` that of its time server, `{tap.ca}` the PEM text of the CA that signed its certificate, `{board.name}` its name, `{board.cert}` and `{board.key}` a client certificate for it, `${NAME}` an environment variable, `${secret:NAME}` one that is hidden in all output.",
        ),
        Key::optional(
            "verify",
            Kind::Word(|| words(Verify::WORDS)),
            "`\"each-scenario\"`",
            "When the flash is asked whether it holds the firmware. `each-scenario`: before each one, which also restores NVS. `once`: not again in a run, unless there is a reason to doubt it; NVS then keeps what the firmware wrote in earlier scenarios.",
        ),
        SCRIPT_KEYS[0],
        SCRIPT_KEYS[1],
        SCRIPT_KEYS[2],
        SCRIPT_KEYS[3],
        PROCESS_KEYS[0],
        PROCESS_KEYS[1],
        PROCESS_KEYS[2],
        PROCESS_KEYS[3],
        Key::optional(
            "needs",
            Kind::Table(&NEEDS),
            "",
            "What this machine must have for it. If it is missing, scenarios with this firmware are skipped.",
        ),
        Key::optional(
            "ready",
            Kind::Text,
            "the first sign of the app",
            "A regular expression: the app is up when a line of the console matches. Without it the app is up when the bootloader hands over, when a line comes that is neither the ROM's nor the bootloader's, when it connects to the tap, or when it has been silent for 2 s after the ROM's last line. A program without it is up at once; MicroPython needs it to tell its own start from the bootloader's.",
        ),
        LIMIT_KEYS[0],
        LIMIT_KEYS[1],
    ],
};

impl Firmware {
    const IMAGE_HINT: &str = "an ELF file, a merged one (`\"lamp.bin\"`), files at offsets (`{ 0x0 = \"boot.bin\", 0x8000 = \"table.bin\", 0x10000 = \"app.bin\" }`), or `\"builtin:lamp\"`";

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> FirmwareKind {
        match (&self.scripts, &self.process) {
            (_, Some(_)) => FirmwareKind::Process,
            (Some(_), _) => FirmwareKind::MicroPython,
            _ => FirmwareKind::Image,
        }
    }

    /// Whether a placeholder that begins like this is in one of its texts.
    #[must_use]
    pub fn mentions(&self, begin: &str) -> bool {
        let settings = self.scripts.iter().flat_map(|scripts| scripts.settings.values());
        let stored = self.nvs.values().chain(settings).filter_map(|value| match value {
            NvsValue::Text(text) => Some(text),
            _ => None,
        });
        let replaced = self.scripts.iter().flat_map(|scripts| scripts.replace.iter().map(|(_, to)| to));
        let program = self.process.iter().flat_map(|process| process.command.iter().chain(process.env.values()));
        stored.chain(replaced).chain(program).any(|text| text.contains(begin))
    }

    pub(crate) fn read(name: FirmwareName, mut table: Table<'_, '_>) -> Option<Self> {
        // It has chosen the tables that this one inherits.
        table.value("extends");
        let kind = table.value("kind").map(|v| v.one_of("kind of firmware", FirmwareKind::WORDS));
        let kind = kind.unwrap_or(Some(FirmwareKind::Image));
        let image = match kind {
            Some(FirmwareKind::Process) => {
                refuse(&table.value("image"), "a program is not flashed");
                Some(Image::Installed)
            }
            _ => table.required("image", Self::IMAGE_HINT).and_then(|v| {
                let image = Image::read(&v);
                if image == Some(Image::Installed) && kind != Some(FirmwareKind::MicroPython) {
                    let what =
                        "only MicroPython can be `installed`: this kind would test any firmware that is on the board";
                    v.problem(what, Self::IMAGE_HINT.to_owned());
                }
                image
            }),
        };
        if image == Some(Image::Installed) {
            for key in ["partitions", "version", "nvs", "verify"] {
                refuse(&table.value(key), "nothing is flashed: this would be ignored");
            }
        }
        let verify = table.value("verify").and_then(|v| v.one_of("time to verify", Verify::WORDS)).unwrap_or_default();
        let partitions = table.value("partitions").and_then(|v| Partitions::read(&v));
        let version_topic = table.value("version-topic").and_then(|v| {
            let hint = "a topic without wildcards: `lamp/version`";
            let is_topic = |text: &str| !text.is_empty() && !text.contains(['+', '#', '\0']);
            v.parsed("a topic", hint, |text| is_topic(text).then(|| text.to_owned()))
        });
        let version = table.value("version").and_then(|v| version(&v));
        let nvs = table.map("nvs").map(|nvs| nvs.entries().filter_map(nvs::read).collect()).unwrap_or_default();
        let scripts = Scripts::read(&mut table, kind == Some(FirmwareKind::MicroPython));
        let process = Process::read(&mut table, kind == Some(FirmwareKind::Process));
        let needs = table.table("needs", &NEEDS).and_then(Needs::read);
        let ready = table.value("ready").and_then(|v| {
            let hint = "the syntax is that of the Rust crate `regex`";
            v.parsed("a regular expression", hint, |text| Regex::new(text).ok())
        });
        let limits = TimeLimits::read(&mut table);
        table.finish_with(&of_a_board);
        Some(Self {
            name,
            image: image?,
            scripts,
            process,
            needs,
            partitions,
            version,
            version_topic,
            nvs,
            verify,
            ready,
            limits,
        })
    }
}

impl Partitions {
    pub(crate) const TWO_SLOTS: &str = "two-slots";

    fn read(value: &Value<'_, '_>) -> Option<Self> {
        let text = value.with_variables();
        let Some(name) = text.as_deref().and_then(|text| text.strip_prefix("builtin:")) else {
            return value.built_file().map(Self::File);
        };
        if name != Self::TWO_SLOTS {
            let hint = format!("there is `builtin:{}`, or name a `.csv` or `.bin` file", Self::TWO_SLOTS);
            value.problem(format!("there is no built-in partition table `{name}`"), hint);
            return None;
        }
        Some(Self::TwoSlots)
    }
}

/// A version that fits into an app descriptor (ESP-IDF, `esp_app_desc_t`: 32 bytes, the last one 0).
fn version(value: &Value<'_, '_>) -> Option<String> {
    const MOST: usize = 31;
    let text = value.string()?;
    let text = value.with_variables().unwrap_or_else(|| text.to_owned());
    if text.is_empty() || text.len() > MOST || !text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        let what = format!("`{}` is not a version for an app descriptor", text.escape_default());
        value.problem(what, format!("it has room for {MOST} printable ASCII characters: `1.1.0`"));
        return None;
    }
    Some(text)
}

impl Image {
    fn read(value: &Value<'_, '_>) -> Option<Self> {
        if value.is_table() {
            let part = |(offset, _, file): (&str, std::ops::Range<usize>, Value<'_, '_>)| {
                let Some(address) = read_offset(offset) else {
                    file.problem(format!("`{offset}` is not an offset in flash"), "example: `0x10000`".to_owned());
                    return None;
                };
                Some((address, file.built_file()?))
            };
            let map = value.map()?;
            if map.entries().next().is_none() {
                value.problem("an image without a file: nothing would be flashed", Firmware::IMAGE_HINT.to_owned());
            }
            let mut parts: Vec<_> = map.entries().filter_map(part).collect();
            parts.sort();
            return (!parts.is_empty()).then_some(Self::Parts(parts));
        }
        let raw = value.string()?;
        // Never `Installed`, which would test whatever is on the board.
        let Some(text) = value.with_variables() else { return Some(Self::File(raw.into())) };
        if text == "installed" {
            return Some(Self::Installed);
        }
        match text.strip_prefix("builtin:") {
            Some(name) => Some(Self::Builtin(name.to_owned())),
            None => Some(Self::File(value.built_file_at(&text)?)),
        }
    }
}

fn read_offset(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}
