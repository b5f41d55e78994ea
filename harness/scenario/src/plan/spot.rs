//! What a line of a feature file selects: `FILE:LINE` may name a scenario, a row, a table, a rule or a step.

use std::collections::BTreeSet;

use hil_gherkin::{Examples, Feature, Scenario};

/// The lines of all scenarios of a feature, or of those at the given lines.
pub(super) fn selected(feature: &Feature, lines: &[usize]) -> BTreeSet<usize> {
    if lines.is_empty() {
        return all(feature);
    }
    lines.iter().flat_map(|line| at(feature, *line)).collect()
}

fn all(feature: &Feature) -> BTreeSet<usize> {
    feature.all_scenarios().flat_map(whole).collect()
}

/// The scenarios of the innermost part at a line; a part ends where the next begins.
fn at(feature: &Feature, line: usize) -> BTreeSet<usize> {
    let rule = feature.rules.iter().rev().find(|rule| rule.heading.start <= line);
    let scenarios = rule.map_or(&feature.scenarios, |rule| &rule.scenarios);
    match scenarios.iter().rev().find(|scenario| scenario.heading.start <= line) {
        Some(scenario) => of_scenario(scenario, line).collect(),
        // The headline of a rule or of the feature, or a background.
        None if rule.is_some() => scenarios.iter().flat_map(whole).collect(),
        None => all(feature),
    }
}

fn of_scenario(scenario: &Scenario, line: usize) -> Box<dyn Iterator<Item = usize> + '_> {
    let Some(examples) = scenario.examples.iter().rev().find(|examples| examples.heading.start <= line) else {
        return Box::new(whole(scenario));
    };
    match examples.rows.iter().find(|row| row.line == line) {
        Some(row) => Box::new(std::iter::once(row.line)),
        None => Box::new(rows(examples)),
    }
}

fn whole(scenario: &Scenario) -> impl Iterator<Item = usize> {
    let own = scenario.examples.is_empty().then_some(scenario.heading.line);
    own.into_iter().chain(scenario.examples.iter().flat_map(rows))
}

fn rows(examples: &Examples) -> impl Iterator<Item = usize> {
    examples.rows.iter().map(|row| row.line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
Feature: f
  Background:
    Given a
  Scenario: one
    Then b

  @tag
  Scenario Outline: two
    Then <c>
    Examples: first
      | c |
      | 1 |
      # none
      | 2 |
    @late
    Examples:
      | c |
      | 3 |
  @rule
  Rule: r
    Background:
      Given d
    Scenario: three
      Then e
    Scenario: four
      Then f
";

    #[test]
    fn a_line_names_the_innermost_part_that_it_belongs_to() {
        let feature = hil_gherkin::parse(SOURCE).expect("Gherkin").feature.expect("a feature");
        let everything = vec![4, 12, 14, 18, 23, 25];
        for (lines, taken) in [
            (&[][..], everything.clone()),
            (&[1], everything.clone()),
            (&[3], everything),
            (&[4], vec![4]),
            (&[5], vec![4]),
            (&[7], vec![12, 14, 18]),
            (&[9], vec![12, 14, 18]),
            (&[10], vec![12, 14]),
            (&[11], vec![12, 14]),
            (&[13], vec![12, 14]),
            (&[14], vec![14]),
            (&[15], vec![18]),
            (&[19], vec![23, 25]),
            (&[22], vec![23, 25]),
            (&[24], vec![23]),
            (&[5, 12, 26], vec![4, 12, 25]),
        ] {
            assert_eq!(selected(&feature, lines).into_iter().collect::<Vec<_>>(), taken, "{lines:?}");
        }
    }
}
