//! Reads the text of a step by its description, so that its arguments can be checked before anything runs.

use std::sync::LazyLock;

use cucumber::gherkin::Step;
use regex::{Regex, RegexSet};

use crate::quotes::{requote, unquote};
use crate::spec::{Kind, Reading, StepGroup, StepSpec, expanded};
use crate::steps::GROUPS;

fn specs() -> impl Iterator<Item = &'static StepSpec> {
    GROUPS.iter().flat_map(StepGroup::specs)
}

/// The text of a step, ready to be matched: each argument is a group.
struct Compiled {
    spec: &'static StepSpec,
    regex: Regex,
    kinds: Vec<Kind>,
}

static COMPILED: LazyLock<Vec<Compiled>> = LazyLock::new(|| specs().filter_map(compile).collect());

/// All texts at once, to find those that match in one pass.
static ANY: LazyLock<Option<RegexSet>> =
    LazyLock::new(|| RegexSet::new(COMPILED.iter().map(|compiled| compiled.regex.as_str())).ok());

fn compile(spec: &'static StepSpec) -> Option<Compiled> {
    let (regex, kinds) = expanded(spec.text)?;
    Some(Compiled { spec, regex: Regex::new(&regex).ok()?, kinds })
}

/// Parses a built-in step.
pub(crate) fn read(step: &Step) -> Option<Reading> {
    readings(&step.value).next()
}

/// The text of a built-in step with other boards.
pub(crate) fn with_boards(text: &str, board: impl Fn(&str) -> String) -> String {
    let matching = ANY.iter().flat_map(|any| any.matches(text)).filter_map(|n| COMPILED.get(n));
    let found = matching.filter_map(|compiled| Some((compiled, compiled.regex.captures(text)?))).next();
    let Some((compiled, captures)) = found else { return text.to_owned() };
    let (mut at, mut changed) = (0, String::with_capacity(text.len()));
    for (n, _) in compiled.kinds.iter().enumerate().filter(|(_, kind)| kind.is_board()) {
        let Some(group) = captures.get(n + 1) else { continue };
        let name = unquote(group.as_str());
        let new = board(&name);
        if new != name {
            changed.extend([&text[at..group.start()], &requote(group.as_str(), &new)]);
            at = group.end();
        }
    }
    changed + &text[at..]
}

fn readings(text: &str) -> impl Iterator<Item = Reading> {
    let matching = ANY.iter().flat_map(move |any| any.matches(text)).filter_map(|n| COMPILED.get(n));
    matching.filter_map(move |compiled| {
        let captures = compiled.regex.captures(text)?;
        let argument = |(n, kind): (usize, &Kind)| Some((*kind, kind.read(captures.get(n + 1)?.as_str())));
        let arguments = compiled.kinds.iter().enumerate().filter_map(argument).collect();
        Some(Reading { spec: compiled.spec, arguments })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_a_regular_expression_over_kinds() {
        for spec in specs() {
            assert!(compile(spec).is_some(), "{}", spec.text);
        }
    }

    #[test]
    fn every_example_is_read_by_the_step_that_has_it() {
        for spec in specs() {
            for step in spec.docs() {
                let found: Vec<_> = readings(step.text()).map(|reading| reading.spec.text).collect();
                assert_eq!(found, [spec.text], "{}", step.example);
            }
        }
    }

    /// Variants of steps in addition to the examples of the catalogue.
    #[test]
    fn every_variant_of_a_step_is_read_once() {
        for text in [
            r#"I publish "on" to "t", retained"#,
            r#"I publish to "t" with QoS 2, retained the text:"#,
            r#"the broker allows everybody to read and write "%c/#" only"#,
            r#"the next CONNACK to "lamp" is held"#,
            r#"the next PUBLISH on "a/#" to "lamp" is delayed by 2 s"#,
            r#"the network of "lamp" goes silent towards the board"#,
            r#"the broker disconnects "lamp" within 2 s"#,
            r#"an UNSUBACK to "lamp" is dropped within 1 s"#,
            r#"'lamp' publishes '{"a": 1}' to 't' within 1 s"#,
            r#""lamp" publishes "{\"a\": 1}" to "t" within 1 s"#,
            r#"I publish "a\\" to "t""#,
        ] {
            let found: Vec<_> = readings(text).map(|reading| reading.spec.text).collect();
            assert_eq!(found.len(), 1, "{text}: {found:?}");
        }
        let read = readings(r#"I publish "a\\" to "t""#).next().expect("a step");
        assert_eq!((read.first(Kind::Text), read.first(Kind::Topic)), (Some("a\\"), Some("t")));
    }
}
