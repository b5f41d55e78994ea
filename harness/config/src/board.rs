//! `[boards.NAME]`: the devices under test.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::board_kind::BoardKind;
use crate::chip::Chip;
use crate::emulator::{EMULATOR_KEYS, Emulator, EmulatorKeys};
use crate::emulator_preset::EmulatorConsole;
use crate::flasher::{FLASHER, Flasher};
use crate::kinds::Kinds;
use crate::limits::{LIMIT_KEYS, TimeLimits};
use crate::names::{BoardName, FirmwareName};
use crate::pin::{PIN, Pin, PinDirection};
use crate::port::{PORT, PortIdentity};
use crate::rail::{RAIL, Rail, RailContext};
use crate::reset::{RESET, Reset};
use crate::spec::{Key, Kind, TableSpec, words};
use crate::subnet::Subnet;
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
    /// What its serial port is known by; a virtual board has its own.
    pub port: Option<PortIdentity>,
    /// Tags for choosing scenarios.
    pub tags: Vec<String>,
    /// Port of its tap; 0 takes a free one for the run.
    pub tap_port: u16,
    /// Port of its files over HTTP; 0 takes a free one.
    pub http_port: u16,
    /// UDP port of its time server; 0 takes a free one.
    pub sntp_port: u16,
    /// Where its connections come from; without any, from anywhere.
    pub from: Vec<Subnet>,
    /// Console speed in baud.
    pub console_baud: u32,
    /// Console speed until the app runs, if it differs: the ROM of an ESP8266 speaks 74880 baud.
    pub boot_baud: Option<u32>,
    /// Speed while flashing, in baud.
    pub flash_baud: u32,
    /// What writes its flash.
    pub flasher: Flasher,
    /// How it is reset.
    pub reset: Reset,
    /// What switches its supply; switched together. Without any, its power can't be cut.
    pub rails: Vec<Rail>,
    /// How long its rails stay off in a power cycle.
    pub off_time: Duration,
    /// How long after its rails are on the bench waits before it talks to it.
    pub boot_delay: Duration,
    /// How long it may take, unless its firmware has its own limits.
    pub limits: TimeLimits,
    /// The firmware `hil flash` and `hil virtual` put on it.
    pub firmware: Option<FirmwareName>,
    /// Its pins by name.
    pub pins: BTreeMap<String, Pin>,
    /// A sensed pin that is on while the board has supply: it proves a cut.
    pub power_pin: Option<String>,
    /// How a virtual board misbehaves.
    pub misbehaves: Vec<Misbehaviour>,
    /// What the tap shows to the broker for the board, once the board has shown a certificate to the tap:
    /// certificate and key. None makes a pair for each run.
    pub identity: Option<(std::path::PathBuf, std::path::PathBuf)>,
    /// What plays it, if it is an emulator.
    pub emulator: Option<Emulator>,
}

/// Ways in which a virtual board misbehaves on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misbehaviour {
    /// Prints nothing on its UART: no boot log, no loader.
    Mute,
    /// Identifies itself as an ESP32-C6.
    WrongChip,
    /// A bit of each write flips in the flash.
    FlashBitFlip,
    /// Resets itself soon after each start of the app.
    BootLoop,
    /// Its supply sags at each start of the app.
    BrownOut,
    /// The rail can't be switched off: the board keeps running.
    NeverPowersOff,
    /// Its port vanishes when the app starts.
    PortVanishes,
    /// Its flash encryption is on.
    FlashEncrypted,
    /// It is in secure download mode.
    SecureDownload,
    /// Not a fault: MicroPython's REPL is one of before 1.14, without raw-paste mode.
    NoRawPaste,
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
        ("flash-encrypted", Self::FlashEncrypted),
        ("secure-download", Self::SecureDownload),
        ("no-raw-paste", Self::NoRawPaste),
        ("real-wire-speed", Self::RealWireSpeed),
    ];
}

static CONSOLE: TableSpec = TableSpec {
    keys: &[
        Key::optional("baud", BAUD, "`115200`", "Console speed in baud, 300 to 5000000."),
        Key::optional(
            "boot-baud",
            BAUD,
            "the console's",
            "Console speed in baud until the app runs; 74880 for an ESP8266 with a 26 MHz crystal.",
        ),
    ],
};
static CERTIFICATE: TableSpec = TableSpec {
    keys: &[
        Key::required("cert", Kind::Text, "PEM file: the certificate."),
        Key::required("key", Kind::Text, "PEM file: its private key."),
    ],
};
const BAUD: Kind = Kind::Integer(300, 5_000_000);

pub(crate) static BOARD: TableSpec = TableSpec {
    keys: &[
        Key::required(
            "kind",
            Kind::Word(|| words(BoardKind::WORDS)),
            "`esp`: a real board on a serial port. `virtual`: simulated. `process`: a program of this machine, such as a Raspberry Pi's client. `emulator`: a program such as QEMU plays the chip.",
        ),
        Key::optional(
            "chip",
            Kind::Word(|| words(Chip::WORDS)),
            "`\"esp32c3\"` if virtual, else the preset's",
            "The chip; checked before anything is written. Required for `esp`.",
        ),
        Key::optional("port", Kind::Table(&PORT), "", "How its serial port is identified. Required for `esp`."),
        Key::optional("tags", Kind::List(&Kind::Text), "`[]`", "Words for `@requires:…`."),
        Key::optional("firmware", Kind::Text, "", "Firmware that `hil flash` and `hil virtual` put on it."),
        Key::optional(
            "tap-port",
            Kind::Integer(1, 65_535),
            "a free one",
            "Port of its tap, `{tap.port}`, 1 to 65535. Fixed ports are for firmware with a fixed address.",
        ),
        Key::optional(
            "http-port",
            Kind::Integer(1, 65_535),
            "a free one",
            "Port of the files that a scenario offers to it, over HTTP and HTTPS: `{http.port}`.",
        ),
        Key::optional(
            "sntp-port",
            Kind::Integer(1, 65_535),
            "a free one",
            "UDP port of its time server, `{sntp.port}`. SNTP clients that can't be given a port use 123, which needs the right to listen there.",
        ),
        Key::optional(
            "from",
            Kind::AnyOf(&[Kind::Text, Kind::List(&Kind::Text)]),
            "any address",
            "Where its connections come from: an IP address, a subnet (`\"192.168.7.0/24\"`), or several. Its tap resets connections from elsewhere and records their address; they never count as the board's. Without it, every client that reaches the port counts as the board.",
        ),
        Key::optional(
            "console",
            Kind::AnyOf(&[Kind::Table(&CONSOLE), Kind::Word(EmulatorConsole::words)]),
            "",
            "Its console. Of an `emulator`, how it is reached: `pty` (`{console}` is a terminal), `tcp` (`{console}` is `host:port`, to which it connects) or `stdio`.",
        ),
        Key::optional(
            "flash-baud",
            BAUD,
            "`921600`",
            "Speed while flashing, in baud. Communication with the ROM begins at 115200.",
        ),
        Key::optional(
            "flasher",
            FLASHER,
            "`\"espflash\"`",
            "What writes the flash: `espflash` (inside `hil`), `esptool` (the program; the default for an `esp8266`), or `{ command = [\"program\", \"{port}\", \"{image}\"] }`.",
        ),
        Key::optional(
            "reset",
            Kind::AnyOf(&[Kind::Text, Kind::Tagged(&RESET)]),
            "`\"auto\"`",
            "How the chip is reset and brought into its loader. Of an `emulator`: `process` (killed and started again, the default), `qmp` (by QEMU's monitor at `{qmp}`), or the strategy `command`, whose programs may hold the placeholders of its `command`.",
        ),
        Key::optional(
            "rails",
            Kind::List(&Kind::Tagged(&RAIL)),
            "`[]`",
            "What switches its supply; all rails of a board are switched together. Without any, a step that cuts its power is a set-up error.",
        ),
        Key::optional("off-time", Kind::Duration, "`\"1s\"`", "How long its rails stay off in a power cycle."),
        Key::optional(
            "boot-delay",
            Kind::Duration,
            "`\"0ms\"`",
            "How long the bench waits after the rails are on before it talks to the chip: for supplies that rise slowly.",
        ),
        EMULATOR_KEYS[0],
        EMULATOR_KEYS[1],
        EMULATOR_KEYS[2],
        EMULATOR_KEYS[3],
        EMULATOR_KEYS[4],
        EMULATOR_KEYS[5],
        EMULATOR_KEYS[6],
        EMULATOR_KEYS[7],
        LIMIT_KEYS[0],
        LIMIT_KEYS[1],
        Key::optional(
            "certificate",
            Kind::Table(&CERTIFICATE),
            "made for each run",
            "The certificate that the tap shows to the broker for the board, if the board has shown one to the tap.",
        ),
        Key::optional("pins", Kind::Map(&Kind::Table(&PIN)), "", "Lines that the bench reads or drives, by name."),
        Key::optional(
            "power-pin",
            Kind::Text,
            "",
            "Name of a sensed pin that is on while the board has supply, such as its 3V3: it proves a cut.",
        ),
        Key::optional(
            "misbehaves",
            Kind::List(&Kind::Word(|| words(Misbehaviour::WORDS))),
            "`[]`",
            "Faults of a virtual board, see [misbehaviours](../how-to/virtual-bench.md#misbehaviours).",
        ),
    ],
};

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
            port: None,
            tags: Vec::new(),
            tap_port: 0,
            http_port: 0,
            sntp_port: 0,
            from: Vec::new(),
            console_baud: Self::CONSOLE_BAUD,
            boot_baud: None,
            flash_baud: Self::FLASH_BAUD,
            flasher: Flasher::usual_for(Chip::Esp32c3, &[]),
            reset: Reset::default(),
            rails: Vec::new(),
            off_time: Self::OFF_TIME,
            boot_delay: Duration::ZERO,
            limits: TimeLimits::default(),
            firmware: None,
            pins: BTreeMap::new(),
            power_pin: None,
            misbehaves: Vec::new(),
            identity: None,
            emulator: None,
        }
    }

    pub(crate) fn read(name: BoardName, mut table: Table<'_, '_>, kinds: &Kinds) -> Self {
        let mut board = Self::virtual_board(name);
        let kind_hint = "example: `kind = \"esp\"`, `\"virtual\"`, `\"process\"`, or `\"emulator\"`";
        if let Some(kind) = table.required("kind", kind_hint).and_then(|v| v.one_of("board kind", BoardKind::WORDS)) {
            board.kind = kind;
        }
        let word = |v: &Value<'_, '_>| v.string().map(str::to_owned);
        board.tags = list(table.value("tags"), word);
        let mut port = |key| {
            let port = table.value(key).and_then(|v| v.integer(1..=65_535));
            port.and_then(|port| u16::try_from(port).ok()).unwrap_or_default()
        };
        board.tap_port = port("tap-port");
        board.http_port = port("http-port");
        board.sntp_port = port("sntp-port");
        board.from = read_from(table.value("from"));
        let console = table.value("console");
        if let Some(mut console) =
            console.as_ref().filter(|_| board.kind != BoardKind::Emulator).and_then(|v| v.table(&CONSOLE))
        {
            board.console_baud = baud(console.value("baud")).unwrap_or(board.console_baud);
            board.boot_baud = baud(console.value("boot-baud"));
            console.finish();
        }
        if let Some(mut certificate) = table.table("certificate", &CERTIFICATE) {
            let hint = "`hil certs --client NAME` makes a pair";
            let cert = certificate.required("cert", hint).and_then(|v| v.file());
            let key = certificate.required("key", hint).and_then(|v| v.file());
            certificate.finish();
            board.identity = cert.zip(key);
        }
        board.flash_baud = baud(table.value("flash-baud")).unwrap_or(board.flash_baud);
        if let Some(off_time) = table.value("off-time").and_then(|v| v.duration()) {
            board.off_time = off_time;
        }
        board.boot_delay = table.value("boot-delay").and_then(|v| v.duration()).unwrap_or_default();
        board.limits = TimeLimits::read(&mut table);
        board.firmware = table.value("firmware").and_then(|v| {
            let name = v.string()?;
            FirmwareName::new(name).map_err(|hint| v.problem(format!("`{name}` is not a firmware name"), hint)).ok()
        });
        let pins = table.map("pins");
        let read = |(name, _, value): (&str, _, Value<'_, '_>)| Some((name.to_owned(), Pin::read(&value, board.kind)?));
        board.pins = pins.iter().flat_map(|pins| pins.entries().filter_map(read).collect::<Vec<_>>()).collect();
        board.power_pin = table.value("power-pin").and_then(|v| {
            let name = v.string()?;
            let is_sensed = board.pins.get(name).is_some_and(|pin| pin.direction == PinDirection::Sense);
            if !is_sensed {
                let hint = "name a pin of `pins` whose direction is `sense`".to_owned();
                v.problem(format!("`{name}` is not a sensed pin of this board"), hint);
            }
            is_sensed.then(|| name.to_owned())
        });
        let emulator = EmulatorKeys::take(&mut table);
        let preset = if board.kind == BoardKind::Emulator {
            let preset = emulator.preset(kinds);
            board.chip = Emulator::usual_chip(preset);
            preset
        } else {
            emulator.refuse();
            None
        };
        board.read_chip(&mut table);
        let reset = table.value("reset");
        if board.kind == BoardKind::Emulator {
            board.emulator = Some(Emulator::read(&table, &emulator, preset, (console, reset), kinds));
            board.refuse_hardware(&mut table, "an emulator has no such key");
        } else {
            board.read_hardware(&mut table, reset, kinds);
        }
        table.finish();
        board
    }

    fn read_chip(&mut self, table: &mut Table<'_, '_>) {
        let chip = table.value("chip");
        match (self.kind, &chip) {
            (BoardKind::Esp, None) => {
                let hint = "example: `chip = \"esp32c3\"`; it is checked before anything is written";
                table.missing("missing key `chip`", hint);
            }
            (_, None) => {}
            (kind, Some(value)) => {
                self.chip = value.one_of("chip", Chip::WORDS).unwrap_or(self.chip);
                if kind == BoardKind::Virtual && self.chip != Chip::Esp32c3 {
                    let what = format!("a virtual board can't be an `{}`", self.chip.word());
                    value.problem(what, "only the `esp32c3` is simulated".to_owned());
                }
            }
        }
    }

    /// Reports what is of boards with wires, and of virtual ones.
    fn refuse_hardware(&self, table: &mut Table<'_, '_>, why: &str) {
        for value in ["port", "rails", "flasher", "misbehaves"].map(|key| table.value(key)).into_iter().flatten() {
            value.problem(why.to_owned(), "leave it out, or use `kind = \"esp\"`".to_owned());
        }
    }

    /// What only real boards have, and what only virtual ones have.
    fn read_hardware(&mut self, table: &mut Table<'_, '_>, reset: Option<Value<'_, '_>>, kinds: &Kinds) {
        let (port, rails) = (table.value("port"), table.value("rails"));
        let (flasher, misbehaves) = (table.value("flasher"), table.value("misbehaves"));
        if self.kind == BoardKind::Process {
            for value in [&port, &rails, &reset, &flasher, &misbehaves].into_iter().flatten() {
                value.problem(
                    "a board of the kind `process` has no such key",
                    "leave it out, or use `kind = \"esp\"`".to_owned(),
                );
            }
            return;
        }
        if self.kind == BoardKind::Virtual {
            for value in [&port, &rails, &reset, &flasher].into_iter().flatten() {
                value.problem("a virtual board has its own", "leave it out, or use `kind = \"esp\"`".to_owned());
            }
            self.misbehaves = list(misbehaves, |v| v.one_of("misbehaviour", Misbehaviour::WORDS));
            return;
        }
        if let Some(value) = misbehaves {
            value.problem("only virtual boards can misbehave on request", "use `kind = \"virtual\"`".to_owned());
        }
        match port {
            Some(value) => self.port = PortIdentity::read(&value),
            None => table.missing("missing key `port`", PortIdentity::HINT),
        }
        let context = RailContext { port_topology: self.port.as_ref().and_then(|port| port.topology.as_deref()) };
        self.rails = list(rails, |v| Rail::read(v, &context, &kinds.rails));
        self.off_time = self.rails.iter().filter_map(|rail| rail.off_time).max().unwrap_or(self.off_time);
        self.reset = reset.and_then(|v| Reset::read(&v, &kinds.resets)).unwrap_or_default();
        let usual = Flasher::usual_for(self.chip, &kinds.flashers);
        self.flasher = flasher.and_then(|v| Flasher::read(&v, self.chip, &kinds.flashers)).unwrap_or(usual);
    }
}

/// What is wrong with a key of a firmware that is one of a board, and where it belongs.
pub(crate) fn of_a_board(key: &str) -> Option<(String, String)> {
    let is_known = BOARD.keys.iter().any(|known| known.name == key);
    is_known.then(|| {
        (
            format!("`{key}` is a key of a board, not of a firmware"),
            "write it in `[boards.NAME]` of the bench file".to_owned(),
        )
    })
}

/// One or several; an empty list would admit no address.
fn read_from(value: Option<Value<'_, '_>>) -> Vec<Subnet> {
    let example = "examples: `from = \"192.168.7.20\"`, `from = [\"192.168.7.0/24\", \"fd00::7\"]`";
    let read = |v: &Value<'_, '_>| v.parsed("an IP address or a subnet", example, |text| text.parse().ok());
    match value {
        None => Vec::new(),
        Some(value) if !value.is_array() => read(&value).into_iter().collect(),
        Some(value) => {
            let all = value.array().unwrap_or_default();
            if all.is_empty() {
                value.problem(
                    "an empty list is not an address",
                    format!("leave it out to expect any address; {example}"),
                );
            }
            all.iter().filter_map(read).collect()
        }
    }
}

fn baud(value: Option<Value<'_, '_>>) -> Option<u32> {
    value?.integer(300..=5_000_000).and_then(|baud| u32::try_from(baud).ok())
}

fn list<T>(value: Option<Value<'_, '_>>, read: impl Fn(&Value<'_, '_>) -> Option<T>) -> Vec<T> {
    value.and_then(|v| v.array()).unwrap_or_default().iter().filter_map(read).collect()
}
