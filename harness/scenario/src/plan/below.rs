//! What is wrong with the table or the text below a step.

use cucumber::gherkin::Step;
use hil_config::nearest;
use hil_verdict::{ConnectMatch, Granted, MessageMatch, Unmet};

use super::arguments::check_pattern;
use super::problem::Wrong;
use crate::forms::Below;
use crate::steps::doc_string;

/// Everything that is wrong with the table or text below a step.
pub(super) fn check(step: &Step, below: Below) -> Vec<Wrong> {
    if let Some(what) = misplaced(step, below) {
        let hint = "steps that end with `:` take a table, or a text between two lines of \"\"\"";
        return vec![Wrong::new(format!("the step `{}` {what}", step.value), hint)];
    }
    let rows = step.table.as_ref().map_or(&[][..], |table| table.rows.as_slice());
    match below {
        Below::Nothing | Below::Text => Vec::new(),
        Below::Json => {
            doc_string(step).ok().and_then(|text| MessageMatch::json(text).err()).map(wrong).into_iter().collect()
        }
        Below::Message => each(rows, &["field", "value"], |row| MessageMatch::read(row).map(drop)),
        Below::Connect => each(rows, &["field", "value"], |row| ConnectMatch::read(row).map(drop)),
        Below::Granted => each(rows, &["filter", "QoS", "granted"], |row| Granted::read(row).map(drop)),
        Below::Payloads | Below::Patterns => column(rows, below),
    }
}

/// A table or a text that a step would ignore, or lacks.
fn misplaced(step: &Step, below: Below) -> Option<&'static str> {
    match (step.table.is_some(), step.docstring.is_some()) {
        (true, _) if !below.is_table() => Some("takes no table: it would be ignored"),
        (false, _) if below.is_table() => Some("needs a table below it"),
        (_, true) if !below.is_text() => Some("takes no text: it would be ignored"),
        (_, false) if below.is_text() => Some("needs a text below it"),
        _ => None,
    }
}

/// Checks row by row, to report every wrong one. The first row may be a heading.
fn each(rows: &[Vec<String>], names: &[&str], read: impl Fn(&[Vec<String>]) -> Result<(), Unmet>) -> Vec<Wrong> {
    let named = rows.first().is_some_and(|first| first.iter().map(String::as_str).eq(names.iter().copied()));
    let rows = if named { &rows[1..] } else { rows };
    if rows.is_empty() {
        let hint = format!("add a row below the heading: {}", names.join(", "));
        return vec![Wrong::new("a step without a row in its table can't fail", hint)];
    }
    let one = |row: &Vec<String>| match row.len() {
        width if width != names.len() => {
            let what = format!("a row of this table has {}, not {}", cells(width), names.len());
            Some(Wrong::new(what, format!("the columns are {}", names.join(", "))))
        }
        _ => read(std::slice::from_ref(row)).err().map(wrong),
    };
    rows.iter().filter_map(one).collect()
}

/// The rule's error, with the valid name that may be meant; the hint lists all names.
fn wrong(unmet: Unmet) -> Wrong {
    let (what, hint) = (unmet.failure.message, unmet.failure.hint);
    let hint = hint.map(|hint| match in_backticks(&what).last().and_then(|name| nearest(name, in_backticks(&hint))) {
        Some(near) => format!("did you mean `{near}`? {hint}"),
        None => hint,
    });
    Wrong { what, hint }
}

fn in_backticks(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn cells(count: usize) -> String {
    if count == 1 { "1 cell".to_owned() } else { format!("{count} cells") }
}

fn column(rows: &[Vec<String>], below: Below) -> Vec<Wrong> {
    let one = |row: &Vec<String>| match row.as_slice() {
        [cell] if below == Below::Patterns => check_pattern(cell).err(),
        [_] => None,
        row => {
            let what = format!("a row of this table has {}, not 1", cells(row.len()));
            Some(Wrong::new(what, "write one payload per row; a `|` within it is written `\\|`"))
        }
    };
    rows.iter().filter_map(one).collect()
}
