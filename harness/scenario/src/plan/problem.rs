//! What is wrong with features, and how it is shown.

use std::fmt;
use std::path::PathBuf;

use cucumber::gherkin::Step;

use crate::origin::origin_of;

/// One thing that is wrong with a feature file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// Its line.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What may help.
    pub hint: Option<String>,
}

/// Why nothing can run.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A path can't be read.
    #[error("can't read `{}`", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Features have problems; the text shows each with its line.
    #[error("{}", Listing(problems))]
    Invalid {
        /// What is wrong, in the order of the files.
        problems: Vec<Problem>,
    },
}

struct Listing<'a>(&'a [Problem]);

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// More would not help: an outline repeats a mistake in every row.
        const MOST: usize = 100;
        for (n, problem) in self.0.iter().take(MOST).enumerate() {
            if n > 0 {
                f.write_str("\n\nerror: ")?;
            }
            problem.fmt(f)?;
        }
        match self.0.len().saturating_sub(MOST) {
            0 => Ok(()),
            more => write!(f, "\n\nerror: {more} more problems are not shown"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A value or file name with a line break must not look like a separate message.
        let continued = |text: &str| text.replace('\n', "\n  | ");
        let path = self.path.display().to_string();
        write!(f, "{} at {}:{}", continued(&self.what), continued(&path), self.line)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {}", continued(hint)),
            None => Ok(()),
        }
    }
}

/// What is wrong with a step, without its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) hint: Option<String>,
}

impl Wrong {
    pub(super) fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: Some(hint.into()) }
    }

    /// At a step; one that is a part of a composite step is in the file that defines that.
    pub(super) fn at_step(self, path: &std::path::Path, step: &Step) -> Problem {
        let line = step.position.line;
        let Some(part) = origin_of(step) else { return self.at(path, line) };
        let what = format!("{} (in `{}`, used at {}:{line})", self.what, part.step, path.display());
        Problem { path: part.file.into(), line: part.part_line, what, hint: self.hint }
    }

    pub(super) fn at(self, path: &std::path::Path, line: usize) -> Problem {
        Problem { path: path.to_owned(), line, what: self.what, hint: self.hint }
    }
}
