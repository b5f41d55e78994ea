//! What is wrong with a bench file, where, and what would be valid.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One thing that is wrong with a bench file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, with the value in backticks.
    pub what: String,
    /// The key it is about, as a path: `boards.lamp.chip`.
    pub key: String,
    /// One true hint, usually the valid values.
    pub hint: Option<String>,
    /// Bytes of the file it is about.
    pub span: Range<usize>,
}

impl Problem {
    /// Whether it is the same problem at the same place.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.span == other.span && self.what == other.what
    }
}

/// A file that was read, for messages.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// Without the text: it may hold passwords.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())
    }
}

/// Why a bench file is rejected.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("can't read the {what} `{}`", path.display())]
    Unreadable {
        /// What it is: `bench file`, `project file`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file has problems; the text shows each with its line.
    #[error("{}", Listing { path, text, problems })]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Its text.
        text: String,
        /// What is wrong, in the order of the file.
        problems: Vec<Problem>,
    },
    /// Several files have problems.
    #[error("{}", several(errors))]
    Several {
        /// One for each file.
        errors: Vec<ConfigError>,
    },
    /// An image that replaces the one of a firmware does not fit.
    #[error("{what}\nhint: {hint}")]
    Image {
        /// What is wrong.
        what: String,
        /// What to do.
        hint: String,
    },
}

impl ConfigError {
    /// An error about the files that have problems, if there are any.
    pub(crate) fn of(files: Vec<(Source, Vec<Problem>)>) -> Result<(), Self> {
        let mut errors = Vec::new();
        for (Source { path, text }, mut problems) in files {
            problems.sort_by_key(|problem| problem.span.start);
            problems.dedup_by(|a, b| a.is_same(b));
            if !problems.is_empty() {
                errors.push(Self::Invalid { path, text, problems });
            }
        }
        match errors.pop() {
            None => Ok(()),
            Some(only) if errors.is_empty() => Err(only),
            Some(last) => {
                errors.push(last);
                Err(Self::Several { errors })
            }
        }
    }
}

fn several(errors: &[ConfigError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\nerror: ")
}

/// The prefix of further lines of a text: a value with a line break must not look like another message.
const CONTINUED: &str = "\n  | ";

struct Listing<'a> {
    path: &'a Path,
    text: &'a str,
    problems: &'a [Problem],
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.problems.iter().enumerate() {
            if n > 0 {
                f.write_str("\n\nerror: ")?;
            }
            self.show(problem, f)?;
        }
        Ok(())
    }
}

impl Listing<'_> {
    fn show(&self, problem: &Problem, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = Place::find(self.text, &problem.span);
        let what = problem.what.replace('\n', CONTINUED);
        write!(f, "{what} at {}:{}:{}", self.path.display(), place.line, place.column)?;
        if !problem.key.is_empty() {
            // A quoted key may hold anything.
            write!(f, " (`{}`)", problem.key.replace('\n', "\\n"))?;
        }
        let gutter = place.line.to_string();
        let blank = " ".repeat(gutter.len());
        write!(f, "\n{blank} |\n{gutter} | {}\n", place.source)?;
        write!(f, "{blank} | {}{}", " ".repeat(place.column - 1), "^".repeat(place.width))?;
        match &problem.hint {
            Some(hint) => write!(f, "\nhint: {}", hint.replace('\n', CONTINUED)),
            None => Ok(()),
        }
    }
}

/// Where a span begins, for people: lines and columns count from 1, columns in characters.
struct Place<'a> {
    line: usize,
    column: usize,
    width: usize,
    source: &'a str,
}

impl<'a> Place<'a> {
    fn find(text: &'a str, span: &Range<usize>) -> Self {
        let start = text.floor_char_boundary(span.start.min(text.len()));
        let end = text.floor_char_boundary(span.end.min(text.len()));
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let marked = &text[start..end.clamp(start, line_end)];
        Self {
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            width: marked.chars().count().max(1),
            source: text[line_start..line_end].trim_end_matches('\r'),
        }
    }
}
