//! What the steps of a scenario expect of its boards' health: a reboot that a step asks for is no fault.

use std::sync::LazyLock;

use cucumber::gherkin::Step;
use hil_timeline::Finding;
use hil_verdict::TextPattern;
use regex::{Captures, Regex};

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

/// An argument in quotes of either kind, as `{string}` takes it: one of two groups has it.
const STRING: &str = r#"(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')"#;

/// The steps that say so, by their text; the first argument is the board.
static WORDS: LazyLock<Vec<(Regex, Expected)>> = LazyLock::new(|| {
    let words = [
        ("^{} may reboot$", Expected::MayReboot),
        ("^{} may break the protocol$", Expected::MayBreakProtocol),
        ("^{} reboots once within ", Expected::Reboot),
        ("^the reset cause of {} is ", Expected::Reboot),
        ("^{} boot-loops within ", Expected::BootLoop),
        ("^the program of {} (?:is |ends )", Expected::End),
    ];
    words.into_iter().filter_map(|(form, expected)| Some((compiled(form)?, expected))).collect()
});

static CONSOLE: LazyLock<Option<Regex>> = LazyLock::new(|| compiled("^the console of {}(?: or {})? shows {}"));

fn compiled(form: &str) -> Option<Regex> {
    Regex::new(&form.replace("{}", STRING)).ok()
}

/// The argument with this number, from 0.
fn argument<'a>(captures: &Captures<'a>, number: usize) -> Option<&'a str> {
    captures.get(2 * number + 1).or_else(|| captures.get(2 * number + 2)).map(|found| found.as_str())
}

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
            Expected::Reboot => *n >= step && (finding == Finding::Reboot || is_a_boot(finding, detail)),
            Expected::BootLoop => *n >= step,
            Expected::End => *n >= step && finding == Finding::Ended,
            Expected::Line(pattern) => *n >= step && says(finding, detail).any(|line| is_shown(pattern, line)),
        })
    }

    /// Whether a board may break the protocol.
    pub(crate) fn allows_violations(&self, board: &str) -> bool {
        self.0.iter().any(|(_, of, expected)| of == board && matches!(expected, Expected::MayBreakProtocol))
    }
}

/// A boot names the watchdog or the brown-out that caused it.
fn is_a_boot(finding: Finding, detail: &str) -> bool {
    matches!(finding, Finding::Watchdog | Finding::BrownOut)
        && (detail.contains("rst:0x") || detail.contains("rst cause:"))
}

/// The lines of a finding that a step may ask for: an exception is found at its last one.
fn says(finding: Finding, detail: &str) -> impl Iterator<Item = &str> {
    let headline = (finding == Finding::Exception).then_some("Traceback (most recent call last):");
    std::iter::once(detail).chain(headline)
}

fn read(n: usize, text: &str) -> Vec<(usize, String, Expected)> {
    let named = WORDS
        .iter()
        .find_map(|(regex, expected)| Some((argument(&regex.captures(text)?, 0)?.to_owned(), expected.clone())));
    if let Some((board, expected)) = named {
        return vec![(n, board, expected)];
    }
    let Some(captures) = CONSOLE.as_ref().and_then(|regex| regex.captures(text)) else { return Vec::new() };
    let Some(Ok(pattern)) = argument(&captures, 2).map(TextPattern::parse) else { return Vec::new() };
    let boards = [argument(&captures, 0), argument(&captures, 1)].into_iter().flatten();
    boards.map(|board| (n, board.to_owned(), Expected::Line(pattern.clone()))).collect()
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
    fn an_expectation_ends_with_its_step() {
        let steps = expectations(&[r#"the program of "a" is killed"#, r#""a" does not reboot for 2 s"#]);
        assert!(steps.expects(1, "a", Finding::Ended, "by signal 9"));
        assert!(!steps.expects(2, "a", Finding::Ended, "with code 3"), "its next life ended by itself");
    }

    #[test]
    fn a_boot_by_a_watchdog_is_a_reboot_that_a_step_waits_for() {
        let steps = expectations(&[r#"the reset cause of "a" is "watchdog" within 5 s"#]);
        assert!(steps.expects(1, "a", Finding::Watchdog, "rst:0x7 (TG0WDT_SYS_RST),boot:0xd (SPI_FAST_FLASH_BOOT)"));
        assert!(!steps.expects(1, "a", Finding::Watchdog, "Task watchdog got triggered"));
    }

    #[test]
    fn quotes_of_either_kind_are_read() {
        let assertion = r#"assertion "x > 0" failed: file "a.c", line 3"#;
        let steps = expectations(&[r#"the console of 'a' shows 'assertion "x > 0" failed' within 1 s"#]);
        assert!(steps.expects(1, "a", Finding::Abort, assertion));
        let steps = expectations(&[r#"the console of "a" shows "Traceback (most recent call last)" within 1 s"#]);
        assert!(steps.expects(1, "a", Finding::Exception, "OSError: 113"));
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
