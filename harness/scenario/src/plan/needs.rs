//! What scenarios need of a bench, read from their steps and tags.

use std::collections::BTreeSet;

use cucumber::gherkin::{Background, Feature, Rule, Scenario, Step};

use super::{Plan, each_scenario};
use crate::quotes::{Part, parts, unquote};
use crate::wanted::Wanted;

/// The steps of a scenario with those of the backgrounds above it.
pub(crate) fn steps_of<'a>(feature: &'a Feature, rule: Option<&'a Rule>, scenario: &'a Scenario) -> Vec<&'a Step> {
    let of = |background: &'a Option<Background>| background.iter().flat_map(|background| &background.steps);
    let background = of(&feature.background).chain(rule.iter().flat_map(|rule| of(&rule.background)));
    background.chain(&scenario.steps).collect()
}

/// The boards of a bench that a plan may use.
#[must_use]
pub fn boards_of(plan: &Plan, config: &hil_config::Bench) -> BTreeSet<String> {
    of_scenarios(plan, |steps| plan.wanted(config, steps).into_iter().flat_map(|wanted| wanted.boards).collect())
}

/// Every board that a plan may use with each firmware that its steps install on it.
#[must_use]
pub fn firmware_of(plan: &Plan, config: &hil_config::Bench) -> BTreeSet<(String, String)> {
    of_scenarios(plan, |steps| {
        let wanted = plan.wanted(config, steps);
        firmware_named(steps).into_iter().flat_map(|(name, firmware)| on_each(&wanted, name, &firmware)).collect()
    })
}

/// The names of all firmware that steps of a plan install.
#[must_use]
pub fn firmware_names(plan: &Plan) -> BTreeSet<String> {
    of_scenarios(plan, firmware_named).into_iter().map(|(_, firmware)| firmware).collect()
}

/// Each board that may be called by a name, with a firmware.
pub(crate) fn on_each(wanted: &[Wanted], name: String, firmware: &str) -> Vec<(String, String)> {
    let boards =
        wanted.iter().find(|wanted| wanted.name == name).map_or_else(|| vec![name], |wanted| wanted.boards.clone());
    boards.into_iter().map(|board| (board, firmware.to_owned())).collect()
}

/// Collects what the steps of each scenario of a plan name.
fn of_scenarios<T: Ord>(plan: &Plan, named: impl Fn(&[&Step]) -> Vec<T>) -> BTreeSet<T> {
    let mut all = BTreeSet::new();
    for feature in &plan.features {
        for (rule, scenario) in each_scenario(feature) {
            all.extend(named(&steps_of(feature, rule, scenario)));
        }
    }
    all
}

/// The boards of the bench that steps name in quotes. A name after the word `firmware` or `update` is not a board. A topic with the
/// name of a board makes the scenario own that board too: this only reduces overlap.
pub(crate) fn boards_named(config: &hil_config::Bench, steps: &[&Step]) -> Vec<String> {
    let names = steps.iter().flat_map(|step| names_in(step));
    let mut names: Vec<_> = names.filter(|name| config.board(name).is_some()).collect();
    names.sort();
    names.dedup();
    names
}

/// The texts in quotes of a step that may name a board or a role.
pub(super) fn names_in(step: &Step) -> Vec<String> {
    let quoted = quoted(&step.value).into_iter();
    quoted.filter(|(before, _)| !names_firmware(before)).map(|(_, name)| name).collect()
}

/// Whether a text in quotes is the name of a firmware, given the text before it.
pub(crate) fn names_firmware(before: &str) -> bool {
    ["firmware", "update"].iter().any(|word| before.trim_end().ends_with(word))
}

/// Boards with the firmware that steps install on them.
pub(crate) fn firmware_named(steps: &[&Step]) -> Vec<(String, String)> {
    let pair = |step: &&Step| {
        let quoted = quoted(&step.value);
        let [(before, board), (between, firmware), ..] = quoted.as_slice() else { return None };
        let installs = before.trim_end().ends_with("board") && between.trim_end().ends_with("firmware");
        installs.then(|| (board.clone(), firmware.clone()))
    };
    steps.iter().filter_map(pair).collect()
}

/// Each text in quotes, with the text before it.
fn quoted(text: &str) -> Vec<(&str, String)> {
    let (mut before, mut found) = ("", Vec::new());
    for part in parts(text) {
        match part {
            Part::Plain(plain) => before = plain,
            Part::Quoted(quoted) => found.push((before, unquote(quoted))),
        }
    }
    found
}

/// What a scenario's tags require but the bench lacks: `@requires:NAME` names a board, a role that a board can play, a
/// kind of board, a tag of a board or a kind of broker.
#[must_use]
pub fn lacking(bench: &hil_config::Bench, tags: &[String]) -> Option<String> {
    let required = tags.iter().filter_map(|tag| tag.strip_prefix("requires:"));
    let has = |name: &str| {
        bench.broker.kind.word == name
            || !bench.players(name).is_empty()
            || bench.boards.values().any(|board| board.kind.word() == name || board.tags.iter().any(|tag| tag == name))
    };
    let lacking: Vec<_> = required.filter(|name| !has(name)).map(|name| format!("`{name}`")).collect();
    let what = || format!("{} has no {}, which the scenario requires", bench.title(), lacking.join(", "));
    (!lacking.is_empty()).then(what)
}

#[cfg(test)]
mod tests {
    use cucumber::gherkin::StepType;

    use super::*;
    use crate::registry::bare_step;

    #[test]
    fn boards_are_named_in_either_kind_of_quotes_and_firmware_does_not_count() {
        let bench = hil_config::Bench::builtin();
        let texts = [
            r#"the board 'lamp-2' runs the firmware "lamp""#,
            r#"I publish '{"id": "lamp"}' to "t""#,
            "the broker's day ends",
        ];
        let steps = texts.map(|text| bare_step(text, StepType::Given));
        let steps: Vec<_> = steps.iter().collect();
        assert_eq!(boards_named(&bench, &steps), ["lamp-2"]);
        assert_eq!(firmware_named(&steps), [("lamp-2".to_owned(), "lamp".to_owned())]);
    }
}
