//! Steps in descriptions: the grammar reads them as text, so they would be ignored silently.
//!
//! A description may be any text, so only what is hardly prose is an error: a step with texts in quotes, and, where
//! steps are allowed, a keyword that is misspelt or of another language. Other lines that read like a step are
//! warnings.

use hil_gherkin::{Feature, Headline, Language};

use super::problem::Wrong;
use super::suspect::{begins_step, headline, headline_meant, shortened, step_meant};
use crate::quotes::{Part, parts};
use crate::registry::is_step;

/// A line of a description that reads like a step.
pub(super) struct Swallowed {
    pub(super) line: usize,
    pub(super) wrong: Wrong,
    /// It is hardly prose.
    pub(super) is_certain: bool,
}

/// The place of a description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Below the headline of a scenario or a background: steps follow it.
    Steps,
    /// Where no steps are allowed.
    Other,
}

/// The most certain one of each description.
pub(super) fn swallowed(feature: &Feature, language: &Language) -> Vec<Swallowed> {
    let examples = feature.all_scenarios().flat_map(|scenario| &scenario.examples);
    let others = std::iter::once(&feature.heading)
        .chain(feature.rules.iter().map(|rule| &rule.heading))
        .chain(examples.map(|examples| &examples.heading))
        .map(|heading| &heading.description);
    let steps = (feature.all_backgrounds().map(|background| &background.heading))
        .chain(feature.all_scenarios().map(|scenario| &scenario.heading))
        .map(|heading| &heading.description);
    let others = others.map(|lines| (lines, Place::Other));
    others
        .chain(steps.map(|lines| (lines, Place::Steps)))
        .filter_map(|(lines, at)| in_lines(lines, at, language))
        .collect()
}

/// A hint for a line of a description that looks like a headline.
pub(super) fn headline_in(lines: &[(usize, String)], language: &Language) -> Option<String> {
    let meant =
        |(line, text): &(usize, String)| Some(format!("in line {line}: {}", headline_meant(text.trim(), language)?));
    lines.iter().find_map(meant)
}

fn in_lines(lines: &[(usize, String)], place: Place, language: &Language) -> Option<Swallowed> {
    let found: Vec<_> = lines
        .iter()
        .enumerate()
        .filter_map(|(n, (_, text))| Some((n, certainty(text.trim(), place, language)?)))
        .collect();
    let (n, is_certain) = found.iter().find(|(_, is_certain)| *is_certain).or(found.first()).copied()?;
    let (line, text) = (lines[n].0, lines[n].1.trim());
    // A misspelt headline above it may be the cause.
    let above = lines[..n].iter().rev().find_map(|(line, text)| {
        Some((*line, text.trim().split_once(':')?.0.to_owned(), headline_meant(text.trim(), language)?))
    });
    if let Some((above, keyword, hint)) = above.filter(|_| begins_step(text, language)) {
        let what = format!("`{keyword}:` in line {above} is not a keyword: the steps below it would be read as text");
        return Some(Swallowed { line: above, wrong: Wrong::new(what, hint), is_certain: true });
    }
    let what = shortened(&format!("`{text}` is read as a description, not as a step"));
    let below = || format!("steps belong below `{}:`", headline(Headline::Scenario, language));
    let wrong = Wrong::new(what, step_meant(text, language).unwrap_or_else(below));
    Some(Swallowed { line, wrong, is_certain })
}

/// Whether a line reads like a step; and if so, whether it is hardly prose.
fn certainty(text: &str, place: Place, language: &Language) -> Option<bool> {
    let has_texts = || parts(text).iter().any(|part| matches!(part, Part::Quoted(_)));
    let begins = |language: &Language| !text.starts_with("* ") && begins_step(text, language);
    if begins(language) || place == Place::Steps && Language::all().any(begins) {
        return Some(place == Place::Steps || has_texts());
    }
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let (lower, words) = (first.to_lowercase(), || language.steps().map(|(word, _)| word.trim_end()));
    if words().any(|word| word.to_lowercase() == lower) && is_step(rest.trim()) && first != "*" {
        let is_upper = first.chars().next().is_some_and(char::is_uppercase);
        return Some(has_texts() || is_upper && place == Place::Steps);
    }
    let is_near = |word: &str| word.len() > 2 && strsim::osa_distance(&word.to_lowercase(), &lower) == 1;
    let is_glued = |word: &str| {
        let begins = |c: char| c.is_whitespace() || c.is_alphanumeric() && word != "*";
        let rest = text.strip_prefix(word).filter(|rest| !rest.starts_with(begins));
        rest.is_some_and(|rest| is_step(rest.trim()))
    };
    if words().any(is_near) && is_step(rest.trim()) || words().any(is_glued) {
        return Some(has_texts());
    }
    // Without any keyword. Checked only where steps are allowed: descriptions may be long.
    (place == Place::Steps && has_texts() && is_step(text)).then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(description: &str, place: Place) -> Option<bool> {
        let english = Language::of("en").expect("English");
        in_lines(&[(2, description.to_owned())], place, english).map(|swallowed| swallowed.is_certain)
    }

    #[test]
    fn prose_is_not_a_step_and_a_misspelt_step_is_not_prose() {
        use Place::{Other, Steps};
        for prose in [
            "The lamp must come back",
            "Whenever the broker stops",
            "Where the broker stops",
            "Here the broker restarts",
        ] {
            assert_eq!((found(prose, Other), found(prose, Steps)), (None, None), "{prose}");
        }
        for doubtful in ["when the broker restarts", "Them the broker stops", "*the broker restarts"] {
            assert_eq!((found(doubtful, Other), found(doubtful, Steps)), (Some(false), Some(false)), "{doubtful}");
        }
        assert_eq!(found("* the broker restarts", Other), None, "a list");
        assert_eq!(found("When the broker restarts", Other), Some(false));
        for certain in [
            "WHEN the broker restarts",
            "Gven \"lamp\" is connected",
            "Given\"lamp\" is connected",
            "and \"lamp\" is connected",
            "I publish 'on' to \"t\"",
            "Dann the broker restarts",
        ] {
            assert_eq!(found(certain, Steps), Some(true), "{certain}");
        }
        assert_eq!(found("Given \"lamp\" is connected", Other), Some(true));
    }
}
