//! What is wrong with a feature on a bench: names that the bench lacks, and what its parts don't support.

use std::collections::BTreeSet;
use std::path::Path;

use cucumber::gherkin::{Feature, Rule, Scenario};
use hil_config::{Bench, BoardName, Broker, FirmwareName, RoleName};

use super::arguments::check_length;
use super::needs::{lacking, steps_of};
use super::on_board::{near_or_all, wrong_on};
use super::problem::{Problem, Wrong};
use super::reading::reading;
use super::{each_scenario, on_air, roles, tags_of};
use crate::spec::{Ability, Kind, Reading};

/// Everything that is wrong with a feature on a bench. Scenarios that are skipped there are not checked.
pub(super) fn check(feature: &Feature, bench: &Bench) -> Vec<Problem> {
    let path = feature.path.as_deref().unwrap_or(Path::new(""));
    let mut problems = each_reading(feature, bench, |reading| check_reading(reading, bench));
    problems.extend(
        that_run(feature, bench)
            .flat_map(|(rule, scenario)| on_air::check(bench, &steps_of(feature, rule, scenario), path)),
    );
    if !bench.roles.is_empty() {
        let on = |(rule, scenario): (Option<&_>, &Scenario)| {
            roles::check(bench, &steps_of(feature, rule, scenario), path, scenario.position.line)
        };
        problems.extend(that_run(feature, bench).flat_map(on));
    }
    tidied(problems, path)
}

/// Environment variables for passwords that are not set. They are needed only to run the steps.
pub(super) fn unset(feature: &Feature, bench: &Bench) -> Vec<Problem> {
    let wrong = |text: &str| match hil_config::expand(text) {
        Err(wrong) if wrong.is_unset => Some(Wrong::new(wrong.what, wrong.hint)),
        _ => None,
    };
    let path = feature.path.as_deref().unwrap_or(Path::new(""));
    tidied(each_reading(feature, bench, |reading| reading.all(Kind::Password).filter_map(wrong).collect()), path)
}

/// The scenarios that are not skipped on a bench.
fn that_run<'f>(feature: &'f Feature, bench: &Bench) -> impl Iterator<Item = (Option<&'f Rule>, &'f Scenario)> {
    each_scenario(feature).filter(|(rule, scenario)| lacking(bench, &tags_of(feature, *rule, scenario)).is_none())
}

/// Checks each built-in step that would run on a bench.
fn each_reading(feature: &Feature, bench: &Bench, check: impl Fn(&Reading) -> Vec<Wrong>) -> Vec<Problem> {
    let path = feature.path.as_deref().unwrap_or(Path::new(""));
    let steps = that_run(feature, bench).flat_map(|(rule, scenario)| steps_of(feature, rule, scenario));
    let wrong = steps.flat_map(|step| {
        let wrong = reading(step).map(|reading| check(&reading)).unwrap_or_default();
        wrong.into_iter().map(|wrong| wrong.at_step(path, step))
    });
    wrong.collect()
}

/// Problems in the order of the file, each once.
fn tidied(mut problems: Vec<Problem>, path: &Path) -> Vec<Problem> {
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
    let mut seen = BTreeSet::new();
    // What is wrong on the boards of a role depends on the whole scenario.
    for name in reading.boards().filter(|name| !bench.roles.contains_key(*name) && seen.insert(*name)) {
        match bench.board(name) {
            Some(board) => wrong.extend(wrong_on(reading, name, board, bench)),
            None => wrong.push(unknown_board(name, bench)),
        }
    }
    wrong.extend(reading.first(Kind::Firmware).and_then(|name| unknown_firmware(name, bench)));
    wrong.extend(reading.first(Kind::Update).and_then(|name| wrong_update(name, bench)));
    wrong.extend(reading.first(Kind::Password).and_then(|text| check_password(text).err()));
    wrong
}

fn unknown_board(name: &str, bench: &Bench) -> Wrong {
    let known = bench.boards.keys().map(BoardName::as_str).chain(bench.roles.keys().map(RoleName::as_str));
    let mut wrong = unknown("board", name, known, bench);
    if !bench.roles.is_empty() {
        wrong.what = format!("{} has neither a board nor a role `{name}`", bench.title());
    }
    wrong
}

fn unknown_firmware(name: &str, bench: &Bench) -> Option<Wrong> {
    if bench.firmware(name).is_some() {
        return None;
    }
    let mut wrong = unknown("firmware", name, bench.firmware.keys().map(FirmwareName::as_str), bench);
    if let Some(project) = &bench.project {
        wrong.what = format!("{}, and neither has the project file `{}`", wrong.what, project.name);
    }
    Some(wrong)
}

fn wrong_update(name: &str, bench: &Bench) -> Option<Wrong> {
    let unknown = unknown_firmware(name, bench);
    let is_program = bench.firmware(name).is_some_and(|firmware| firmware.process.is_some());
    if !is_program {
        return unknown;
    }
    let hint = "an update is the app of an image: `image = \"firmware.bin\"`, an ELF file, or parts";
    Some(Wrong::new(format!("firmware `{name}` is a program, and no update that a board could load"), hint))
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
