//! What a board of a bench can't do for a step.

use hil_config::{Bench, Board, BoardKind, PinDirection, nearest};

use super::problem::Wrong;
use crate::spec::{Kind, Reading};

/// What a board that is called by a name in a step can't do for it.
pub(super) fn wrong_on(reading: &Reading, name: &str, board: &Board, bench: &Bench) -> Vec<Wrong> {
    let kinds = reading.arguments.iter().filter(|(kind, argument)| kind.is_board() && argument == name);
    let mut wrong: Vec<_> = kinds.filter_map(|(kind, _)| check_board(*kind, board, bench).err()).collect();
    // Firmware and pins are the first board's.
    if reading.boards().next() == Some(name) {
        let pins = [(Kind::Pin, PinDirection::Sense), (Kind::Driven, PinDirection::Drive)];
        let pin = |(kind, direction)| check_pin(reading.first(kind)?, direction, board, bench).err();
        let firmware = reading.first(Kind::Firmware).and_then(|name| check_firmware(name, board, bench).err());
        wrong.extend(firmware.into_iter().chain(pins.into_iter().filter_map(pin)));
    }
    wrong
}

fn check_board(kind: Kind, board: &Board, bench: &Bench) -> Result<(), Wrong> {
    let name = &board.name;
    let is_program = board.kind == BoardKind::Process;
    match kind {
        Kind::Railed if board.kind == BoardKind::Esp && board.rails.is_empty() => {
            let hint = format!("describe what switches its supply in `[[boards.{name}.rails]]`");
            Err(Wrong::new(
                format!("{} gives board `{name}` no rail: its power can't be switched", bench.title()),
                hint,
            ))
        }
        Kind::Wireless if board.kind != BoardKind::Virtual => {
            let what = format!("the access point of board `{name}` of {} can't go away", bench.title());
            Err(Wrong::new(what, "the step is for boards of the kind `virtual`, whose access point is a part of `hil`"))
        }
        Kind::Resolving if board.kind != BoardKind::Virtual => {
            let what = format!("the name server of board `{name}` of {} is not the bench's", bench.title());
            Err(Wrong::new(what, "the step is for boards of the kind `virtual` that execute their firmware"))
        }
        Kind::Program if !is_program => {
            let what =
                format!("board `{name}` of {} is not a program but of the kind `{}`", bench.title(), board.kind.word());
            Err(Wrong::new(what, "the step is for boards of the kind `process`"))
        }
        Kind::Chip if is_program => {
            let what = format!("board `{name}` of {} is a program: it has no chip", bench.title());
            Err(Wrong::new(what, "the step is for boards of the kinds `esp`, `virtual` and `emulator`"))
        }
        _ => Ok(()),
    }
}

fn check_firmware(name: &str, board: &Board, bench: &Bench) -> Result<(), Wrong> {
    let Some(firmware) = bench.firmware(name) else { return Ok(()) };
    match (board.kind == BoardKind::Process, firmware.process.is_some()) {
        (true, true) | (false, false) => Ok(()),
        (_, is_program) => {
            let of = if is_program { "a program" } else { "not a program" };
            let what =
                format!("firmware `{name}` is {of}, and board `{}` is of the kind `{}`", board.name, board.kind.word());
            Err(Wrong::new(what, "programs run on boards of the kind `process`, other firmware on the other kinds"))
        }
    }
}

fn check_pin(pin: &str, direction: PinDirection, board: &Board, bench: &Bench) -> Result<(), Wrong> {
    let Some(found) = board.pins.get(pin) else {
        let known = board.pins.keys().map(String::as_str);
        let what = format!("{} gives board `{}` no pin `{pin}`", bench.title(), board.name);
        let none = || match board.kind {
            BoardKind::Process => "a program has no pins".to_owned(),
            _ => format!("add `pins = {{ {pin} = {{ line = \"GPIO…\" }} }}` to `[boards.{}]`", board.name),
        };
        let hint = near_or_all(pin, known).unwrap_or_else(none);
        return Err(Wrong::new(what, hint));
    };
    if direction == PinDirection::Drive && found.direction == PinDirection::Sense {
        let what = format!("the bench senses the pin `{pin}` of `{}`: it can't drive it", board.name);
        let hint =
            format!("`boards.{}.pins.{pin}` needs `direction = \"drive\"` if the bench may drive it", board.name);
        return Err(Wrong::new(what, hint));
    }
    Ok(())
}

/// A hint with the name that may be meant, or all names; none if there are none.
pub(super) fn near_or_all<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let known: Vec<_> = known.collect();
    match nearest(name, known.iter().copied()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if known.is_empty() => None,
        None => Some(format!("there are `{}`", known.join("`, `"))),
    }
}
