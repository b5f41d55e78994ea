//! `boards.NAME.reset`: how a chip is reset and brought into its loader.

use crate::line::{LINE, Line};
use crate::spec::{Key, Kind, TableSpec, TagSpec, Variant};
use crate::table::{Table, Value};

/// How a chip is reset.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Reset {
    /// By what the port is: USB-JTAG for a native USB port, else the classic and the tight sequence in turn.
    #[default]
    Auto,
    /// DTR and RTS switched one after the other, for the usual circuit with a capacitor at EN.
    Classic,
    /// DTR and RTS switched in one call, for circuits and drivers on which both must change together.
    Tight,
    /// The sequence that the USB-Serial/JTAG peripheral of a chip understands.
    UsbJtag,
    /// Lines of this machine at EN and at the strapping pin.
    Gpio {
        /// EN (CHIP_PU), low resets.
        en: Line,
        /// The strapping pin (GPIO9 on an ESP32-C3, GPIO0 on an ESP32), low selects the loader.
        boot: Option<Line>,
        /// Whether a transistor or an optocoupler stands between, so that a high level pulls down.
        inverted: bool,
    },
    /// The rails; the strapping pin on a line of this machine, where there is one.
    PowerCycle {
        /// The strapping pin, low selects the loader.
        boot: Option<Line>,
        /// Whether a high level pulls it down.
        inverted: bool,
    },
    /// Any programs.
    Command {
        /// Holds the chip in reset.
        hold: Vec<String>,
        /// Lets it start its app.
        run: Vec<String>,
        /// Lets it start its loader.
        loader: Vec<String>,
    },
}

const BOOT: Key = Key::optional(
    "boot",
    LINE,
    "",
    "Line of this machine at the strapping pin (GPIO9 on an ESP32-C3, GPIO0 on an ESP32); without it there is no way into the loader.",
);
const INVERTED: Key = Key::optional(
    "inverted",
    Kind::Boolean,
    "`false`",
    "Whether a transistor stands between, so that a high level pulls the pin down.",
);

static PLAIN: TableSpec = TableSpec { keys: &[] };
static GPIO: TableSpec =
    TableSpec { keys: &[Key::required("en", LINE, "Line of this machine at EN (CHIP_PU)."), BOOT, INVERTED] };
static POWER_CYCLE: TableSpec = TableSpec { keys: &[BOOT, INVERTED] };
static COMMAND: TableSpec = TableSpec {
    keys: &[
        Key::required("hold", Kind::List(&Kind::Text), "Program and arguments that hold the chip in reset."),
        Key::required("run", Kind::List(&Kind::Text), "Program and arguments that let it start its app."),
        Key::required("loader", Kind::List(&Kind::Text), "Program and arguments that let it start its loader."),
    ],
};

pub(crate) static RESET: TagSpec = TagSpec {
    tag: "strategy",
    what: "reset strategy",
    doc: "How the chip is reset; a strategy without further keys may be written as its word alone.",
    variants: |_| VARIANTS.to_vec(),
};

static VARIANTS: &[Variant] = &[
    ("auto", &PLAIN),
    ("classic", &PLAIN),
    ("tight", &PLAIN),
    ("usb-jtag", &PLAIN),
    ("gpio", &GPIO),
    ("power-cycle", &POWER_CYCLE),
    ("command", &COMMAND),
];

impl Reset {
    pub(crate) fn read(value: &Value<'_, '_>) -> Option<Self> {
        if !value.is_table() {
            return Self::read_word(value);
        }
        let (word, mut table) = value.tagged(&RESET)?;
        let read = match word {
            "gpio" => {
                let en = table.required("en", "example: `en = \"GPIO5\"`").and_then(|v| Line::read(&v));
                let (boot, inverted) = read_boot(&mut table);
                en.map(|en| Self::Gpio { en, boot, inverted })
            }
            "power-cycle" => {
                let (boot, inverted) = read_boot(&mut table);
                Some(Self::PowerCycle { boot, inverted })
            }
            "command" => {
                let mut command = |key| {
                    let hint = "example: `hold = [\"jig\", \"hold\"]`, with `run` and `loader`";
                    table.required(key, hint).and_then(|v| v.command_line())
                };
                let (hold, run, loader) = (command("hold"), command("run"), command("loader"));
                hold.zip(run).zip(loader).map(|((hold, run), loader)| Self::Command { hold, run, loader })
            }
            word => Self::plain(word),
        };
        table.finish();
        read
    }

    fn read_word(value: &Value<'_, '_>) -> Option<Self> {
        let words: Vec<_> = VARIANTS.iter().map(|(word, _)| (*word, *word)).collect();
        let word = value.one_of(RESET.what, &words)?;
        let plain = Self::plain(word);
        if plain.is_none() {
            let hint = format!("write a table: `reset = {{ strategy = \"{word}\", … }}`");
            value.problem(format!("the strategy `{word}` needs more keys"), hint);
        }
        plain
    }

    fn plain(word: &str) -> Option<Self> {
        match word {
            "auto" => Some(Self::Auto),
            "classic" => Some(Self::Classic),
            "tight" => Some(Self::Tight),
            "usb-jtag" => Some(Self::UsbJtag),
            "power-cycle" => Some(Self::PowerCycle { boot: None, inverted: false }),
            _ => None,
        }
    }
}

fn read_boot(table: &mut Table<'_, '_>) -> (Option<Line>, bool) {
    let boot = table.value("boot").and_then(|v| Line::read(&v));
    let inverted = table.value("inverted").and_then(|v| v.boolean()).unwrap_or(false);
    (boot, inverted)
}
