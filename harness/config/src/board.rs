//! `[boards.NAME]`: the devices under test.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::names::{BoardName, FirmwareName};
use crate::pin::Pin;
use crate::table::{Table, Value};

/// One board of the bench.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    /// Its name.
    pub name: BoardName,
    /// What it is.
    pub kind: BoardKind,
    /// Its silicon.
    pub chip: Chip,
    /// Tags for choosing scenarios.
    pub tags: Vec<String>,
    /// Port of its tap; 0 takes a free one for the run.
    pub tap_port: u16,
    /// Console speed in baud.
    pub console_baud: u32,
    /// Speed while flashing, in baud.
    pub flash_baud: u32,
    /// How long its rails stay off in a power cycle.
    pub off_time: Duration,
    /// The firmware `hil flash` and `hil virtual` put on it.
    pub firmware: Option<FirmwareName>,
    /// Its pins by name.
    pub pins: BTreeMap<String, Pin>,
    /// How a virtual board misbehaves.
    pub misbehaves: Vec<Misbehaviour>,
}

/// Kinds of board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoardKind {
    /// Simulated: everything but the silicon.
    Virtual,
}

impl BoardKind {
    const WORDS: &[(&'static str, Self)] = &[("virtual", Self::Virtual)];

    /// The word in `bench.toml`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Virtual => "virtual",
        }
    }
}

/// Chips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chip {
    /// ESP32-C3, the one a virtual board simulates.
    Esp32c3,
}

impl Chip {
    const WORDS: &[(&'static str, Self)] = &[("esp32c3", Self::Esp32c3)];

    /// The word in `bench.toml`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Esp32c3 => "esp32c3",
        }
    }
}

/// Ways in which a virtual board misbehaves on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misbehaviour {
    /// Says nothing on its UART, ever: no boot log, no loader.
    Mute,
    /// Identifies itself as an ESP32-C6.
    WrongChip,
    /// A bit of each write flips in the flash.
    FlashBitFlip,
    /// Resets itself soon after each start of the app.
    BootLoop,
    /// Its supply sags at each start of the app.
    BrownOut,
    /// The rail can't be switched off: the board goes on running.
    NeverPowersOff,
    /// Its port vanishes when the app starts.
    PortVanishes,
    /// Not a fault: bytes take as long as on a real wire of that baud rate.
    RealWireSpeed,
}

impl Misbehaviour {
    const WORDS: &[(&'static str, Self)] = &[
        ("mute", Self::Mute),
        ("wrong-chip", Self::WrongChip),
        ("flash-bit-flip", Self::FlashBitFlip),
        ("boot-loop", Self::BootLoop),
        ("brown-out", Self::BrownOut),
        ("never-powers-off", Self::NeverPowersOff),
        ("port-vanishes", Self::PortVanishes),
        ("real-wire-speed", Self::RealWireSpeed),
    ];
}

impl Board {
    /// Console speed where the file names none: what the ROM of the chips with a UART at 115200 speaks.
    const CONSOLE_BAUD: u32 = 115_200;
    const FLASH_BAUD: u32 = 921_600;
    const OFF_TIME: Duration = Duration::from_secs(1);

    /// A virtual ESP32-C3 with nothing attached.
    #[must_use]
    pub fn virtual_board(name: BoardName) -> Self {
        Self {
            name,
            kind: BoardKind::Virtual,
            chip: Chip::Esp32c3,
            tags: Vec::new(),
            tap_port: 0,
            console_baud: Self::CONSOLE_BAUD,
            flash_baud: Self::FLASH_BAUD,
            off_time: Self::OFF_TIME,
            firmware: None,
            pins: BTreeMap::new(),
            misbehaves: Vec::new(),
        }
    }

    pub(crate) fn read(name: BoardName, mut table: Table<'_, '_>) -> Self {
        let mut board = Self::virtual_board(name);
        let kind_hint = "example: `kind = \"virtual\"`";
        if let Some(kind) = table.required("kind", kind_hint).and_then(|v| v.one_of("board kind", BoardKind::WORDS)) {
            board.kind = kind;
        }
        if let Some(chip) = table.value("chip").and_then(|v| v.one_of("chip", Chip::WORDS)) {
            board.chip = chip;
        }
        let word = |v: &Value<'_, '_>| v.string().map(str::to_owned);
        board.tags = list(table.value("tags"), word);
        board.misbehaves = list(table.value("misbehaves"), |v| v.one_of("misbehaviour", Misbehaviour::WORDS));
        if let Some(port) = table.value("tap-port").and_then(|v| v.integer(1..=65_535)) {
            board.tap_port = u16::try_from(port).unwrap_or_default();
        }
        if let Some(mut console) = table.table("console") {
            board.console_baud = baud(console.value("baud")).unwrap_or(board.console_baud);
            console.finish();
        }
        board.flash_baud = baud(table.value("flash-baud")).unwrap_or(board.flash_baud);
        if let Some(off_time) = table.value("off-time").and_then(|v| v.duration()) {
            board.off_time = off_time;
        }
        board.firmware = table.value("firmware").and_then(|v| {
            let name = v.string()?;
            FirmwareName::new(name).map_err(|hint| v.problem(format!("`{name}` is no firmware name"), hint)).ok()
        });
        if let Some(pins) = table.table("pins") {
            let read = |(name, _, value): (&str, _, Value<'_, '_>)| Some((name.to_owned(), Pin::read(&value)?));
            board.pins = pins.entries().filter_map(read).collect();
        }
        table.finish();
        board
    }
}

fn baud(value: Option<Value<'_, '_>>) -> Option<u32> {
    value?.integer(300..=5_000_000).and_then(|baud| u32::try_from(baud).ok())
}

fn list<T>(value: Option<Value<'_, '_>>, read: impl Fn(&Value<'_, '_>) -> Option<T>) -> Vec<T> {
    value.and_then(|v| v.array()).unwrap_or_default().iter().filter_map(read).collect()
}
