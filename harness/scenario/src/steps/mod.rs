//! The steps. One file per part of the bench; every step has an entry in the catalogue.

mod attempts;
mod board;
mod boards;
mod broker;
mod console;
mod messages;
mod network;
mod pins;
mod power;
mod program;
mod publish;
mod session;
mod snapshots;
mod subscriptions;
mod will;

use cucumber::gherkin;

use crate::error::StepError;

/// A pattern as a step writes it.
pub(crate) fn pattern(text: &str) -> Result<hil_mqtt::TextPattern, StepError> {
    hil_mqtt::TextPattern::parse(text).map_err(|error| {
        let reason = error.to_string().lines().last().unwrap_or_default().to_owned();
        StepError::errored(format!("`{text}` is not a regular expression: {reason}"))
    })
}

/// The rows of a step's table.
fn rows(step: &gherkin::Step) -> Result<&[Vec<String>], StepError> {
    let table = step.table.as_ref().filter(|table| !table.rows.is_empty());
    table.map(|table| table.rows.as_slice()).ok_or_else(|| {
        StepError::errored("this step needs a table").with_hint("write its rows below it, each between `|`")
    })
}

/// The text below a step, between two lines of `"""`.
fn doc_string(step: &gherkin::Step) -> Result<&str, StepError> {
    let text = step.docstring.as_deref();
    // The parser keeps the line breaks beside the quotes.
    text.map(|text| text.strip_prefix('\n').unwrap_or(text).strip_suffix('\n').unwrap_or(text)).ok_or_else(|| {
        StepError::errored("this step needs a text").with_hint("write it below, between two lines of \"\"\"")
    })
}

/// The only column of a step's table.
fn column(step: &gherkin::Step) -> Result<Vec<String>, StepError> {
    let cells = rows(step)?.iter().map(|row| match row.as_slice() {
        [cell] => Ok(cell.clone()),
        _ => Err(StepError::errored("the table of this step has one column")),
    });
    cells.collect()
}

/// `1.5 s`, for messages.
fn seconds(duration: std::time::Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}
