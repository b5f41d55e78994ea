//! What the steps of a scenario expect of its boards' health: a reboot that a step asks for is no fault.

use std::sync::LazyLock;

use cucumber::gherkin::Step;
use hil_timeline::Finding;
use hil_verdict::TextPattern;
use regex::Regex;

use crate::steps::is_shown;

/// What a step of the scenario says about a board's health.
#[derive(Debug, Clone)]
enum Expected {
    /// `Given "x" may reboot`, for the whole scenario.
    MayReboot,
    /// `Given "x" may break the protocol`, for the whole scenario.
    MayBreakProtocol,
    /// A step that waits for a reboot.
    Reboot,
    /// A step that waits for a boot loop: whatever causes it.
    BootLoop,
    /// A step that ends the program, or waits for its end.
    End,
    /// A step that waits for a line of the console: what that line says is expected.
    Line(TextPattern),
}

/// What the steps of a scenario expect, each up to the step that says so.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expectations(Vec<(usize, String, Expected)>);

/// The steps that say so, by their text. The first group is the board.
static WORDS: LazyLock<Vec<(Regex, Expected)>> = LazyLock::new(|| {
    let words = [
        (r#"^"([^"]*)" may reboot$"#, Expected::MayReboot),
        (r#"^"([^"]*)" may break the protocol$"#, Expected::MayBreakProtocol),
        (r#"^"([^"]*)" reboots once within "#, Expected::Reboot),
        (r#"^the reset cause of "([^"]*)" is "#, Expected::Reboot),
        (r#"^"([^"]*)" boot-loops within "#, Expected::BootLoop),
        (r#"^the program of "([^"]*)" (?:is |ends )"#, Expected::End),
    ];
    words.into_iter().filter_map(|(regex, expected)| Some((Regex::new(regex).ok()?, expected))).collect()
});

static CONSOLE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"^the console of "([^"]*)"(?: or "([^"]*)")? shows "([^"]*)""#).ok());

impl Expectations {
    /// Of these steps, in their order.
    pub(crate) fn of(steps: &[&Step]) -> Self {
        Self(steps.iter().enumerate().flat_map(|(n, step)| read(n + 1, &step.value)).collect())
    }

    /// Whether the step that runs, counted from 1, or a later one expects this of the board.
    pub(crate) fn expects(&self, step: usize, board: &str, finding: Finding, detail: &str) -> bool {
        self.0.iter().filter(|(_, of, _)| of == board).any(|(n, _, expected)| match expected {
            Expected::MayReboot => matches!(finding, Finding::Reboot | Finding::BootLoop),
            Expected::MayBreakProtocol => false,
            Expected::Reboot => *n >= step && finding == Finding::Reboot,
            Expected::BootLoop => *n >= step,
            Expected::End => finding == Finding::Ended,
            Expected::Line(pattern) => *n >= step && is_shown(pattern, detail),
        })
    }

    /// Whether a board may break the protocol.
    pub(crate) fn allows_violations(&self, board: &str) -> bool {
        self.0.iter().any(|(_, of, expected)| of == board && matches!(expected, Expected::MayBreakProtocol))
    }
}

fn read(n: usize, text: &str) -> Vec<(usize, String, Expected)> {
    let named = WORDS
        .iter()
        .find_map(|(regex, expected)| Some((regex.captures(text)?.get(1)?.as_str().to_owned(), expected.clone())));
    if let Some((board, expected)) = named {
        return vec![(n, board, expected)];
    }
    let Some(captures) = CONSOLE.as_ref().and_then(|regex| regex.captures(text)) else { return Vec::new() };
    let Some(Ok(pattern)) = captures.get(3).map(|pattern| TextPattern::parse(pattern.as_str())) else {
        return Vec::new();
    };
    let boards = [captures.get(1), captures.get(2)].into_iter().flatten();
    boards.map(|board| (n, board.as_str().to_owned(), Expected::Line(pattern.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use cucumber::gherkin::{LineCol, Span, StepType};

    use super::*;

    fn expectations(texts: &[&str]) -> Expectations {
        let step = |text: &&str| Step {
            keyword: String::new(),
            ty: StepType::Then,
            value: (*text).to_owned(),
            docstring: None,
            table: None,
            span: Span { start: 0, end: 0 },
            position: LineCol { line: 1, col: 1 },
        };
        let steps: Vec<_> = texts.iter().map(step).collect();
        Expectations::of(&steps.iter().collect::<Vec<_>>())
    }

    #[test]
    fn a_step_asks_for_what_it_waits_for_and_for_no_more() {
        let steps = expectations(&[r#"the board "a" is reset"#, r#""a" reboots once within 5 s"#, r#""a" is quiet"#]);
        assert!(steps.expects(1, "a", Finding::Reboot, "SW") && steps.expects(2, "a", Finding::Reboot, "SW"));
        assert!(!steps.expects(3, "a", Finding::Reboot, "SW"), "once is once");
        assert!(!steps.expects(1, "b", Finding::Reboot, "SW") && !steps.expects(1, "a", Finding::Panic, "x"));
        let allowed = expectations(&[r#""a" may reboot"#]);
        assert!(allowed.expects(9, "a", Finding::BootLoop, "3") && !allowed.expects(9, "a", Finding::Watchdog, "x"));
    }

    #[test]
    fn a_line_that_is_waited_for_is_expected() {
        let steps = expectations(&[r#"the console of "a" or "b" shows "/panicked at/" exactly once within 1 s"#]);
        assert!(steps.expects(1, "b", Finding::Panic, "panicked at src/main.rs:1"));
        assert!(
            !steps.expects(1, "a", Finding::Abort, "abort() was called")
                && !steps.expects(2, "a", Finding::Panic, "panicked at")
        );
    }
}
