//! What is wrong with a feature on a bench: names that the bench lacks, and what its parts don't support.

use std::collections::BTreeSet;
use std::path::Path;

use cucumber::gherkin::Feature;
use hil_config::{Bench, Board, BoardKind, BoardName, Broker, FirmwareName, PinDirection, nearest};

use super::arguments::check_length;
use super::needs::{lacking, steps_of};
use super::problem::{Problem, Wrong};
use super::reading::reading;
use super::{each_scenario, tags_of};
use crate::spec::{Ability, Kind, Reading};

/// Everything that is wrong with a feature on a bench. Scenarios that are skipped there are not checked.
pub(super) fn check(feature: &Feature, bench: &Bench) -> Vec<Problem> {
    each_reading(feature, bench, |reading| check_reading(reading, bench))
}

/// Environment variables for passwords that are not set. They are needed only to run the steps.
pub(super) fn unset(feature: &Feature, bench: &Bench) -> Vec<Problem> {
    let wrong = |text: &str| match hil_config::expand(text) {
        Err(wrong) if wrong.is_unset => Some(Wrong::new(wrong.what, wrong.hint)),
        _ => None,
    };
    each_reading(feature, bench, |reading| reading.all(Kind::Password).filter_map(wrong).collect())
}

/// Checks each built-in step that would run on a bench.
fn each_reading(feature: &Feature, bench: &Bench, check: impl Fn(&Reading) -> Vec<Wrong>) -> Vec<Problem> {
    let path = feature.path.as_deref().unwrap_or(Path::new(""));
    let runs =
        each_scenario(feature).filter(|(rule, scenario)| lacking(bench, &tags_of(feature, *rule, scenario)).is_none());
    let steps = runs.flat_map(|(rule, scenario)| steps_of(feature, rule, scenario));
    let wrong = steps.flat_map(|step| {
        let wrong = reading(step).map(|reading| check(&reading)).unwrap_or_default();
        wrong.into_iter().map(|wrong| wrong.at_step(path, step))
    });
    let mut problems: Vec<_> = wrong.collect();
    problems.sort_by_key(|problem| problem.line);
    // A background is checked with each scenario below it.
    let mut seen = BTreeSet::new();
    // Several parts of a composite step often have the same mistake in an argument.
    let place = |problem: &Problem| if problem.path == path { problem.line } else { 0 };
    problems.retain(|problem| seen.insert((place(problem), problem.what.clone())));
    problems
}

fn check_reading(reading: &Reading, bench: &Bench) -> Vec<Wrong> {
    let mut wrong: Vec<_> = check_broker(reading.spec.asks, bench).err().into_iter().collect();
    for (kind, name) in reading.arguments.iter().filter(|(kind, _)| kind.is_board()) {
        wrong.extend(check_board(*kind, name, bench).err());
    }
    let board = reading.arguments.iter().find(|(kind, _)| kind.is_board()).and_then(|(_, name)| bench.board(name));
    let firmware = reading.first(Kind::Firmware).map(|name| check_firmware(name, board, bench));
    let update = reading.first(Kind::Update).map(|name| check_update(name, bench));
    let pins = [(Kind::Pin, PinDirection::Sense), (Kind::Driven, PinDirection::Drive)];
    let pins = pins
        .into_iter()
        .filter_map(|(kind, direction)| check_pin(reading.first(kind)?, direction, board?, bench).err());
    let password = reading.first(Kind::Password).map(check_password);
    wrong.extend(firmware.into_iter().chain(update).chain(password).filter_map(Result::err).chain(pins));
    wrong
}

fn check_board(kind: Kind, name: &str, bench: &Bench) -> Result<(), Wrong> {
    let Some(board) = bench.board(name) else {
        return Err(unknown("board", name, bench.boards.keys().map(BoardName::as_str), bench));
    };
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

fn check_firmware(name: &str, board: Option<&Board>, bench: &Bench) -> Result<(), Wrong> {
    let Some(firmware) = bench.firmware(name) else {
        let mut wrong = unknown("firmware", name, bench.firmware.keys().map(FirmwareName::as_str), bench);
        if let Some(project) = &bench.project {
            wrong.what = format!("{}, and neither has the project file `{}`", wrong.what, project.name);
        }
        return Err(wrong);
    };
    let Some(board) = board else { return Ok(()) };
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

fn check_update(name: &str, bench: &Bench) -> Result<(), Wrong> {
    check_firmware(name, None, bench)?;
    let is_program = bench.firmware(name).is_some_and(|firmware| firmware.process.is_some());
    if is_program {
        let hint = "an update is the app of an image: `image = \"firmware.bin\"`, an ELF file, or parts";
        return Err(Wrong::new(format!("firmware `{name}` is a program, and no update that a board could load"), hint));
    }
    Ok(())
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

/// Checks a password from the environment; one in the feature is checked without a bench.
fn check_password(text: &str) -> Result<(), Wrong> {
    if !text.contains("${") {
        return Ok(());
    }
    match hil_config::expand(text) {
        Ok(expanded) => check_length(&expanded.text),
        Err(wrong) if wrong.is_unset => Ok(()),
        Err(wrong) => Err(Wrong::new(wrong.what, wrong.hint)),
    }
}

/// Whether the broker of a bench can do what a step asks.
fn can(broker: &Broker, asks: Ability) -> bool {
    match asks {
        Ability::Serve => true,
        Ability::Stop => broker.kind.can.stop,
        Ability::Configure => broker.is_configurable(),
        Ability::Crash => broker.kind.can.crash,
        Ability::Pause => broker.kind.can.pause,
    }
}

fn check_broker(asks: Ability, bench: &Bench) -> Result<(), Wrong> {
    let own = bench.broker.config.is_some();
    if can(&bench.broker, asks) {
        return Ok(());
    }
    let what = match asks {
        Ability::Serve | Ability::Stop => "be stopped",
        Ability::Configure if own => "be configured, because the bench file gives it a `config`",
        Ability::Configure => "be configured",
        Ability::Crash => "crash",
        Ability::Pause => "be paused",
    };
    let kind = bench.broker.kind.word;
    let hint = "tag the scenario `@requires:mosquitto`, or use a bench with `kind = \"mosquitto\"`";
    Err(Wrong::new(format!("the `{kind}` broker of {} can't {what}", bench.title()), hint))
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>, bench: &Bench) -> Wrong {
    let hint = near_or_all(name, known).unwrap_or_else(|| format!("it has no {what} at all"));
    Wrong::new(format!("{} has no {what} `{name}`", bench.title()), hint)
}

/// A hint with the name that may be meant, or all names; none if there are none.
fn near_or_all<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let known: Vec<_> = known.collect();
    match nearest(name, known.iter().copied()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if known.is_empty() => None,
        None => Some(format!("there are `{}`", known.join("`, `"))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hil_mqtt::BrokerError;

    use super::*;

    /// The brokers themselves refuse what they don't support; the table above must agree.
    #[test]
    fn supported_actions_match_the_brokers() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        for kind in ["embedded", "external"] {
            let kind = hil_mqtt::broker::kind(kind).expect("a kind");
            let config = Broker { kind, ..Default::default() };
            let mut broker = hil_mqtt::broker::new(&config, Arc::new(|_| {})).expect("broker");
            let refused = |result: Result<(), BrokerError>| matches!(result, Err(BrokerError::Unsupported { .. }));
            let configure = refused(broker.settings().map(drop));
            let (crash, pause) = (refused(runtime.block_on(broker.crash())), refused(broker.pause()));
            let stop = refused(runtime.block_on(broker.stop()));
            for (asks, refuses) in [
                (Ability::Configure, configure),
                (Ability::Crash, crash),
                (Ability::Pause, pause),
                (Ability::Stop, stop),
            ] {
                assert_eq!(can(&config, asks), !refuses, "{} {asks:?}", kind.word);
            }
        }
    }
}
