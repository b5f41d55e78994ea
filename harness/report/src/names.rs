//! Names of scenarios in other formats and across runs. They do not contain line numbers, because lines move.

use std::collections::{HashMap, HashSet};

use hil_timeline::ScenarioInfo;

use crate::result::{RunSummary, ScenarioResult};

/// Feature and boards: `The lamp [lamp]`; a role counts by its own name, because its board changes from run to run.
pub(crate) fn class_name(scenario: &ScenarioResult) -> String {
    let boards = scenario.info.named().join(", ");
    if boards.is_empty() { scenario.info.feature.clone() } else { format!("{} [{boards}]", scenario.info.feature) }
}

/// Names within a feature: the rule, then the scenario; if two files have features of the same name, the file as well.
pub(crate) fn unique_names(run: &RunSummary) -> Vec<String> {
    let mut files: HashMap<(&str, String), HashSet<&str>> = HashMap::new();
    for ScenarioResult { info, .. } in &run.scenarios {
        files.entry((&info.feature, in_rule(info))).or_default().insert(&info.path);
    }
    let name = |ScenarioResult { info, repetition, .. }: &ScenarioResult| {
        let name = in_rule(info);
        let is_shared = files.get(&(info.feature.as_str(), name.clone())).is_some_and(|files| files.len() > 1);
        let name = if is_shared { format!("{name} ({})", info.path) } else { name };
        repetition.map_or(name.clone(), |n| format!("{name} (repetition {n})"))
    };
    let names = run.scenarios.iter().map(|scenario| (scenario.info.feature.as_str(), name(scenario)));
    numbered(run, names.collect())
}

/// The keys that identify scenarios across runs: file, rule and name. The repetitions of a scenario have one key.
pub(crate) fn keys(run: &RunSummary) -> Vec<String> {
    let key = |info: &ScenarioInfo| format!("{}: {}", info.path, in_rule(info));
    numbered(run, run.scenarios.iter().map(|scenario| ("", key(&scenario.info))).collect())
}

/// A scenario's name after its rule's.
fn in_rule(info: &ScenarioInfo) -> String {
    match &info.rule {
        Some(rule) => format!("{rule}: {}", info.name),
        None => info.name.clone(),
    }
}

/// Duplicates get a number, in file order. Only older records have them.
fn numbered(run: &RunSummary, names: Vec<(&str, String)>) -> Vec<String> {
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_key(|at| run.scenarios[*at].info.line);
    let mut times: HashMap<(&(&str, String), Option<u32>), usize> = HashMap::new();
    let mut given = vec![String::new(); names.len()];
    for at in order {
        let nth = times.entry((&names[at], run.scenarios[at].repetition)).or_default();
        *nth += 1;
        given[at] = match *nth {
            1 => names[at].1.clone(),
            n => format!("{} #{n}", names[at].1),
        };
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::tests::sample;

    #[test]
    fn names_are_unique_and_contain_no_line() {
        let mut run = RunSummary::of(sample());
        let mut twin = |path: &str, rule: Option<&str>, line| {
            let mut twin = run.scenarios[0].clone();
            (twin.info.path, twin.info.rule, twin.info.line) = (path.to_owned(), rule.map(str::to_owned), line);
            run.scenarios.push(twin);
        };
        // The same name in two features does not clash; here one feature is in two files.
        twin("features/other.feature", None, 10);
        twin("features/other.feature", Some("at night"), 30);
        let (first, at) = (unique_names(&run), run.scenarios.len());
        assert_eq!(first[0], "on and off (features/lamp/on-off.feature)");
        assert_eq!(first[1], "on and off (features/lamp/on-off.feature) #2", "as an older record has it");
        assert_eq!(first[at - 2..], ["on and off (features/other.feature)", "at night: on and off"]);
        assert_eq!(keys(&run)[at - 1], "features/other.feature: at night: on and off");
        run.scenarios.iter_mut().for_each(|scenario| scenario.info.line += 7);
        assert_eq!(unique_names(&run), first);
    }
}
