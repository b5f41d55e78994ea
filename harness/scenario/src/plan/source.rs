//! What a parser of Gherkin takes without a word, found in the source: a step or a cell that vanishes.

use cucumber::gherkin::{self, Step, StepType};

use crate::dispatch::STEPS;

/// A line, what is wrong with it, and what may help.
type Flaw = (usize, String, String);

/// The first thing in a feature file that would vanish.
pub(super) fn flaw(source: &str) -> Option<Flaw> {
    let lines: Vec<_> = outside_texts(source).collect();
    swallowed(&lines).into_iter().chain(ragged(&lines)).min_by_key(|(line, ..)| *line)
}

/// The trimmed lines outside of texts, numbered from 1. A text ends with the quotes that it began with.
fn outside_texts(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut open: Option<&str> = None;
    source.lines().map(str::trim).enumerate().filter_map(move |(n, line)| {
        let quotes = ["\"\"\"", "```"].into_iter().find(|quotes| line.starts_with(quotes));
        match (open, quotes) {
            (None, Some(quotes)) => open = Some(quotes),
            (Some(opened), Some(quotes)) if opened == quotes => open = None,
            (None, None) => return Some((n + 1, line)),
            _ => {}
        }
        None
    })
}

/// A line with a misspelt keyword: Gherkin takes it for a description where it follows a headline, and the step or
/// scenario vanishes without a word.
fn swallowed(lines: &[(usize, &str)]) -> Option<Flaw> {
    const HEADLINES: [&str; 8] =
        ["Feature", "Background", "Scenario", "Scenario Outline", "Scenarios", "Examples", "Example", "Rule"];
    const KEYWORDS: [&str; 6] = ["Given", "When", "Then", "And", "But", "*"];
    for (n, line) in lines.iter().filter(|(_, line)| !line.starts_with(['|', '@', '#', '"', '`'])) {
        let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        if !KEYWORDS.contains(&first) && is_step(rest) {
            let hint = format!("begin it with one of `{}`", KEYWORDS.join("`, `"));
            return Some((*n, format!("`{first}` is no keyword of a step"), hint));
        }
        if let Some((headline, _)) = line.split_once(':')
            && !HEADLINES.contains(&headline)
            && let Some(near) = hil_config::nearest(headline, HEADLINES)
        {
            return Some((*n, format!("`{headline}:` is no keyword"), format!("did you mean `{near}:`?")));
        }
    }
    None
}

/// A row of a table that is longer or shorter than its first: the parser cuts it.
fn ragged(lines: &[(usize, &str)]) -> Option<Flaw> {
    let mut width = None;
    for (n, line) in lines.iter().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        if !line.starts_with('|') {
            width = None;
            continue;
        }
        let cells = cells(line);
        let first = *width.get_or_insert(cells);
        if cells != first {
            let plural = if cells == 1 { "" } else { "s" };
            let what = format!("this row has {cells} cell{plural}, and the first row of its table {first}");
            return Some((*n, what, "a `|` within a cell is written `\\|`".to_owned()));
        }
    }
    None
}

/// How many cells a row has; a backslash takes a bar its meaning.
fn cells(row: &str) -> usize {
    let (mut bars, mut escaped) = (0_usize, false);
    for c in row.chars() {
        bars += usize::from(c == '|' && !escaped);
        escaped = c == '\\' && !escaped;
    }
    bars.saturating_sub(1)
}

/// Whether a text is a step of any kind.
fn is_step(text: &str) -> bool {
    let step = |ty| Step {
        keyword: String::new(),
        ty,
        value: text.trim().to_owned(),
        docstring: None,
        table: None,
        span: gherkin::Span { start: 0, end: 0 },
        position: gherkin::LineCol { line: 0, col: 0 },
    };
    [StepType::Given, StepType::When, StepType::Then].into_iter().any(|ty| !matches!(STEPS.find(&step(ty)), Ok(None)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_too_many_or_too_few_is_found() {
        let table = |row: &str| {
            format!("Feature: f\n  Scenario: s\n    Then x:\n      | a | b |\n      # a comment\n\n      {row}\n")
        };
        assert_eq!(flaw(&table("| 1 | 2 |")), None);
        assert_eq!(flaw(&table(r"| 1 \| 3 | 2 |")), None);
        let found: Vec<_> = ["| 1 | 2 | 3 |", "| 1 |"].map(|row| flaw(&table(row)).expect("a flaw")).into();
        insta::assert_debug_snapshot!(found);
        assert_eq!(flaw("Feature: f\n  | a |\n  Scenario: s\n    | a | b |\n"), None, "two tables");
    }

    #[test]
    fn a_text_ends_with_the_quotes_it_began_with() {
        let text = "Feature: f\n  Scenario: s\n    Given x:\n      ```\n      \"\"\"\n      Szenario: x\n      ```\n";
        assert_eq!(flaw(text), None);
        assert!(flaw(&format!("{text}    Szenario: y\n")).is_some());
    }
}
