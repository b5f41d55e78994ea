//! GPIO lines of the machine that the bench hangs on.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::spec::{Key, Kind, TableSpec, words};
use crate::table::Value;

/// A line of a GPIO chip of this machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// By the name that the kernel gives it, such as `GPIO17` on a Raspberry Pi.
    Name(String),
    /// By chip and offset.
    Offset {
        /// Name (`gpiochip0`), label (`pinctrl-bcm2711`) or path of the chip.
        chip: String,
        /// Offset of the line on it, from 0.
        offset: u32,
    },
}

/// A line and its settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpioLine {
    /// Which line.
    pub line: Line,
    /// Whether a low level means "on".
    pub active_low: bool,
    /// The pull of the line.
    pub bias: Option<Bias>,
}

/// Pull of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bias {
    /// Towards the supply.
    PullUp,
    /// Towards ground.
    PullDown,
    /// None.
    Disabled,
}

impl Bias {
    /// The words of a bench file.
    pub const WORDS: &[(&'static str, Self)] =
        &[("pull-up", Self::PullUp), ("pull-down", Self::PullDown), ("disabled", Self::Disabled)];
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Offset { chip, offset } => write!(f, "{chip} line {offset}"),
        }
    }
}

static OFFSET: TableSpec = TableSpec {
    keys: &[
        Key::required(
            "chip",
            Kind::Text,
            "Name, label or path of the GPIO chip; numbers may change at a reboot, labels don't.",
        ),
        Key::required("offset", Kind::Integer(0, 1023), "Offset of the line on its chip."),
    ],
};

/// A line: its name, or chip and offset.
pub const LINE: Kind = Kind::AnyOf(&[Kind::Text, Kind::Table(&OFFSET)]);
/// Words for a pull.
pub const BIAS: Kind = Kind::Word(|| words(Bias::WORDS));

impl Line {
    /// What to write where a line is missing.
    pub const HINT: &str = "example: `line = \"GPIO17\"`, or `{ chip = \"gpiochip0\", offset = 17 }`";

    /// Reads a name, or a chip and an offset.
    pub fn read(value: &Value<'_, '_>) -> Option<Self> {
        if !value.is_table() {
            let name = value.string()?;
            if name.is_empty() {
                value.problem("the name of a line is empty", Self::HINT.to_owned());
            }
            return (!name.is_empty()).then(|| Self::Name(name.to_owned()));
        }
        let mut table = value.table(&OFFSET)?;
        let chip = table.required("chip", "example: `chip = \"gpiochip0\"`").and_then(|v| v.string());
        let offset = table.required("offset", "example: `offset = 17`").and_then(|v| v.integer(0..=1023));
        table.finish();
        Some(Self::Offset { chip: chip?.to_owned(), offset: u32::try_from(offset?).ok()? })
    }
}
