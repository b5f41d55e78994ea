//! What is wrong with a file as Gherkin.

use std::path::Path;

use hil_gherkin::{Expected, Fault, FaultKind, Language};

use super::problem::Problem;
use super::suspect;

/// The language of files that name none.
#[expect(clippy::expect_used, reason = "the table of languages has English, and a test says so")]
pub(super) fn english() -> &'static Language {
    Language::of("en").expect("English")
}

/// The first faults of a file: one mistake often causes more.
pub(super) fn grammatical(path: &Path, faults: &[Fault], source: &str) -> Vec<Problem> {
    const MOST: usize = 10;
    let language = hil_gherkin::language_of(source).unwrap_or_else(english);
    let before_feature =
        |fault: &Fault| matches!(fault.kind, FaultKind::Unexpected { expected: Expected::Feature, .. });
    let mut seen = false;
    let once = faults.iter().filter(|fault| !(before_feature(fault) && std::mem::replace(&mut seen, true)));
    once.take(MOST).map(|fault| suspect::explained(fault, language).at(path, fault.line)).collect()
}
