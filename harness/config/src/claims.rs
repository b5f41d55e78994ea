//! What only one board can have: tap ports, serial ports, lines of this machine.

use std::collections::BTreeMap;
use std::path::Path;

use crate::board::Board;
use crate::line::Line;
use crate::names::BoardName;
use crate::pin::PinLine;
use crate::port::{PortIdentity, normal};
use crate::table::Value;

/// Who claims what, so far. Whether several names mean one device shows only when the devices are attached; the bench
/// compares them again then.
#[derive(Default)]
pub(crate) struct Claims {
    taken: BTreeMap<String, String>,
    ports: Vec<(PortIdentity, String)>,
    /// Places in the USB tree that rails switch, and the boards of both kinds.
    switched: Vec<(String, BoardName)>,
    plugged: Vec<(String, BoardName)>,
}

impl Claims {
    /// Takes what a board claims; what another one has already is a problem.
    pub(crate) fn add(&mut self, board: &Board, value: &Value<'_, '_>) {
        let name = &board.name;
        let ports = [("tap-port", board.tap_port), ("http-port", board.http_port), ("sntp-port", board.sntp_port)];
        for (key, port) in ports {
            if port != 0 {
                self.claim(format!("`{key}` {port}"), format!("board `{name}`"), value);
            }
        }
        if let Some(port) = &board.port {
            self.claim_port(port, format!("board `{name}`"), value);
        }
        for (line, user) in lines_of(board) {
            self.claim(format!("line `{}`", plain(&line)), format!("{user} of board `{name}`"), value);
        }
        for device in board.rails.iter().filter_map(|rail| rail.driver.device()) {
            self.claim(device, format!("a rail of board `{name}`"), value);
        }
        self.claim_supply(board, value);
    }

    /// A switched hub port takes the supply of all that is plugged in there, or below.
    fn claim_supply(&mut self, board: &Board, value: &Value<'_, '_>) {
        let hub_ports = board.rails.iter().filter_map(|rail| rail.driver.uses.hub_port.clone());
        let switched = hub_ports.map(|place| (place, board.name.clone()));
        self.switched.extend(switched);
        let plugged = board.port.as_ref().and_then(|port| port.topology.clone());
        self.plugged.extend(plugged.map(|topology| (topology, board.name.clone())));
        let cut = self.switched.iter().find_map(|(rail, owner)| {
            let others = self.plugged.iter().filter(|(_, other)| other != owner);
            // Two earlier boards have been compared already.
            let mut of_this = others.filter(|(_, other)| *owner == board.name || *other == board.name);
            of_this.find(|(place, _)| is_below(rail, place)).map(|(place, other)| (rail, owner, place, other))
        });
        if let Some((rail, owner, place, other)) = cut {
            let what =
                format!("the rail of board `{owner}` at hub port {rail} cuts board `{other}` at {place} as well");
            value.problem(what, "switch the port that only this board hangs on".to_owned());
        }
    }

    fn claim(&mut self, what: String, user: String, value: &Value<'_, '_>) {
        if let Some(other) = self.taken.get(&what) {
            return value.problem(format!("{other} and {user} have the same {what}"), Self::hint());
        }
        self.taken.insert(what, user);
    }

    fn claim_port(&mut self, port: &PortIdentity, user: String, value: &Value<'_, '_>) {
        // What is true for both of them is said: the shorter one.
        let shared = self.ports.iter().find_map(|(other, who)| match (other.covers(port), port.covers(other)) {
            (true, _) => Some((other, who)),
            (false, true) => Some((port, who)),
            (false, false) => None,
        });
        if let Some((what, other)) = shared {
            return value.problem(format!("{other} and {user} have the same {what}"), Self::hint());
        }
        self.ports.push((port.clone(), user));
    }

    fn hint() -> String {
        "each needs one of its own".to_owned()
    }
}

/// Whether a place in the USB tree is at a port of a hub, or below it.
fn is_below(port: &str, place: &str) -> bool {
    let place = place.split(':').next().unwrap_or(place);
    place.strip_prefix(port).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
}

/// A line with its chip as the kernel names it: `gpiochip0` and `/dev/gpiochip0` are one.
fn plain(line: &Line) -> Line {
    match line {
        Line::Name(_) => line.clone(),
        Line::Offset { chip, offset } => {
            let chip = normal(Path::new(chip));
            let chip = chip.strip_prefix("/dev").unwrap_or(&chip).display().to_string();
            Line::Offset { chip, offset: *offset }
        }
    }
}

/// The lines of this machine that a board uses, and what for.
#[must_use]
pub fn lines_of(board: &Board) -> Vec<(Line, String)> {
    let mut lines = Vec::new();
    for rail in &board.rails {
        lines.extend(rail.driver.uses.lines.iter().map(|line| (line.clone(), "a rail".to_owned())));
    }
    lines.extend(board.reset.lines.iter().map(|(line, pin)| (line.clone(), (*pin).to_owned())));
    for (name, pin) in &board.pins {
        if let PinLine::Bench(line) = &pin.line {
            lines.push((line.clone(), format!("the pin `{name}`")));
        }
    }
    lines
}
