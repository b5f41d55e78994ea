//! Composite steps: steps that a file beside the features defines by other steps.
//!
//! They are replaced by their parts before anything else looks at a feature. So checks, boards, expectations and reports see
//! the parts, each with the composite step that it comes from.

mod read;

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use hil_gherkin::{Row, Step, StepKind};
use hil_timeline::PartOf;
use regex::Regex;

pub use self::read::{CompositeStep, composite_steps};
pub(super) use self::read::{files_for, read};
use super::problem::{Problem, Wrong};
use crate::quotes::{Part, QUOTED, map_quoted, parts, unquote};

/// An argument outside of quotes: a number or a time, or an argument of the composite step that uses it.
const BARE: &str = r"-?\d+(?:\.\d+)?(?: ?(?:ms|s|min|%))?|<[^<>]+>";

/// A step of a `.steps` file.
#[derive(Debug)]
pub(super) struct Composite {
    /// Its text, with `<name>` for each argument.
    text: String,
    pattern: Regex,
    /// The names of its arguments, in the order of the pattern's groups, and whether each is in quotes.
    arguments: Vec<(String, bool)>,
    parts: Vec<Step>,
    path: PathBuf,
    line: usize,
}

/// The composite steps that a feature may use.
#[derive(Debug, Default)]
pub(super) struct Composites {
    all: Vec<Composite>,
    /// What is wrong with their uses.
    wrong: RefCell<Vec<Problem>>,
}

/// A step in place of a composite one.
#[derive(Debug)]
pub(super) struct Expanded {
    pub(super) step: Step,
    pub(super) part_of: PartOf,
}

impl Composite {
    /// Reads the text of a definition.
    fn new(text: &str, parts: Vec<Step>, path: &Path, line: usize) -> Result<Self, Wrong> {
        let (regex, arguments) = pattern(text)?;
        let pattern =
            Regex::new(&regex).map_err(|_| Wrong::new(format!("`{text}` is too long for a step"), "shorten it"))?;
        Ok(Self { text: text.to_owned(), pattern, arguments, parts, path: path.to_owned(), line })
    }

    /// The arguments of a step that uses it, by name.
    fn read(&self, text: &str) -> Option<Vec<(&str, String)>> {
        let found = self.pattern.captures(text)?;
        let argument = |(n, (name, quoted)): (usize, &'_ (String, bool))| {
            let written = found.get(n + 1).map_or("", |group| group.as_str());
            (n, name.len(), if *quoted { unquote(written) } else { written.to_owned() })
        };
        let values = self.arguments.iter().enumerate().map(argument);
        Some(values.filter_map(|(n, _, value)| Some((self.arguments.get(n)?.0.as_str(), value))).collect())
    }

    /// A text that it matches, to compare it with other steps.
    fn sample(&self) -> String {
        let sampled = parts(&self.text).into_iter().map(|part| match part {
            Part::Plain(plain) => self
                .arguments
                .iter()
                .fold(plain.to_owned(), |text, (name, _)| text.replace(&format!("<{name}>"), "1 s")),
            Part::Quoted(quoted) => quoted.to_owned(),
        });
        sampled.collect()
    }
}

/// The regular expression for a definition's text, and its arguments.
fn pattern(text: &str) -> Result<(String, Vec<(String, bool)>), Wrong> {
    let mut arguments: Vec<(String, bool)> = Vec::new();
    let mut regex = String::from("^");
    for part in parts(text) {
        match part {
            Part::Quoted(quoted) => match unquote(quoted).strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
                Some(name) => {
                    arguments.push((name.to_owned(), true));
                    regex.push_str(&format!("({QUOTED})"));
                }
                None => regex.push_str(&regex::escape(quoted)),
            },
            Part::Plain(plain) => {
                let mut rest = plain;
                while let Some((before, name, after)) = argument_in(rest) {
                    regex.push_str(&regex::escape(before));
                    regex.push_str(&format!("({BARE})"));
                    arguments.push((name.to_owned(), false));
                    rest = after;
                }
                regex.push_str(&regex::escape(rest));
            }
        }
    }
    regex.push('$');
    for (n, (name, _)) in arguments.iter().enumerate() {
        if name.trim().is_empty() || arguments[..n].iter().any(|(other, _)| other == name) {
            let hint = "each argument has a name of its own, as in `the lamp \"<board>\" shines for <time>`";
            return Err(Wrong::new(format!("the argument `<{name}>` of `{text}` has no name of its own"), hint));
        }
    }
    Ok((regex, arguments))
}

/// The first `<name>` of a text, with what is before and after it.
fn argument_in(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('<')?;
    let (name, after) = rest.split_once('>')?;
    Some((before, name, after))
}

impl Composites {
    fn of(&self, text: &str) -> Option<&Composite> {
        self.all.iter().find(|composite| composite.pattern.is_match(text))
    }

    /// The parts of a step if it is a composite one.
    pub(super) fn expand(&self, step: &Step, feature: &Path) -> Option<Vec<Expanded>> {
        let composite = self.of(&step.text)?;
        if step.table.is_some() || step.doc.is_some() {
            let what = format!("the step `{}` of {} takes nothing below its line", step.text, composite.path.display());
            let wrong = Wrong::new(what, "arguments are in its text: `\"<name>\"`, or `<name>` for numbers and times");
            self.wrong.borrow_mut().push(wrong.at(feature, step.line));
        }
        let mut expanded = Vec::new();
        self.add_parts(composite, &step.text, &step.text, &mut expanded);
        Some(expanded)
    }

    /// Adds the parts of a composite step; those that are composite themselves are replaced in turn. Reading has refused
    /// steps that use themselves.
    fn add_parts(&self, composite: &Composite, text: &str, used: &str, to: &mut Vec<Expanded>) {
        let Some(arguments) = composite.read(text) else { return };
        for part in &composite.parts {
            let step = filled(part, &arguments);
            match self.of(&step.text) {
                Some(inner) => self.add_parts(inner, &step.text, used, to),
                None => {
                    let file = composite.path.display().to_string();
                    let part_of = PartOf { step: used.to_owned(), file, part_line: part.line };
                    to.push(Expanded { step, part_of });
                }
            }
        }
    }

    /// What is wrong with the uses so far.
    pub(super) fn take_wrong(&self) -> Vec<Problem> {
        self.wrong.take()
    }
}

/// A part with the values of its arguments.
fn filled(part: &Step, arguments: &[(&str, String)]) -> Step {
    let fill = |text: &str| {
        arguments.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("<{name}>"), value))
    };
    // What is outside of quotes first: a value may have quotes.
    let plain: String = parts(&part.text)
        .into_iter()
        .map(|piece| match piece {
            Part::Plain(plain) => fill(plain),
            Part::Quoted(quoted) => map_quoted(quoted, fill),
        })
        .collect();
    let row = |row: &Row| Row { cells: row.cells.iter().map(|cell| fill(cell)).collect(), ..row.clone() };
    let table = part.table.as_ref().map(|rows| rows.iter().map(row).collect());
    let doc = part.doc.as_ref().map(|doc| hil_gherkin::Text { content: fill(&doc.content), ..doc.clone() });
    Step { text: plain, table, doc, ..part.clone() }
}

/// The kind of the steps after a composite one, and of its first parts if these don't say: that of its own keyword.
pub(super) fn is_explicit(kind: StepKind) -> bool {
    matches!(kind, StepKind::Given | StepKind::When | StepKind::Then)
}
