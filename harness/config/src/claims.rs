//! What only one board can have: tap ports, serial ports, lines of this machine.

use std::collections::BTreeMap;

use crate::board::Board;
use crate::line::Line;
use crate::pin::PinLine;
use crate::rail::RailDriver;
use crate::reset::Reset;
use crate::table::Value;

/// Who claims what, so far.
#[derive(Default)]
pub(crate) struct Claims(BTreeMap<String, String>);

impl Claims {
    /// Takes what a board claims; what another one has already is a problem.
    pub(crate) fn add(&mut self, board: &Board, value: &Value<'_, '_>) {
        let name = &board.name;
        if board.tap_port != 0 {
            self.claim(format!("`tap-port` {}", board.tap_port), format!("board `{name}`"), value);
        }
        if let Some(port) = &board.port {
            self.claim(port.to_string(), format!("board `{name}`"), value);
        }
        for (line, user) in lines(board) {
            self.claim(format!("line `{line}`"), format!("{user} of board `{name}`"), value);
        }
    }

    fn claim(&mut self, what: String, user: String, value: &Value<'_, '_>) {
        if let Some(other) = self.0.get(&what) {
            let hint = "each needs one of its own".to_owned();
            return value.problem(format!("{other} and {user} have the same {what}"), hint);
        }
        self.0.insert(what, user);
    }
}

/// The lines of this machine that a board uses, and what for.
fn lines(board: &Board) -> Vec<(Line, String)> {
    let mut lines = Vec::new();
    for rail in &board.rails {
        if let RailDriver::Gpio(gpio) = &rail.driver {
            lines.push((gpio.line.clone(), "a rail".to_owned()));
        }
    }
    let (en, boot) = match &board.reset {
        Reset::Gpio { en, boot, .. } => (Some(en), boot.as_ref()),
        Reset::PowerCycle { boot, .. } => (None, boot.as_ref()),
        Reset::Auto | Reset::Classic | Reset::Tight | Reset::UsbJtag | Reset::Command { .. } => (None, None),
    };
    lines.extend(en.map(|line| (line.clone(), "EN".to_owned())));
    lines.extend(boot.map(|line| (line.clone(), "the strapping pin".to_owned())));
    for (name, pin) in &board.pins {
        if let PinLine::Bench(line) = &pin.line {
            lines.push((line.clone(), format!("the pin `{name}`")));
        }
    }
    lines
}
