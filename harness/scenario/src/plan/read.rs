//! Reads one feature file: checks it against the grammar and converts it.

use std::string::FromUtf8Error;

use cucumber::gherkin;
use hil_config::nearest;
use hil_files::{LARGEST_TEXT, Links};
use hil_gherkin::{Document, Language, Row, Scenario};

use super::files::Named;
use super::grammar::{english, grammatical};
use super::problem::{PlanError, Problem, Wrong};
use super::{composite, convert, spot, swallowed};

/// The result of reading a file: the feature, and warnings.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) language: &'static Language,
    /// Absent if the file is empty or holds only comments.
    pub(super) feature: Option<gherkin::Feature>,
    pub(super) warnings: Vec<Problem>,
}

/// Reads a file, or returns everything that is wrong with it.
pub(super) fn read(file: &Named) -> Result<Result<Read, Vec<Problem>>, PlanError> {
    let path = &file.path;
    let bytes = hil_files::read(path, Links::Follow, LARGEST_TEXT);
    let bytes = bytes.map_err(|source| PlanError::Unreadable { path: path.clone(), source })?;
    let source = match String::from_utf8(bytes) {
        Ok(source) => source,
        Err(error) => return Ok(Err(vec![not_utf_8(&error).at(path, line_of(&error))])),
    };
    let document = match hil_gherkin::parse(&source) {
        Ok(document) => document,
        Err(faults) => return Ok(Err(grammatical(path, &faults, &source))),
    };
    let last = source.lines().count();
    if let Some(line) = file.lines.iter().find(|line| !(1..=last.max(1)).contains(line)) {
        let wrong = Wrong::new(format!("there is no line {line}"), format!("the last line of the file is {last}"));
        return Ok(Err(vec![wrong.at(path, last.max(1))]));
    }
    let language = language_of(&document);
    let Some(feature) = &document.feature else {
        return Ok(Ok(Read { language, feature: None, warnings: Vec::new() }));
    };
    let (certain, doubtful): (Vec<_>, Vec<_>) =
        swallowed::swallowed(feature, language).into_iter().partition(|swallowed| swallowed.is_certain);
    if !certain.is_empty() {
        return Ok(Err(certain.into_iter().map(|swallowed| swallowed.wrong.at(path, swallowed.line)).collect()));
    }
    let taken = spot::selected(feature, &file.lines);
    let doubtful = doubtful.into_iter().map(|swallowed| (swallowed.line, swallowed.wrong));
    let mut warnings: Vec<_> =
        odd(feature, language).into_iter().chain(doubtful).map(|(line, wrong)| wrong.at(path, line)).collect();
    warnings.sort_by_key(|problem| problem.line);
    let composites = match composite::read(path)? {
        Ok(composites) => composites,
        Err(problems) => return Ok(Err(problems)),
    };
    let feature = convert::feature(feature, path, &taken, &composites);
    let wrong = composites.take_wrong();
    Ok(if wrong.is_empty() { Ok(Read { language, feature: Some(feature), warnings }) } else { Err(wrong) })
}

/// The line of the first invalid byte.
fn line_of(error: &FromUtf8Error) -> usize {
    let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

fn not_utf_8(error: &FromUtf8Error) -> Wrong {
    let byte = error.as_bytes().get(error.utf8_error().valid_up_to()).copied().unwrap_or_default();
    Wrong::new(format!("this line is not UTF-8: the byte {byte:#04x} is invalid"), "save the file as UTF-8")
}

fn language_of(document: &Document) -> &'static Language {
    Language::of(&document.language).unwrap_or_else(english)
}

/// What Gherkin allows but is rarely intended.
fn odd(feature: &hil_gherkin::Feature, language: &Language) -> Vec<(usize, Wrong)> {
    let steps = feature.all_backgrounds().flat_map(|background| &background.steps);
    let steps = steps.chain(feature.all_scenarios().flat_map(|scenario| &scenario.steps));
    let rows = steps.flat_map(|step| step.table.iter().flatten());
    let examples = feature.all_scenarios().flat_map(|scenario| &scenario.examples);
    let rows = rows.chain(examples.flat_map(|examples| examples.header.iter().chain(&examples.rows)));
    let mut found: Vec<_> = feature.all_scenarios().flat_map(odd_scenario).chain(rows.filter_map(cut)).collect();
    if feature.scenarios.is_empty() && feature.rules.is_empty() {
        let hint = swallowed::headline_in(&feature.heading.description, language);
        let hint = hint.unwrap_or_else(|| "add one, or delete the file".to_owned());
        found.push((feature.heading.line, Wrong::new("this feature has no scenario", hint)));
    }
    found.sort_by_key(|(line, _)| *line);
    found
}

fn odd_scenario(scenario: &Scenario) -> Vec<(usize, Wrong)> {
    let mut found = Vec::new();
    if scenario.heading.name.is_empty() {
        let hint = "reports tell scenarios apart by their names";
        found.push((scenario.heading.line, Wrong::new("this scenario has no name", hint)));
    }
    let named = |text: &str| format!("`{}: {}` {text}", scenario.heading.keyword, scenario.heading.name);
    let has_rows = scenario.examples.iter().any(|examples| !examples.rows.is_empty());
    if scenario.outline && scenario.examples.is_empty() {
        let hint = "add a table of examples below it";
        found.push((scenario.heading.line, Wrong::new(named("has no examples: it runs once, as written"), hint)));
    } else if !scenario.examples.is_empty() && !has_rows {
        let hint = "add a row below the names of the columns";
        found.push((scenario.heading.line, Wrong::new(named("has no row of examples: it does not run"), hint)));
    }
    found.extend(misspelt_columns(scenario));
    found
}

/// `<names>` that are nearly those of columns. Others between `<` and `>` are text.
fn misspelt_columns(scenario: &Scenario) -> Vec<(usize, Wrong)> {
    const SHORTEST: usize = 3;
    let headers = scenario.examples.iter().filter_map(|examples| examples.header.as_ref());
    let columns: Vec<_> = headers.flat_map(|header| &header.cells).map(String::as_str).collect();
    let misspelt = |text: &str| {
        let mut names = text.split('<').skip(1).filter_map(|rest| Some(rest.split_once('>')?.0));
        let (name, near) = names.find_map(|name| {
            // `</name>` is markup, and a short `<b>` is near to any short column.
            let is_word = !columns.contains(&name) && !name.starts_with('/') && name.chars().count() >= SHORTEST;
            is_word.then(|| nearest(name, columns.iter().copied())).flatten().map(|near| (name, near))
        })?;
        Some(Wrong::new(
            format!("the examples have no column `{name}`: it is read as text"),
            format!("did you mean `<{near}>`?"),
        ))
    };
    let texts = scenario.steps.iter().flat_map(|step| {
        let cells = step.table.iter().flatten().flat_map(|row| row.cells.iter().map(|cell| (row.line, cell)));
        let doc = step.doc.iter().map(|doc| (doc.line, &doc.content));
        std::iter::once((step.line, &step.text)).chain(cells).chain(doc)
    });
    texts.filter_map(|(line, text)| Some((line, misspelt(text)?))).collect()
}

/// Text after the last bar of a row.
fn cut(row: &Row) -> Option<(usize, Wrong)> {
    let ignored = row.ignored.as_deref()?;
    Some((row.line, Wrong::new(format!("`{ignored}` after the last `|` is not a cell"), "end the row with `|`")))
}
