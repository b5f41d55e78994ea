//! `[boards.NAME.pins]`: lines of the board that the bench senses or drives.

use crate::board::BoardKind;
use crate::line::{BIAS, Bias, LINE, Line};
use crate::spec::{Key, Kind, TableSpec, words};
use crate::table::Value;

/// One pin of a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Where it is.
    pub line: PinLine,
    /// Whether a low level means "on".
    pub active_low: bool,
    /// Who drives it.
    pub direction: PinDirection,
    /// The pull of a sensed line.
    pub bias: Option<Bias>,
}

/// Where a pin is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinLine {
    /// A GPIO of a virtual board.
    Board(u8),
    /// A line of this machine that is wired to the board.
    Bench(Line),
}

/// Who drives a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinDirection {
    /// The board drives it, the bench watches it.
    Sense,
    /// The bench drives it.
    Drive,
}

impl PinDirection {
    const WORDS: &[(&'static str, Self)] = &[("sense", Self::Sense), ("drive", Self::Drive)];
}

pub(crate) static PIN: TableSpec = TableSpec {
    keys: &[
        Key::required(
            "line",
            LINE,
            "Of a virtual board: its GPIO, `\"GPIO0\"` to `\"GPIO21\"`. Of a real one: the line of this machine that is wired to it, by name or as `{ chip = \"gpiochip0\", offset = 23 }`.",
        ),
        Key::optional("active-low", Kind::Boolean, "`false`", "Whether a low level means \"on\"."),
        Key::optional(
            "direction",
            Kind::Word(|| words(PinDirection::WORDS)),
            "`\"sense\"`",
            "`sense`: the board drives it. `drive`: the bench drives it.",
        ),
        Key::optional("bias", BIAS, "as it is", "Pull of a sensed line of this machine."),
    ],
};

impl Pin {
    /// Highest GPIO of an ESP32-C3 (datasheet v2.1, table 2-1: GPIO0 to GPIO21).
    const LAST_GPIO: u8 = 21;

    pub(crate) fn read(value: &Value<'_, '_>, kind: BoardKind) -> Option<Self> {
        let mut table = value.table(&PIN)?;
        let line = match kind {
            BoardKind::Virtual => {
                let hint = "name the board's line, example: `line = \"GPIO2\"`";
                table.required("line", hint).and_then(|v| Self::read_gpio(&v)).map(PinLine::Board)
            }
            BoardKind::Process => {
                value.problem("a program has no pins", "leave them out, or use `kind = \"esp\"`".to_owned());
                // Read all the same: one problem is enough.
                table.value("line").map(|_| PinLine::Board(0))
            }
            BoardKind::Esp => table.required("line", Line::HINT).and_then(|v| Line::read(&v)).map(PinLine::Bench),
        };
        let active_low = table.value("active-low").and_then(|v| v.boolean());
        let direction = table.value("direction").and_then(|v| v.one_of("pin direction", PinDirection::WORDS));
        let bias = table.value("bias").and_then(|v| v.one_of("bias", Bias::WORDS));
        table.finish();
        let direction = direction.unwrap_or(PinDirection::Sense);
        Some(Self { line: line?, active_low: active_low.unwrap_or(false), direction, bias })
    }

    fn read_gpio(value: &Value<'_, '_>) -> Option<u8> {
        value.parsed("a line of an esp32c3", "expected `GPIO0` to `GPIO21`", |text| {
            text.strip_prefix("GPIO")?.parse().ok().filter(|line| *line <= Self::LAST_GPIO)
        })
    }
}
