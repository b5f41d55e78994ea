//! What all tables of one file share: its folder, its problems, its secrets.

use std::cell::RefCell;
use std::path::Path;

use crate::problem::Problem;

/// What all tables of one file share.
pub(crate) struct Context<'a> {
    /// Relative paths in the file count from here.
    pub(crate) folder: &'a Path,
    /// What messages call the file: `bench file`, `project file`.
    pub(crate) what: &'static str,
    problems: RefCell<Vec<Found>>,
    /// What this machine does not have, such as a variable: only what needs it is stopped.
    lacking: RefCell<Vec<Problem>>,
    /// Secrets.
    secrets: RefCell<Vec<String>>,
    /// Those that came from `${secret:NAME}`, by their names.
    variables: RefCell<Vec<(String, String)>>,
}

/// A problem, and the table that inherits the value it is about.
struct Found {
    problem: Problem,
    heir: Option<String>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(folder: &'a Path, what: &'static str) -> Self {
        Self {
            folder,
            what,
            problems: RefCell::default(),
            lacking: RefCell::default(),
            secrets: RefCell::default(),
            variables: RefCell::default(),
        }
    }

    /// Notes a problem; `heir` is the table that inherits the value from another one.
    pub(crate) fn add_problem(&self, problem: Problem, heir: Option<&str>) {
        self.problems.borrow_mut().push(Found { problem, heir: heir.map(str::to_owned) });
    }

    pub(crate) fn add_lacking(&self, problem: Problem) {
        self.lacking.borrow_mut().push(problem);
    }

    pub(crate) fn add_secret(&self, secret: String) {
        self.secrets.borrow_mut().push(secret);
    }

    pub(crate) fn add_variable(&self, name: String, secret: String) {
        self.add_secret(secret.clone());
        self.variables.borrow_mut().push((name, secret));
    }

    /// The secrets that the environment gave, by their names.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        self.variables.borrow().clone()
    }

    /// What is secret in this file.
    pub(crate) fn secrets(&self) -> Vec<String> {
        self.secrets.borrow().clone()
    }

    /// What this machine does not have, noted since the last call.
    pub(crate) fn take_lacking(&self) -> Vec<Problem> {
        self.lacking.take()
    }

    /// The problems in the order of the file. One of an inherited value that its own table has as well is one problem.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        let (inherited, mut all): (Vec<_>, Vec<_>) =
            self.problems.into_inner().into_iter().partition(|found| found.heir.is_some());
        for found in inherited {
            if !all.iter().any(|other| other.problem.is_same(&found.problem)) {
                all.push(found);
            }
        }
        let mut problems: Vec<_> = all.into_iter().map(Found::into_problem).collect();
        problems.sort_by_key(|problem| problem.span.start);
        problems
    }
}

impl Found {
    fn into_problem(self) -> Problem {
        match self.heir {
            Some(heir) => Problem { what: format!("inherited by `{heir}`: {}", self.problem.what), ..self.problem },
            None => self.problem,
        }
    }
}
