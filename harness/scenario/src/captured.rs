//! Values that a step captured, in the texts of later steps: `${captured:id}`.
//!
//! The form is that of `${secret:NAME}`. Neither the columns of an outline (`<id>`) nor JSON nor a regular expression can
//! look like it.

use std::sync::LazyLock;

use cucumber::gherkin::{Step, Table};
use regex::{Captures, Regex};

use crate::quotes::map_quoted;

static ASKED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\$\{captured:([^}]*)\}").ok());

/// The names that a step asks for, in the order of its texts.
pub(crate) fn asked(step: &Step) -> Vec<String> {
    let cells = step.table.iter().flat_map(|table| table.rows.iter().flatten());
    let texts = std::iter::once(&step.value).chain(cells).chain(&step.docstring);
    let names = |text: &String| -> Vec<String> {
        let found = ASKED.iter().flat_map(|asked| asked.captures_iter(text));
        found.filter_map(|found| Some(found.get(1)?.as_str().to_owned())).collect()
    };
    texts.flat_map(names).collect()
}

/// A step with the values in its texts; the step itself if it asks for none.
pub(crate) fn filled(step: &Step, value: impl Fn(&str) -> String) -> Step {
    if asked(step).is_empty() {
        return step.clone();
    }
    let fill = |text: &str| fill(text, &value);
    let table = step.table.as_ref().map(|table| Table {
        rows: table.rows.iter().map(|row| row.iter().map(|cell| fill(cell)).collect()).collect(),
        ..table.clone()
    });
    let docstring = step.docstring.as_deref().map(fill);
    Step { value: map_quoted(&step.value, fill), docstring, table, ..step.clone() }
}

/// A step with a sample in place of each value, to be checked before anything runs.
pub(crate) fn sampled(step: &Step) -> Step {
    // Valid in a topic, in a pattern, and in JSON with and without quotes.
    filled(step, |_| "0".to_owned())
}

/// A text with its values. In a pattern and in JSON they are escaped: they mean what was captured.
fn fill(text: &str, value: &impl Fn(&str) -> String) -> String {
    let Some(asked) = &*ASKED else { return text.to_owned() };
    let is_pattern = text.len() > 1 && text.starts_with('/') && text.ends_with('/');
    let is_json = text.trim_start().starts_with(['{', '[', '"']);
    let one = |found: &Captures<'_>| {
        let value = value(found.get(1).map_or("", |name| name.as_str()));
        match (is_pattern, is_json) {
            (true, _) => regex::escape(&value),
            (false, true) => in_json(&value),
            (false, false) => value,
        }
    };
    asked.replace_all(text, one).into_owned()
}

/// A value as the content of a JSON text.
fn in_json(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value).to_owned()
}

#[cfg(test)]
mod tests {
    use cucumber::gherkin::StepType;

    use super::*;
    use crate::registry::bare_step;

    #[test]
    fn a_value_is_filled_in_wherever_a_step_has_a_text() {
        let mut step = bare_step(r#"I publish "${captured:id}" to "dev/${captured:id}/set""#, StepType::When);
        step.docstring = Some(r#"{"id": "${captured:id}"}"#.to_owned());
        let value = |name: &str| format!("<{name}> \"x\"");
        let filled = filled(&step, value);
        assert_eq!(filled.value, r#"I publish "<id> \"x\"" to "dev/<id> \"x\"/set""#);
        assert_eq!(filled.docstring.as_deref(), Some(r#"{"id": "<id> \"x\""}"#));
        assert_eq!(asked(&step), ["id", "id", "id"]);
    }

    #[test]
    fn a_value_in_a_pattern_means_itself() {
        let value = |_: &str| "a.b*".to_owned();
        assert_eq!(fill("/^ack ${captured:id}$/", &value), r"/^ack a\.b\*$/");
        assert_eq!(fill("ack ${captured:id}", &value), "ack a.b*");
        for text in ["<id>", "{id}", "${id}", "${secret:id}", "$captured:id", "/x${2}/"] {
            assert_eq!(fill(text, &value), text);
        }
    }
}
