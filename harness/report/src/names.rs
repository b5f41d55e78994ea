//! What scenarios are called in the formats of others.

use std::collections::HashMap;

use crate::result::{RunSummary, ScenarioResult};

/// Feature and boards: `The lamp [lamp]`.
pub(crate) fn class_name(scenario: &ScenarioResult) -> String {
    let boards = scenario.info.boards.join(", ");
    if boards.is_empty() { scenario.info.feature.clone() } else { format!("{} [{boards}]", scenario.info.feature) }
}

/// Names within a feature, made unique by the line, and where two files have features of one name by the file.
pub(crate) fn unique_names(run: &RunSummary) -> Vec<String> {
    let name = |scenario: &ScenarioResult| scenario.info.name.clone();
    let with_line = |scenario: &ScenarioResult| format!("{} (line {})", scenario.info.name, scenario.info.line);
    let with_file =
        |scenario: &ScenarioResult| format!("{} ({}:{})", scenario.info.name, scenario.info.path, scenario.info.line);
    let mut names: Vec<String> = run.scenarios.iter().map(name).collect();
    for longer in [&with_line as &dyn Fn(&ScenarioResult) -> String, &with_file] {
        let mut times: HashMap<(&str, &str), usize> = HashMap::new();
        for (scenario, name) in run.scenarios.iter().zip(&names) {
            *times.entry((&scenario.info.feature, name)).or_default() += 1;
        }
        let is_alone = |scenario: &ScenarioResult, name: &String| {
            times.get(&(scenario.info.feature.as_str(), name.as_str())) == Some(&1)
        };
        let longer_where_needed = |(scenario, name): (&ScenarioResult, &String)| {
            if is_alone(scenario, name) { name.clone() } else { longer(scenario) }
        };
        names = run.scenarios.iter().zip(&names).map(longer_where_needed).collect();
    }
    names
}

/// By which names scenarios are compared from run to run: file and name, and of several of one name in a file their number.
/// Lines move, and which others run may change.
pub(crate) fn keys(run: &RunSummary) -> Vec<String> {
    let mut order: Vec<usize> = (0..run.scenarios.len()).collect();
    order.sort_by_key(|at| run.scenarios[*at].info.line);
    let mut times: HashMap<(&str, &str), usize> = HashMap::new();
    let mut keys = vec![String::new(); order.len()];
    for at in order {
        let info = &run.scenarios[at].info;
        let nth = times.entry((&info.path, &info.name)).or_default();
        *nth += 1;
        keys[at] = match *nth {
            1 => format!("{}: {}", info.path, info.name),
            n => format!("{}: {} #{n}", info.path, info.name),
        };
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::tests::sample;

    #[test]
    fn no_two_cases_are_called_alike() {
        let mut run = RunSummary::of(&sample());
        // The same name in two features is no clash; here it is one feature in two files, at one line.
        let mut twin = run.scenarios[0].clone();
        twin.info.path = "features/other.feature".to_owned();
        run.scenarios.push(twin);
        let names = unique_names(&run);
        assert_eq!(names[0], "on and off (features/lamp/on-off.feature:10)");
        assert_eq!(names[1], "on and off (line 20)");
        assert_eq!(names[4], "on and off (features/other.feature:10)");
    }
}
