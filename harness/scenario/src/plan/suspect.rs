//! Guesses the meaning of a line that is not Gherkin.

use hil_config::nearest;
use hil_gherkin::{Expected, Fault, FaultKind, Headline, Language};

use super::problem::Wrong;
use crate::registry::is_step;

/// What is wrong with a line, with a hint.
pub(super) fn explained(fault: &Fault, language: &Language) -> Wrong {
    let hint = match &fault.kind {
        FaultKind::UnknownLanguage(name) => unknown_language(name),
        FaultKind::Unexpected { text, expected } => {
            meant(text, language).unwrap_or_else(|| expects(*expected, text, language))
        }
        FaultKind::Misplaced { headline, .. } => place_of(*headline).to_owned(),
        FaultKind::UnclosedText(quotes) => format!("end it with a line of {quotes}"),
        FaultKind::TagWithBlank(_) => "each tag begins with `@`; a space ends it".to_owned(),
        FaultKind::Ragged { open: true, .. } => "end the row with `|`; within a cell it is written `\\|`".to_owned(),
        FaultKind::Ragged { .. } => "a `|` within a cell is written `\\|`".to_owned(),
        FaultKind::TagsOfNothing => "tags belong above a headline; delete them".to_owned(),
    };
    Wrong::new(shortened(&fault.to_string()), hint)
}

fn place_of(headline: Headline) -> &'static str {
    match headline {
        Headline::Feature => "a file has one feature, at its beginning",
        Headline::Background => "a feature or rule has one background, before its scenarios",
        Headline::Examples => "examples belong below the steps of a scenario",
        Headline::Rule | Headline::Scenario | Headline::Outline => "it belongs below the headline of a feature",
    }
}

/// Shortens a long line; its beginning is enough to find it.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 200;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    format!("{}…", text.chars().take(MOST).collect::<String>())
}

fn unknown_language(name: &str) -> String {
    let lower = name.to_lowercase();
    let same = Language::all().find(|language| language.code().to_lowercase() == lower);
    match same.map(Language::code).or_else(|| nearest(name, Language::all().map(Language::code))) {
        Some(near) => format!("did you mean `# language: {near}`?"),
        None => {
            "as in `# language: de`; `https://cucumber.io/docs/gherkin/languages` lists them all; without this line the language is English"
                .to_owned()
        }
    }
}

/// What a line may be meant to be: a headline or a step with a misspelt keyword, or one of another language.
fn meant(text: &str, language: &Language) -> Option<String> {
    headline_meant(text, language).or_else(|| step_meant(text, language)).or_else(|| colon_meant(text, language))
}

/// The keyword of a headline without its colon.
fn colon_meant(text: &str, language: &Language) -> Option<String> {
    let begins = |word: &&str| text.strip_prefix(*word).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    let words = language.headlines().map(|(word, _)| word).filter(begins);
    words.max_by_key(|word| word.len()).map(|word| format!("write a colon after it: `{word}:`"))
}

pub(super) fn headline_meant(text: &str, language: &Language) -> Option<String> {
    let (keyword, _) = text.split_once(':')?;
    if language.headlines().any(|(known, _)| known == keyword) {
        return None;
    }
    let elsewhere = Language::all().find(|other| other.headlines().any(|(known, _)| known == keyword));
    let near = nearest(keyword, language.headlines().map(|(known, _)| known)).map(|near| format!("{near}:"));
    suggestion(keyword, near.as_deref(), elsewhere)
}

/// Suggests a similar word in the file's language, or the language of the word.
fn suggestion(word: &str, near: Option<&str>, elsewhere: Option<&Language>) -> Option<String> {
    let begin = |other: &Language| format!("`{word}` is {}", other.name());
    match (near, elsewhere) {
        (Some(near), Some(other)) => Some(format!(
            "did you mean `{near}`? {}, in files that begin with `# language: {}`",
            begin(other),
            other.code()
        )),
        (Some(near), None) => Some(format!("did you mean `{near}`?")),
        (None, Some(other)) => Some(format!("{}: begin the file with `# language: {}`", begin(other), other.code())),
        (None, None) => None,
    }
}

pub(super) fn step_meant(text: &str, language: &Language) -> Option<String> {
    if begins_step(text, language) {
        // Its place is wrong, not its keyword.
        return None;
    }
    let (first, rest) = text.split_once(char::is_whitespace)?;
    if is_step(rest.trim()) && language.steps().any(|(word, _)| word.trim_end() == first) {
        return Some(format!("write a space after `{first}`, not a tab"));
    }
    let elsewhere = Language::all().find(|other| begins_step(text, other));
    let words = || language.steps().map(|(word, _)| word.trim_end());
    let same = words().find(|word| word.to_lowercase() == first.to_lowercase());
    let near = same.or_else(|| nearest(first, words())).filter(|_| is_step(rest));
    let missing = || (is_step(rest) || is_step(text)).then(|| format!("begin it with {}", keywords(language)));
    suggestion(first, near, elsewhere).or_else(missing)
}

/// Whether a line is a keyword of a language and a step.
pub(super) fn begins_step(text: &str, language: &Language) -> bool {
    language.steps().any(|(word, _)| text.strip_prefix(word).is_some_and(|rest| is_step(rest.trim())))
}

/// The usual keywords of steps in a language.
fn keywords(language: &Language) -> String {
    use hil_gherkin::StepKind::{And, Given, Then, When};
    let first = |kind| language.steps().find(move |(_, of)| *of == kind).map(|(word, _)| word.trim_end());
    let words: Vec<_> = [Given, When, Then, And].into_iter().filter_map(first).collect();
    format!("one of `{}`", words.join("`, `"))
}

/// The last keyword of a headline: `Scenario` comes after `Example`.
pub(super) fn headline(of: Headline, language: &Language) -> &'static str {
    language.headlines().filter(|(_, headline)| *headline == of).last().map_or("", |(word, _)| word)
}

fn feature(language: &Language) -> &'static str {
    language.headlines().find(|(_, headline)| *headline == Headline::Feature).map_or("", |(word, _)| word)
}

fn expects(expected: Expected, text: &str, language: &Language) -> String {
    let scenario = headline(Headline::Scenario, language);
    match expected {
        Expected::Feature => format!("a file begins with `{}:`", feature(language)),
        Expected::Tagged => format!("tags belong above `{scenario}:` and other headlines"),
        Expected::Scenario => format!("expected `{scenario}:`, or another headline"),
        Expected::Step if text.starts_with('|') => "a step takes one table".to_owned(),
        Expected::Step if text.starts_with(['"', '`']) => "a step takes one text".to_owned(),
        Expected::Step => format!("begin it with {}", keywords(language)),
        Expected::Examples => "steps belong above the examples; a new scenario may follow below".to_owned(),
    }
}
