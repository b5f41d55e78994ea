//! A parsed feature file. Every part has its line number, counted from 1.

/// A whole file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    /// The code of its language, such as `en`.
    pub language: String,
    /// None if the file is empty or contains only comments.
    pub feature: Option<Feature>,
}

/// A headline, with its tags and description.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heading {
    /// The line of the first tag, or of the headline if there is none.
    pub start: usize,
    /// The line of the headline.
    pub line: usize,
    /// Its tags, without the `@`. A background has none.
    pub tags: Vec<String>,
    /// The keyword as written, without the colon.
    pub keyword: String,
    /// The text after the colon.
    pub name: String,
    /// Its description, with line numbers.
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
    /// Steps before those of each scenario of the rule, after those of the feature.
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

/// A scenario or scenario outline.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scenario {
    /// Its headline.
    pub heading: Heading,
    /// Whether the keyword is that of an outline; a scenario with examples is one, too.
    pub outline: bool,
    /// Its steps.
    pub steps: Vec<Step>,
    /// Its examples.
    pub examples: Vec<Examples>,
}

/// Examples of an outline.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Examples {
    /// Its headline.
    pub heading: Heading,
    /// The names of the columns.
    pub header: Option<Row>,
    /// The rows below the header.
    pub rows: Vec<Row>,
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// Its line.
    pub line: usize,
    /// Trimmed; `\n`, `\|` and `\\` mean a line break, a bar and a backslash.
    pub cells: Vec<String>,
    /// Text after the last bar, which belongs to no cell.
    pub ignored: Option<String>,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// Its line.
    pub line: usize,
    /// The keyword as written, with the space after it if the language has one.
    pub keyword: String,
    /// The kind of the keyword.
    pub kind: StepKind,
    /// The text after the keyword.
    pub text: String,
    /// Its data table.
    pub table: Option<Vec<Row>>,
    /// Its doc string.
    pub doc: Option<Text>,
}

/// The kind of a step's keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StepKind {
    /// A precondition.
    Given,
    /// An action.
    When,
    /// An expectation.
    Then,
    /// The same as the previous step.
    And,
    /// `*`: any kind.
    #[default]
    Any,
}

/// A doc string: text between two lines of `"""` or of three backticks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    /// The line of the opening quotes.
    pub line: usize,
    /// The text after the opening quotes, such as `json`; may be empty.
    pub media_type: String,
    /// The quotes.
    pub delimiter: String,
    /// The lines in between, without the indentation of the quotes.
    pub content: String,
}
