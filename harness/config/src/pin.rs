//! `[boards.NAME.pins]`: lines of the board that the bench senses or drives.

use crate::board_kind::BoardKind;
use crate::line::{BIAS, Bias, LINE, Line};
use crate::spec::{Key, Kind, TableSpec, words};
use crate::table::{Table, Value};

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
    /// A program that prints `on` or `off`, at its start and at each change.
    Watched(Vec<String>),
    /// Programs that drive it.
    Driven {
        /// To "on".
        on: Vec<String>,
        /// To "off".
        off: Vec<String>,
    },
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
        Key::optional(
            "line",
            LINE,
            "none",
            "Of a virtual board: its GPIO, `\"GPIO0\"` to `\"GPIO21\"`. Of a real one: the line of this machine that is wired to it, by name or as `{ chip = \"gpiochip0\", offset = 23 }`.",
        ),
        Key::optional(
            "watch",
            Kind::List(&Kind::Text),
            "none",
            "Instead of `line`: a program that prints a line `on` or `off` when it starts and again at each change, for as long as it runs.",
        ),
        Key::optional(
            "on",
            Kind::List(&Kind::Text),
            "none",
            "Instead of `line`: a program that drives the pin to \"on\"; with `off`, for pins that are driven.",
        ),
        Key::optional("off", Kind::List(&Kind::Text), "none", "The same for \"off\"."),
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
            BoardKind::Emulator => Self::read_programs(&mut table).unwrap_or_else(|| {
                let hint = "example: `watch = [\"read-pin\", \"{qmp}\"]`, or `on` and `off`";
                let _ = table.value("line");
                table.missing("a pin of an emulator is sensed or driven by programs", hint);
                None
            }),
            BoardKind::Esp => Self::read_programs(&mut table)
                .unwrap_or_else(|| table.required("line", Line::HINT).and_then(|v| Line::read(&v)).map(PinLine::Bench)),
        };
        if !matches!(kind, BoardKind::Esp | BoardKind::Emulator)
            && let Some(value) = ["watch", "on", "off"].map(|key| table.value(key)).into_iter().flatten().next()
        {
            value.problem("only pins of real boards can be programs", "name its `line`".to_owned());
        }
        let active_low = table.value("active-low").and_then(|v| v.boolean());
        let direction = table.value("direction").and_then(|v| v.one_of("pin direction", PinDirection::WORDS));
        let bias = table.value("bias").and_then(|v| v.one_of("bias", Bias::WORDS));
        table.finish();
        let by_program = match line {
            Some(PinLine::Watched(_)) => Some(PinDirection::Sense),
            Some(PinLine::Driven { .. }) => Some(PinDirection::Drive),
            _ => None,
        };
        if let (Some(by_program), Some(asked)) = (by_program, direction)
            && by_program != asked
        {
            value.problem("`watch` senses a pin, `on` and `off` drive it", "leave `direction` out".to_owned());
        }
        let direction = by_program.or(direction).unwrap_or(PinDirection::Sense);
        Some(Self { line: line?, active_low: active_low.unwrap_or(false), direction, bias })
    }

    /// The programs of a pin that has no line; none if it names none.
    fn read_programs(table: &mut Table<'_, '_>) -> Option<Option<PinLine>> {
        let [watch, on, off] = ["watch", "on", "off"].map(|key| table.value(key));
        let first = watch.as_ref().or(on.as_ref()).or(off.as_ref())?;
        if table.has("line") || watch.is_some() && (on.is_some() || off.is_some()) {
            let hint = "`line`, or `watch`, or `on` with `off`".to_owned();
            first.problem("a pin is sensed or driven in one way", hint);
            // Read, so that it is not an unknown key.
            let _ = table.value("line");
            return Some(None);
        }
        let _ = table.value("line");
        let read = |value: &Option<Value<'_, '_>>| value.as_ref().and_then(Value::command_line);
        let driven = || match (&on, &off) {
            (Some(_), Some(_)) => Some(PinLine::Driven { on: read(&on)?, off: read(&off)? }),
            _ => {
                first.problem("`on` and `off` go together", "name the programs for both".to_owned());
                None
            }
        };
        Some(if watch.is_some() { read(&watch).map(PinLine::Watched) } else { driven() })
    }

    fn read_gpio(value: &Value<'_, '_>) -> Option<u8> {
        value.parsed("a line of an esp32c3", "expected `GPIO0` to `GPIO21`", |text| {
            text.strip_prefix("GPIO")?.parse().ok().filter(|line| *line <= Self::LAST_GPIO)
        })
    }
}
