//! The parser: recursive descent according to `gherkin.berp` of cucumber/gherkin.

use crate::document::{Background, Document, Examples, Feature, Heading, Row, Rule, Scenario, Step, Text};
use crate::fault::{Expected, Fault, FaultKind};
use crate::language::{Headline, Language};
use crate::line::{Line, lines};
use crate::row;

/// Parses a file.
///
/// # Errors
/// All syntax errors, in line order.
///
/// ```
/// let document = hil_gherkin::parse("# language: de\nFunktion: Lampe\n  Szenario: an\n    Dann leuchtet sie\n").unwrap();
/// let feature = document.feature.unwrap();
/// assert_eq!(feature.scenarios[0].steps[0].text, "leuchtet sie");
/// assert_eq!(feature.scenarios[0].steps[0].line, 4);
/// ```
pub fn parse(source: &str) -> Result<Document, Vec<Fault>> {
    let lines = lines(source);
    let (language, at) = language(&lines)?;
    let mut parser = Parser { lines: &lines, at, language, faults: Vec::new() };
    let feature = parser.feature();
    if parser.faults.is_empty() {
        return Ok(Document { language: language.code().to_owned(), feature });
    }
    parser.faults.sort_by_key(|fault| fault.line);
    Err(parser.faults)
}

/// The language of a file, even of an invalid one; none if it names an unknown one.
#[must_use]
pub fn language_of(source: &str) -> Option<&'static Language> {
    language(&lines(source)).ok().map(|(language, _)| language)
}

/// The language of a file, and the first line after it. Only blank lines and comments may come before.
fn language(lines: &[Line<'_>]) -> Result<(&'static Language, usize), Vec<Fault>> {
    let head = lines.iter().take_while(|line| line.is_empty() || line.is_comment());
    let named = head.enumerate().find_map(|(n, line)| Some((n, line.number, line.language()?)));
    let (code, next) = named.map_or(("en", 0), |(n, _, code)| (code, n + 1));
    let unknown = || {
        let line = named.map_or(1, |(_, line, _)| line);
        vec![Fault { line, kind: FaultKind::UnknownLanguage(code.to_owned()) }]
    };
    Ok((Language::of(code).ok_or_else(unknown)?, next))
}

/// Where a description ends.
const FEATURE: &[Headline] = &[Headline::Background, Headline::Scenario, Headline::Outline, Headline::Rule];
const BACKGROUND: &[Headline] = &[Headline::Scenario, Headline::Outline, Headline::Rule];
const SCENARIO: &[Headline] = &[Headline::Examples, Headline::Scenario, Headline::Outline, Headline::Rule];

struct Parser<'a> {
    lines: &'a [Line<'a>],
    at: usize,
    language: &'static Language,
    faults: Vec<Fault>,
}

impl<'a> Parser<'a> {
    fn line(&self) -> Option<Line<'a>> {
        self.lines.get(self.at).copied()
    }

    /// The next line that is neither blank nor a comment.
    fn next(&mut self) -> Option<Line<'a>> {
        while self.line().is_some_and(|line| line.is_empty() || line.is_comment()) {
            self.at += 1;
        }
        self.line()
    }

    fn headline(&self, line: Line<'a>) -> Option<Headline> {
        self.language.headline(line.text).map(|(headline, ..)| headline)
    }

    /// The next headline after any tags.
    fn headline_behind_tags(&self) -> Option<Headline> {
        let tagged = |line: &&Line<'_>| line.is_empty() || line.is_comment() || line.has_tags();
        let line = self.lines[self.at..].iter().find(|line| !tagged(line))?;
        self.headline(*line)
    }

    fn fault(&mut self, line: usize, kind: FaultKind) {
        self.faults.push(Fault { line, kind });
    }

    /// Skips a line that is not allowed here.
    fn unexpected(&mut self, line: Line<'a>, expected: Expected) {
        let kind = match self.language.headline(line.text) {
            Some((headline, keyword, _)) => FaultKind::Misplaced { keyword: keyword.to_owned(), headline },
            None => FaultKind::Unexpected { text: line.text.trim_end().to_owned(), expected },
        };
        self.fault(line.number, kind);
        self.at += 1;
    }

    /// The line of the first tag, and the tags of this and the following lines.
    fn tags(&mut self) -> (Option<usize>, Vec<String>) {
        let (mut start, mut all) = (None, Vec::new());
        while let Some(line) = self.next().filter(Line::has_tags) {
            start.get_or_insert(line.number);
            match line.tags() {
                Ok(tags) => all.extend(tags),
                Err(tag) => self.fault(line.number, FaultKind::TagWithBlank(tag)),
            }
            self.at += 1;
        }
        (start, all)
    }

    /// Parses a headline that is known to be here, with these tags and the description after it.
    fn heading(
        &mut self,
        (start, tags): (Option<usize>, Vec<String>),
        ends: impl Fn(&Self, Line<'a>) -> bool,
    ) -> Heading {
        let headline = self.line();
        self.at += 1;
        let line = headline.map_or(0, |headline| headline.number);
        let (_, keyword, name) =
            headline.and_then(|headline| self.language.headline(headline.text)).unwrap_or((Headline::Feature, "", ""));
        let (keyword, name) = (keyword.to_owned(), name.to_owned());
        Heading { start: start.unwrap_or(line), line, tags, keyword, name, description: self.description(ends) }
    }

    /// The description of a headline, without comments and the blank lines around it.
    fn description(&mut self, ends: impl Fn(&Self, Line<'a>) -> bool) -> Vec<(usize, String)> {
        let mut text = Vec::new();
        while let Some(line) = self.line().filter(|line| line.is_comment() || !ends(self, *line)) {
            let begins_with_blank = line.is_empty() && text.is_empty();
            if !line.is_comment() && !begins_with_blank {
                text.push((line.number, line.whole.to_owned()));
            }
            self.at += 1;
        }
        while text.last().is_some_and(|(_, line)| line.trim().is_empty()) {
            text.pop();
        }
        text
    }

    fn headed(&self, line: Line<'a>, by: &[Headline]) -> bool {
        line.has_tags() || self.headline(line).is_some_and(|headline| by.contains(&headline))
    }

    /// Whether a line ends the description of something with steps.
    fn ends_description(&self, line: Line<'a>, by: &[Headline]) -> bool {
        self.headed(line, by) || self.language.step(line.text).is_some()
    }

    fn feature(&mut self) -> Option<Feature> {
        let (mut start, mut tags) = (None, Vec::new());
        loop {
            let (first, mut more) = self.tags();
            start = start.or(first);
            tags.append(&mut more);
            match self.next() {
                Some(line) if self.headline(line) == Some(Headline::Feature) => break,
                Some(line) => self.unexpected(line, Expected::Feature),
                // Their headline was rejected.
                None if tags.is_empty() || !self.faults.is_empty() => return None,
                None => {
                    self.tags_of_nothing();
                    return None;
                }
            }
        }
        let heading = self.heading((start, tags), |parser, line| parser.headed(line, FEATURE));
        let (background, scenarios) = self.scenarios();
        let mut rules = Vec::new();
        while self.next().is_some() {
            rules.push(self.rule());
        }
        Some(Feature { heading, background, scenarios, rules })
    }

    /// Parses a rule, which is known to be here.
    fn rule(&mut self) -> Rule {
        let tags = self.tags();
        let heading = self.heading(tags, |parser, line| parser.headed(line, FEATURE));
        let (background, scenarios) = self.scenarios();
        Rule { heading, background, scenarios }
    }

    /// The background and the scenarios of a feature or of a rule, up to the next rule.
    fn scenarios(&mut self) -> (Option<Background>, Vec<Scenario>) {
        let (mut background, mut scenarios) = (None, Vec::new());
        while let Some(line) = self.next() {
            match self.headline(line) {
                Some(Headline::Rule) => break,
                Some(Headline::Background) if background.is_none() && scenarios.is_empty() => {
                    background = Some(self.background());
                }
                Some(Headline::Scenario | Headline::Outline) => scenarios.push(self.scenario()),
                _ if line.has_tags() => match self.headline_behind_tags() {
                    Some(Headline::Rule) => break,
                    Some(Headline::Scenario | Headline::Outline) => scenarios.push(self.scenario()),
                    _ => self.misplaced_tags(),
                },
                _ => self.unexpected(line, Expected::Scenario),
            }
        }
        (background, scenarios)
    }

    fn misplaced_tags(&mut self) {
        self.tags();
        match self.next() {
            Some(line) => self.unexpected(line, Expected::Tagged),
            None => self.tags_of_nothing(),
        }
    }

    fn tags_of_nothing(&mut self) {
        let last = self.lines[..self.at].iter().rev().find(|line| line.has_tags());
        if let Some(number) = last.map(|line| line.number) {
            self.fault(number, FaultKind::TagsOfNothing);
        }
    }

    fn background(&mut self) -> Background {
        let heading = self.heading((None, Vec::new()), |parser, line| parser.ends_description(line, BACKGROUND));
        Background { heading, steps: self.steps(BACKGROUND) }
    }

    /// Parses a scenario, which is known to be here.
    fn scenario(&mut self) -> Scenario {
        let tags = self.tags();
        let outline = self.line().and_then(|line| self.headline(line)) == Some(Headline::Outline);
        let heading = self.heading(tags, |parser, line| parser.ends_description(line, SCENARIO));
        let steps = self.steps(SCENARIO);
        let mut examples = Vec::new();
        while let Some(line) = self.next() {
            match self.headline(line) {
                Some(Headline::Examples) => examples.push(self.examples()),
                Some(headline) if SCENARIO.contains(&headline) => break,
                _ if line.has_tags() && self.headline_behind_tags() == Some(Headline::Examples) => {
                    examples.push(self.examples());
                }
                _ if line.has_tags() => break,
                _ => self.unexpected(line, Expected::Examples),
            }
        }
        Scenario { heading, outline, steps, examples }
    }

    /// Steps with their tables and texts, up to tags or a headline that may follow.
    fn steps(&mut self, ends: &[Headline]) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        while let Some(line) = self.next() {
            if let Some((kind, keyword, text)) = self.language.step(line.text) {
                let (keyword, text) = (keyword.to_owned(), text.to_owned());
                steps.push(Step { line: line.number, keyword, kind, text, table: None, doc: None });
                self.at += 1;
            } else if self.headed(line, ends) {
                break;
            } else if line.is_row()
                && let Some(step) = steps.last_mut().filter(|step| step.table.is_none())
            {
                step.table = Some(self.table());
            } else if let Some((quotes, media_type)) = line.quotes()
                && let Some(step) = steps.last_mut().filter(|step| step.doc.is_none())
            {
                step.doc = Some(self.text(line, quotes, media_type));
            } else {
                self.unexpected(line, Expected::Step);
            }
        }
        steps
    }

    /// Parses examples, which are known to be here.
    fn examples(&mut self) -> Examples {
        let tags = self.tags();
        let heading = self.heading(tags, |parser, line| parser.headed(line, SCENARIO) || line.is_row());
        let mut table = self.table().into_iter();
        Examples { heading, header: table.next(), rows: table.collect() }
    }

    /// The rows from here on; blank lines and comments are allowed between them.
    fn table(&mut self) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        while let Some(line) = self.next().filter(Line::is_row) {
            let row = row::read(line.text, line.number);
            let first = rows.first().map_or(row.cells.len(), |first| first.cells.len());
            if row.cells.len() != first {
                let open = row.ignored.is_some() || row.cells.is_empty();
                self.fault(line.number, FaultKind::Ragged { cells: row.cells.len(), first, open });
            }
            rows.push(row);
            self.at += 1;
        }
        rows
    }

    /// Parses a doc string, whose first line is known to be here. After a backslash, quotes of its kind are text.
    fn text(&mut self, first: Line<'a>, quotes: &str, media_type: &str) -> Text {
        let escaped: String = quotes.chars().flat_map(|c| ['\\', c]).collect();
        let mut content: Vec<String> = Vec::new();
        self.at += 1;
        loop {
            let Some(line) = self.line() else {
                self.fault(first.number, FaultKind::UnclosedText(quotes.to_owned()));
                break;
            };
            self.at += 1;
            if line.text.starts_with(quotes) {
                break;
            }
            content.push(line.without_indent(first.indent()).replace(&escaped, quotes));
        }
        let (media_type, delimiter) = (media_type.to_owned(), quotes.to_owned());
        Text { line: first.number, media_type, delimiter, content: content.join("\n") }
    }
}
