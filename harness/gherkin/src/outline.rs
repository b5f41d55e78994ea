//! Expands outlines into scenarios.

use std::borrow::Cow;

use crate::document::{Examples, Row, Scenario, Step, Text};

/// A scenario to run: an outline with the values of one row, or the scenario itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case<'a> {
    /// The line of the row, or of the scenario's headline.
    pub line: usize,
    /// With the values of the row.
    pub name: String,
    /// The tags of the scenario and of the examples.
    pub tags: Vec<&'a str>,
    /// With the values of the row.
    pub steps: Vec<Step>,
    /// The examples and their row, if any.
    pub row: Option<(&'a Examples, &'a Row)>,
}

impl Scenario {
    /// The scenarios to run: one for each row of the examples; the scenario itself if it has none.
    pub fn cases(&self) -> impl Iterator<Item = Case<'_>> {
        let plain = self.examples.is_empty().then(|| self.case(None)).into_iter();
        plain.chain(self.rows().map(|row| self.case(Some(row))))
    }

    /// The names of the scenarios to run, in the order of [`Scenario::cases`].
    pub fn case_names(&self) -> impl Iterator<Item = String> {
        let plain = self.examples.is_empty().then(|| self.heading.name.clone()).into_iter();
        plain.chain(self.rows().map(|row| Values::of(Some(row)).filled(&self.heading.name)))
    }

    fn rows(&self) -> impl Iterator<Item = (&Examples, &Row)> {
        self.examples.iter().flat_map(|examples| examples.rows.iter().map(move |row| (examples, row)))
    }

    fn case<'a>(&'a self, row: Option<(&'a Examples, &'a Row)>) -> Case<'a> {
        let values = Values::of(row);
        let tags = self.heading.tags.iter().chain(row.iter().flat_map(|(examples, _)| &examples.heading.tags));
        Case {
            line: row.map_or(self.heading.line, |(_, row)| row.line),
            name: values.filled(&self.heading.name),
            tags: tags.map(String::as_str).collect(),
            steps: self.steps.iter().map(|step| values.step(step)).collect(),
            row,
        }
    }
}

/// The columns of a row: `<NAME>` is replaced by the value.
struct Values<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Values<'a> {
    fn of(row: Option<(&'a Examples, &'a Row)>) -> Self {
        let header = row.and_then(|(examples, _)| examples.header.as_ref());
        let names = header.iter().flat_map(|header| &header.cells);
        let values = row.iter().flat_map(|(_, row)| &row.cells);
        Self(names.zip(values).map(|(name, value)| (name.as_str(), value.as_str())).collect())
    }

    /// A text with the values filled in. Other text between `<` and `>` stays, also in values.
    fn fill<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.0.is_empty() || !text.contains('<') {
            return Cow::Borrowed(text);
        }
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('<') {
            filled.push_str(before);
            let found =
                self.0.iter().find_map(|(name, value)| Some((*value, behind.strip_prefix(name)?.strip_prefix('>')?)));
            let (value, behind) = found.unwrap_or(("<", behind));
            filled.push_str(value);
            rest = behind;
        }
        filled.push_str(rest);
        Cow::Owned(filled)
    }

    fn filled(&self, text: &str) -> String {
        self.fill(text).into_owned()
    }

    fn step(&self, step: &Step) -> Step {
        let row = |row: &Row| Row { cells: row.cells.iter().map(|cell| self.filled(cell)).collect(), ..row.clone() };
        let doc = |text: &Text| Text {
            media_type: self.filled(&text.media_type),
            content: self.filled(&text.content),
            ..text.clone()
        };
        Step {
            line: step.line,
            keyword: step.keyword.clone(),
            kind: step.kind,
            text: self.filled(&step.text),
            table: step.table.as_ref().map(|table| table.iter().map(row).collect()),
            doc: step.doc.as_ref().map(doc),
        }
    }
}
