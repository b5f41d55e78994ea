//! Reads `quarantine.toml`: scenarios that run and are reported, but may fail.

use std::path::Path;

use crate::bench::parse;
use crate::context::Context;
use crate::problem::{ConfigError, Source};
use crate::spec::{Key, Kind, TableSpec};
use crate::table::Table;

static FILE: TableSpec = TableSpec {
    keys: &[Key::optional("scenario", Kind::List(&Kind::Table(&ENTRY)), "none", "The scenarios in quarantine.")],
};

static ENTRY: TableSpec = TableSpec {
    keys: &[
        Key::required("name", Kind::Text, "The name of the scenario, as `hil run --list` prints it."),
        Key::optional("feature", Kind::Text, "any", "The end of the path of its feature file."),
        Key::required("reason", Kind::Text, "Why it is in quarantine."),
        Key::required("until", Kind::Text, "The last day on which it is, as `\"2026-12-31\"`."),
        Key::optional("issue", Kind::Text, "none", "The address of its issue."),
    ],
};

/// One entry of a quarantine file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineEntry {
    /// The name of the scenario.
    pub name: String,
    /// The end of the path of its feature file; none for any file.
    pub feature: Option<String>,
    /// Why it is in quarantine.
    pub reason: String,
    /// The last day on which it is, as `YYYY-MM-DD`.
    pub until: String,
    /// The address of its issue.
    pub issue: Option<String>,
}

/// Reads the text of the quarantine file at `path`.
///
/// # Errors
/// If it has problems; the error lists each with its line.
pub fn read_quarantine(text: &str, path: &Path) -> Result<Vec<QuarantineEntry>, ConfigError> {
    let document = parse(text, path)?;
    let context = Context::new(Path::new(""), "quarantine file");
    let mut table = Table::root(&context, &document, &FILE);
    let items = table.value("scenario").and_then(|value| value.array()).unwrap_or_default();
    let entries: Vec<_> = items.iter().filter_map(|item| entry(item.table(&ENTRY)?)).collect();
    table.finish();
    let source = Source { path: path.to_owned(), text: text.to_owned() };
    ConfigError::of(vec![(source, context.into_problems())])?;
    Ok(entries)
}

fn entry(mut table: Table<'_, '_>) -> Option<QuarantineEntry> {
    let name = table.required("name", "example: `name = \"toggles\"`").and_then(|value| value.string());
    let feature = table.value("feature").and_then(|value| value.string());
    let reason = table.required("reason", "example: `reason = \"the relay sticks\"`").and_then(|value| value.string());
    let until = table.required("until", "example: `until = \"2026-12-31\"`");
    let until = until.and_then(|value| value.parsed("a date", "a day of the calendar: `\"2026-12-31\"`", date));
    let issue = table.value("issue").and_then(|value| value.string());
    table.finish();
    Some(QuarantineEntry {
        name: name?.to_owned(),
        feature: feature.map(str::to_owned),
        reason: reason?.to_owned(),
        until: until?,
        issue: issue.map(str::to_owned),
    })
}

/// A day of the calendar, if it is one.
fn date(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return None };
    if (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return None;
    }
    let (year, month, day): (u32, u32, u32) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (1..=days).contains(&day).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read() {
        let text = "[[scenario]]\nname = \"toggles\"\nfeature = \"lamp/power.feature\"\nreason = \"the relay sticks\"\n\
                    until = \"2028-02-29\"\nissue = \"https://example.org/17\"\n\n[[scenario]]\nname = \"dims\"\n\
                    reason = \"flickers\"\nuntil = \"2026-12-31\"\n";
        let entries = read_quarantine(text, Path::new("quarantine.toml")).expect("valid");
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[0].until.as_str(), entries[1].feature.as_deref()), ("2028-02-29", None));
        assert!(read_quarantine("", Path::new("quarantine.toml")).expect("valid").is_empty());
    }

    #[test]
    fn every_problem_has_its_place() {
        let text = "[[scenario]]\nname = \"toggles\"\nreason = 7\nuntil = \"2027-02-29\"\n\n[[scenario]]\n\
                    nam = \"dims\"\nreason = \"flickers\"\nuntil = \"soon\"\n\n[scenarios]\n";
        let error = read_quarantine(text, Path::new("quarantine.toml")).expect_err("invalid");
        insta::assert_snapshot!(format!("error: {error}"));
    }
}
