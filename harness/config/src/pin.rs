//! `[boards.NAME.pins]`: lines of the board that the bench senses or drives.

use crate::table::{Table, Value};

/// One pin of a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// GPIO number on the board: `GPIO2` is 2.
    pub line: u8,
    /// Whether a low level means "on".
    pub active_low: bool,
    /// Who drives it.
    pub direction: PinDirection,
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

impl Pin {
    /// Highest GPIO of an ESP32-C3 (datasheet v2.1, table 2-1: GPIO0 to GPIO21).
    const LAST_GPIO: u8 = 21;

    pub(crate) fn read(value: &Value<'_, '_>) -> Option<Self> {
        let mut table: Table<'_, '_> = value.table()?;
        let line = table.required("line", "name the board's line, example: `line = \"GPIO2\"`").and_then(|v| {
            v.parsed("a line of an esp32c3", "expected `GPIO0` to `GPIO21`", |text| {
                text.strip_prefix("GPIO")?.parse().ok().filter(|line| *line <= Self::LAST_GPIO)
            })
        });
        let active_low = table.value("active-low").and_then(|v| v.boolean());
        let direction = table.value("direction").and_then(|v| v.one_of("pin direction", PinDirection::WORDS));
        table.finish();
        let direction = direction.unwrap_or(PinDirection::Sense);
        Some(Self { line: line?, active_low: active_low.unwrap_or(false), direction })
    }
}
