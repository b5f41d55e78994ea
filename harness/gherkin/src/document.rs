//! What a text of Gherkin says. Every part has the number of its line, counted from 1.

/// A whole file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    /// The code of its language, such as `en`.
    pub language: String,
    /// Absent in a file that is empty or holds comments only.
    pub feature: Option<Feature>,
}

/// What a headline says, with what stands above and below it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heading {
    /// The line of the first tag, or of the headline where there is none.
    pub start: usize,
    /// The line of the headline.
    pub line: usize,
    /// Above it, without the `@`. A background has none.
    pub tags: Vec<String>,
    /// The keyword as it is written, without the colon.
    pub keyword: String,
    /// The text behind the colon.
    pub name: String,
    /// The lines below it, with their numbers.
    pub description: Vec<(usize, String)>,
}

/// A feature.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Feature {
    /// Its headline.
    pub heading: Heading,
    /// Steps before those of each scenario.
    pub background: Option<Background>,
    /// The scenarios outside of rules.
    pub scenarios: Vec<Scenario>,
    /// Its rules.
    pub rules: Vec<Rule>,
}

impl Feature {
    /// The backgrounds of the feature and of its rules.
    pub fn all_backgrounds(&self) -> impl Iterator<Item = &Background> {
        self.background.iter().chain(self.rules.iter().filter_map(|rule| rule.background.as_ref()))
    }

    /// The scenarios of the feature and of its rules, in the order of the file.
    pub fn all_scenarios(&self) -> impl Iterator<Item = &Scenario> {
        self.scenarios.iter().chain(self.rules.iter().flat_map(|rule| &rule.scenarios))
    }
}

/// A rule of a feature.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// Its headline.
    pub heading: Heading,
    /// Steps before those of each scenario of the rule, behind those of the feature.
    pub background: Option<Background>,
    /// Its scenarios.
    pub scenarios: Vec<Scenario>,
}

/// Steps before those of each scenario.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Background {
    /// Its headline.
    pub heading: Heading,
    /// Its steps.
    pub steps: Vec<Step>,
}

/// A scenario, or the outline of several.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scenario {
    /// Its headline.
    pub heading: Heading,
    /// Whether the keyword is that of an outline; a scenario with examples is one too.
    pub outline: bool,
    /// Its steps.
    pub steps: Vec<Step>,
    /// The tables of its values.
    pub examples: Vec<Examples>,
}

/// Values for an outline.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Examples {
    /// Its headline.
    pub heading: Heading,
    /// The names of the columns.
    pub header: Option<Row>,
    /// The rows below the names.
    pub rows: Vec<Row>,
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// Where it stands.
    pub line: usize,
    /// Trimmed; `\n`, `\|` and `\\` stand for a line break, a bar and a backslash.
    pub cells: Vec<String>,
    /// Text behind the last bar, which is part of no cell.
    pub ignored: Option<String>,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// Where it stands.
    pub line: usize,
    /// The keyword as it is written, with the blank behind it where the language has one.
    pub keyword: String,
    /// What the keyword says.
    pub kind: StepKind,
    /// What stands behind the keyword.
    pub text: String,
    /// The table below it.
    pub table: Option<Vec<Row>>,
    /// The text below it.
    pub doc: Option<Text>,
}

/// What the keyword of a step says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StepKind {
    /// What holds before.
    Given,
    /// What is done.
    When,
    /// What is expected.
    Then,
    /// The same as the step before it.
    And,
    /// `*`: whatever the step is.
    #[default]
    Any,
}

/// A text below a step, between two lines of `"""` or of three backticks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    /// Where its first quotes stand.
    pub line: usize,
    /// What stands behind the first quotes, such as `json`; empty where nothing does.
    pub media_type: String,
    /// The quotes.
    pub delimiter: String,
    /// The lines between, without the indent of the quotes.
    pub content: String,
}
