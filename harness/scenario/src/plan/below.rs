//! What is wrong with the table or the text below a step.

use cucumber::gherkin::Step;
use hil_config::nearest;
use hil_verdict::Unmet;

use super::arguments::check_pattern;
use super::problem::Wrong;
use crate::spec::Takes;

/// Everything that is wrong with the table or text below a step; `takes` is nothing for a step that takes none.
pub(super) fn check(step: &Step, takes: Option<Takes>) -> Vec<Wrong> {
    if let Some(what) = misplaced(step, takes) {
        let hint = "steps that end with `:` take a table, or a text between two lines of \"\"\"";
        return vec![Wrong::new(format!("the step `{}` {what}", step.value), hint)];
    }
    let rows = step.table.as_ref().map_or(&[][..], |table| table.rows.as_slice());
    match takes {
        None | Some(Takes::Text) => Vec::new(),
        Some(Takes::Checked(check)) => {
            step.docstring.as_deref().and_then(|text| check(text).err()).map(wrong).into_iter().collect()
        }
        Some(Takes::Table { columns, check }) => each(rows, columns, check),
        Some(Takes::Payloads) => column(rows, |_| Ok(())),
        Some(Takes::Patterns) => column(rows, |cell| check_pattern(cell).map(drop)),
    }
}

/// A table or a text that a step would ignore, or lacks.
fn misplaced(step: &Step, takes: Option<Takes>) -> Option<&'static str> {
    let (takes_text, takes_table) = match takes {
        Some(takes) => (takes.is_text(), !takes.is_text()),
        None => (false, false),
    };
    match (step.table.is_some(), step.docstring.is_some()) {
        (true, _) if !takes_table => Some("takes no table: it would be ignored"),
        (false, _) if takes_table => Some("needs a table below it"),
        (_, true) if !takes_text => Some("takes no text: it would be ignored"),
        (_, false) if takes_text => Some("needs a text below it"),
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

impl From<Unmet> for Wrong {
    fn from(unmet: Unmet) -> Self {
        Self { what: unmet.failure.message, hint: unmet.failure.hint }
    }
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

fn column(rows: &[Vec<String>], check: impl Fn(&str) -> Result<(), Wrong>) -> Vec<Wrong> {
    let one = |row: &Vec<String>| match row.as_slice() {
        [cell] => check(cell).err(),
        row => {
            let what = format!("a row of this table has {}, not 1", cells(row.len()));
            Some(Wrong::new(what, "write one payload per row; a `|` within it is written `\\|`"))
        }
    };
    rows.iter().filter_map(one).collect()
}
