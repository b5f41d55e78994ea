//! The keywords of every language of Gherkin.

use std::sync::LazyLock;

use crate::document::StepKind;

/// The official table, written by `ci/gherkin-languages`.
static TABLE: &str = include_str!("languages.txt");

static LANGUAGES: LazyLock<Vec<Language>> =
    LazyLock::new(|| TABLE.split("\n[").filter_map(|block| Language::read(block.trim_start_matches('['))).collect());

/// A line with a keyword and a colon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Headline {
    /// `Feature:`.
    Feature,
    /// `Rule:`.
    Rule,
    /// `Background:`.
    Background,
    /// `Scenario:`.
    Scenario,
    /// `Scenario Outline:`.
    Outline,
    /// `Examples:`.
    Examples,
}

/// The keywords of a language.
#[derive(Debug)]
pub struct Language {
    code: &'static str,
    name: &'static str,
    headlines: Vec<(&'static str, Headline)>,
    /// In the order of the table.
    steps: Vec<(&'static str, StepKind)>,
    /// The longest first: one keyword may begin with another.
    longest: Vec<(&'static str, StepKind)>,
}

impl Language {
    /// Every language, in the order of the official table.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        LANGUAGES.iter()
    }

    /// The language with a code, such as `de`.
    #[must_use]
    pub fn of(code: &str) -> Option<&'static Self> {
        LANGUAGES.iter().find(|language| language.code == code)
    }

    /// Its code, as `# language:` names it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Its name in English.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The keywords of headlines, without the colon.
    pub fn headlines(&self) -> impl Iterator<Item = (&'static str, Headline)> {
        self.headlines.iter().copied()
    }

    /// The keywords of steps, with the space after them if the language has one.
    pub fn steps(&self) -> impl Iterator<Item = (&'static str, StepKind)> {
        self.steps.iter().copied()
    }

    /// Parses a headline: its keyword and its name.
    pub(crate) fn headline<'a>(&self, line: &'a str) -> Option<(Headline, &'static str, &'a str)> {
        self.headlines.iter().find_map(|(keyword, headline)| {
            let name = line.strip_prefix(keyword)?.strip_prefix(':')?;
            Some((*headline, *keyword, name.trim()))
        })
    }

    /// Parses a step: its kind, its keyword and its text.
    pub(crate) fn step<'a>(&self, line: &'a str) -> Option<(StepKind, &'static str, &'a str)> {
        self.longest.iter().find_map(|(keyword, kind)| Some((*kind, *keyword, line.strip_prefix(keyword)?.trim())))
    }

    /// Parses a block of the table: its first line is `CODE] NAME`, each other one `KIND=WORD|WORD`.
    fn read(block: &'static str) -> Option<Self> {
        let (first, rest) = block.split_once('\n')?;
        let (code, name) = first.split_once("] ")?;
        let (headlines, steps, longest) = (Vec::new(), vec![("* ", StepKind::Any)], Vec::new());
        let mut language = Self { code, name, headlines, steps, longest };
        for (kind, words) in rest.lines().filter_map(|line| line.split_once('=')) {
            let words = words.split('|').filter(|word| !word.is_empty());
            let headline = match kind {
                "feature" => Headline::Feature,
                "rule" => Headline::Rule,
                "background" => Headline::Background,
                "scenario" => Headline::Scenario,
                "scenarioOutline" => Headline::Outline,
                "examples" => Headline::Examples,
                step => {
                    let step = step_kind(step)?;
                    language.steps.extend(words.map(|word| (word, step)));
                    continue;
                }
            };
            language.headlines.extend(words.map(|word| (word, headline)));
        }
        language.longest.clone_from(&language.steps);
        language.longest.sort_by_key(|(word, _)| std::cmp::Reverse(word.chars().count()));
        Some(language)
    }
}

fn step_kind(word: &str) -> Option<StepKind> {
    match word {
        "given" => Some(StepKind::Given),
        "when" => Some(StepKind::When),
        "then" => Some(StepKind::Then),
        "and" | "but" => Some(StepKind::And),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_of_the_table_is_a_language_with_every_keyword() {
        assert_eq!(Language::all().count(), TABLE.lines().filter(|line| line.starts_with('[')).count());
        assert_eq!(Language::all().count(), 80);
        for language in Language::all() {
            use Headline::{Background, Examples, Feature, Outline, Rule, Scenario};
            for headline in [Feature, Rule, Background, Scenario, Outline, Examples] {
                assert!(language.headlines().any(|(_, of)| of == headline), "{}: {headline:?}", language.code);
            }
            for kind in [StepKind::Given, StepKind::When, StepKind::Then, StepKind::And, StepKind::Any] {
                assert!(language.steps().any(|(_, of)| of == kind), "{}: {kind:?}", language.code);
            }
        }
    }

    #[test]
    fn the_longest_keyword_is_read() {
        let french = Language::of("fr").expect("French");
        assert_eq!(french.step("Étant donné qu'il pleut"), Some((StepKind::Given, "Étant donné qu'", "il pleut")));
        assert_eq!(french.step("* il pleut"), Some((StepKind::Any, "* ", "il pleut")));
        assert_eq!(french.step("Etpuis"), None);
        assert_eq!(french.headline("Plan du scénario:  x "), Some((Headline::Outline, "Plan du scénario", "x")));
    }

    #[test]
    fn a_word_has_one_kind() {
        for language in Language::all() {
            for (word, kind) in language.steps() {
                assert!(language.steps().all(|(other, of)| other != word || of == kind), "{}: {word}", language.code);
            }
        }
    }
}
