//! Whether a board runs as it should during a scenario.

use hil_timeline::{Allowance, Cursor, Finding, RunEvent, Stamp, What};

use crate::reset_cause::ResetCause;
use crate::unmet::Unmet;

/// What the steps of a scenario expect of a board's health, from a record on.
pub trait Expectations {
    /// Whether a step expects this finding, or contains its text.
    fn expects(&self, board: &str, finding: Finding, detail: &str) -> bool;
}

impl<F: Fn(&str, Finding, &str) -> bool> Expectations for F {
    fn expects(&self, board: &str, finding: Finding, detail: &str) -> bool {
        self(board, finding, detail)
    }
}

/// A problem of a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The board.
    pub board: String,
    /// The first finding.
    pub finding: Finding,
    /// The line or the reset cause.
    pub detail: String,
    /// Number of the record.
    pub seq: u64,
    /// Its time.
    pub at: Stamp,
    /// What the firmware printed about it, line by line.
    pub backtrace: Vec<String>,
    /// Its output is complete.
    pub complete: bool,
}

impl Trouble {
    /// A crash is followed by registers and a backtrace.
    fn has_backtrace(&self) -> bool {
        matches!(self.finding, Finding::Panic | Finding::Abort | Finding::Exception | Finding::Watchdog)
    }

    /// The description, as text.
    #[must_use]
    pub fn what(&self) -> String {
        let board = &self.board;
        match self.finding {
            Finding::Panic => format!("`{board}` panicked: `{}`", self.detail),
            Finding::Abort => format!("`{board}` aborted: `{}`", self.detail),
            Finding::Exception => format!("the script of `{board}` ended with an exception: `{}`", self.detail),
            Finding::Watchdog => format!("a watchdog of `{board}` fired: `{}`", self.detail),
            Finding::BrownOut => format!("the supply of `{board}` sagged (brown-out): `{}`", self.detail),
            Finding::BootLoop => format!("`{board}` boot-loops: {}", self.detail),
            Finding::Ended => format!("the program of `{board}` ended {}, and no step asked for it", self.detail),
            Finding::EmulatorEnded => {
                let how = self.detail.lines().next().unwrap_or_default();
                format!("the emulator of `{board}` ended {how}, and no step asked for it")
            }
            Finding::Unsupported => format!("`{board}` can't run its firmware: {}", self.detail),
            _ => match ResetCause::of(&self.detail) {
                ResetCause::Other => format!("`{board}` rebooted by itself: `{}`", self.detail),
                cause => format!("`{board}` rebooted by itself ({cause} reset, `{}`)", self.detail),
            },
        }
    }

    /// The reason why a step did not pass.
    #[must_use]
    pub fn unmet(&self, mark: Stamp) -> Unmet {
        /// Registers and stack of one core; the rest is in the log.
        const SHOWN: usize = 40;
        let message = format!("{}, {} from the mark", self.what(), crate::show::signed(self.at, mark));
        if self.finding == Finding::EmulatorEnded {
            let hint = "this is not about the firmware: see what the emulator says, and its version";
            let said = self.detail.lines().skip(1).map(|line| format!("it wrote `{line}`"));
            return Unmet::errored(message).with_details(said).with_hint(hint);
        }
        if self.finding == Finding::Unsupported {
            let hint = "this is not about the firmware: it needs a part of the chip that virtual boards do not have";
            return Unmet::errored(message).with_hint(hint);
        }
        let unmet = Unmet::failed(message);
        let left_out = self.backtrace.len().saturating_sub(SHOWN);
        let more = (left_out > 0).then(|| format!("… {left_out} more lines in the console's log"));
        let unmet = unmet.with_details(self.backtrace.iter().take(SHOWN).cloned().chain(more));
        match self.finding {
            Finding::Reboot | Finding::BootLoop => unmet.with_hint(format!(
                "if the firmware restarts by design, add the step `Given \"{}\" may reboot`",
                self.board
            )),
            Finding::BrownOut => unmet.with_hint("is the supply strong enough, and the cable short enough?"),
            _ => unmet,
        }
    }
}

/// The state of a board while records are followed.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// The bench has started it in this scenario. Earlier output is about an earlier boot, or about earlier flash
    /// contents.
    was_started: bool,
    /// It is being flashed.
    is_prepared: bool,
    /// It has no power or is held in reset: its console output is not about its firmware.
    is_down: bool,
    may_reboot: bool,
    /// A signal has asked its program to exit.
    was_signalled: bool,
    /// It crashed as a step expected: the following boot is part of that.
    crash_was_expected: bool,
}

impl State {
    fn take(&mut self, what: &What) {
        match what {
            What::Firmware { .. } => (self.was_started, self.is_prepared) = (false, true),
            What::PowerSwitching { on: true, .. } | What::Power { on: true, .. } => {
                self.was_started |= !self.is_prepared;
            }
            What::Reset { .. } | What::ResetReleased { .. } => (self.was_started, self.is_prepared) = (true, false),
            _ => {}
        }
        match what {
            What::PowerSwitching { on, .. } => self.is_down = !on,
            What::Power { on: false, .. } | What::Reset { .. } => {
                self.is_down = true;
                self.crash_was_expected = false;
            }
            What::ResetReleased { .. } | What::Power { on: true, .. } => self.is_down = false,
            What::Allowed { allowance: Allowance::Reboot, .. } => self.may_reboot = true,
            What::Signalled { .. } => self.was_signalled = true,
            What::Found { finding: Finding::Reboot, .. } => self.crash_was_expected = false,
            // It boots again, whatever caused it.
            What::Found { finding: Finding::Boot | Finding::AppStarted, .. } => {
                self.is_down = false;
                self.was_signalled = false;
            }
            _ => {}
        }
    }
}

/// The first record from `from` on that shows a problem of a board; the records are those of one scenario, in order.
///
/// Resets, power and flashing by the bench are expected, and so is what `expectations` contain. What a board prints
/// while it loses its power, or is held in reset, is not about its firmware.
#[must_use]
pub fn trouble(board: &str, events: &[&RunEvent], from: Cursor, expectations: &impl Expectations) -> Option<Trouble> {
    let mut state = State::default();
    let mut found: Option<Trouble> = None;
    for event in events.iter().filter(|event| event.what.board() == Some(board)) {
        let What::Found { finding, detail, .. } = &event.what else {
            state.take(&event.what);
            continue;
        };
        if let Some(trouble) = &mut found {
            follow(trouble, *finding, detail);
            continue;
        }
        let was_judged = event.seq < from.0;
        let excused = was_judged
            || !state.was_started
            || match finding {
                Finding::Boot | Finding::AppStarted | Finding::Backtrace | Finding::WrongBaud => true,
                Finding::Reboot => state.may_reboot || state.crash_was_expected,
                Finding::BootLoop => state.may_reboot,
                Finding::Ended => state.was_signalled || state.is_down || state.may_reboot,
                Finding::EmulatorEnded | Finding::Unsupported => state.is_down,
                // A boot also names the watchdog that ended the expected crash.
                Finding::Watchdog | Finding::BrownOut => state.is_down || state.crash_was_expected,
                Finding::Panic | Finding::Abort | Finding::Exception => state.is_down,
            };
        let expected = !excused && expectations.expects(board, *finding, detail);
        if !excused && !expected {
            let mut trouble = Trouble {
                board: board.to_owned(),
                finding: *finding,
                detail: detail.clone(),
                seq: event.seq,
                at: event.at,
                backtrace: Vec::new(),
                complete: true,
            };
            trouble.complete = !trouble.has_backtrace();
            found = Some(trouble);
        }
        state.crash_was_expected |= (expected || was_judged && !state.is_down) && reboots(*finding);
        state.take(&event.what);
    }
    found
}

/// Whether the chip reboots because of it.
fn reboots(finding: Finding) -> bool {
    matches!(finding, Finding::Panic | Finding::Abort | Finding::Watchdog | Finding::BrownOut)
}

/// Later output belongs to it, up to the next boot.
fn follow(trouble: &mut Trouble, finding: Finding, detail: &str) {
    if trouble.complete {
        return;
    }
    match finding {
        Finding::Backtrace => {
            // Its first line is the detail.
            trouble.backtrace =
                detail.lines().skip(1).filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
            trouble.complete = true;
        }
        Finding::Boot | Finding::Reboot | Finding::Ended | Finding::EmulatorEnded => trouble.complete = true,
        _ => {}
    }
}

/// A packet of a board that violates the MQTT specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The board.
    pub board: String,
    /// The rule, with its section.
    pub rule: String,
    /// Number of the record.
    pub seq: u64,
    /// Its time.
    pub at: Stamp,
}

impl Violation {
    /// The description, as text.
    #[must_use]
    pub fn what(&self) -> String {
        format!("`{}` violates the MQTT protocol: {}", self.board, self.rule)
    }

    /// The reason why a step did not pass.
    #[must_use]
    pub fn unmet(&self, mark: Stamp) -> Unmet {
        let message = format!("{}, {} from the mark", self.what(), crate::show::signed(self.at, mark));
        Unmet::failed(message).with_hint(format!(
            "if the test is about that, `Given \"{}\" may break the protocol` allows it",
            self.board
        ))
    }
}

/// The first packet that violates the specification, of a board that is not allowed to.
#[must_use]
pub fn violation(events: &[&RunEvent], is_allowed: &impl Fn(&str) -> bool) -> Option<Violation> {
    let mut allowed = std::collections::BTreeSet::new();
    events.iter().find_map(|event| match &event.what {
        What::Allowed { board, allowance: Allowance::ProtocolViolation } => {
            allowed.insert(board.clone());
            None
        }
        What::ProtocolViolation { board, rule, .. } if !allowed.contains(board) && !is_allowed(board) => {
            Some(Violation { board: board.clone(), rule: rule.clone(), seq: event.seq, at: event.at })
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use hil_timeline::{Epoch, Timeline};

    use super::*;

    fn judged(events: Vec<What>) -> Option<Trouble> {
        let started = What::ResetReleased { board: board() };
        judged_from_the_beginning([vec![started], events].concat(), &|_: &str, _: Finding, _: &str| false)
    }

    fn judged_from_the_beginning(events: Vec<What>, expectations: &impl Expectations) -> Option<Trouble> {
        let timeline = Timeline::in_memory(Epoch::start());
        let events: Vec<_> = events.into_iter().map(|what| timeline.record(None, what)).collect();
        let events: Vec<&RunEvent> = events.iter().map(AsRef::as_ref).collect();
        trouble("lamp", &events, Cursor::default(), expectations)
    }

    fn found(finding: Finding, detail: &str) -> What {
        What::Found { board: "lamp".into(), finding, detail: detail.into() }
    }

    fn board() -> String {
        "lamp".to_owned()
    }

    #[test]
    fn a_panic_and_what_follows_is_one_trouble() {
        let events = vec![
            found(Finding::Boot, "POWERON"),
            found(Finding::Panic, "Guru Meditation Error: Core  0"),
            found(Finding::Backtrace, "Guru Meditation Error: Core  0\n\nMEPC    : 0x42001234"),
            found(Finding::Boot, "RTC_SW_CPU_RST"),
            found(Finding::Reboot, "RTC_SW_CPU_RST"),
        ];
        let trouble = judged(events).expect("trouble");
        assert_eq!((trouble.finding, trouble.complete), (Finding::Panic, true));
        assert_eq!(trouble.backtrace, ["MEPC    : 0x42001234"]);
        assert!(!judged(vec![found(Finding::Panic, "x")]).expect("trouble").complete, "its backtrace is still to come");
    }

    #[test]
    fn expected_findings_are_not_a_problem() {
        assert_eq!(judged(vec![found(Finding::Boot, "POWERON"), found(Finding::AppStarted, "")]), None);
        let allowed = What::Allowed { board: board(), allowance: Allowance::Reboot };
        assert_eq!(judged(vec![allowed.clone(), found(Finding::Reboot, "SW"), found(Finding::BootLoop, "3")]), None);
        assert!(judged(vec![allowed, found(Finding::Panic, "x")]).is_some(), "a panic is not a restart by design");
        let dying = [
            What::PowerSwitching { board: board(), on: false },
            found(Finding::BrownOut, "Brownout detector was triggered"),
            What::Power { board: board(), rail: String::new(), on: false },
            found(Finding::Ended, "with code 1"),
        ];
        assert_eq!(judged(dying.to_vec()), None);
        let killed = [What::Signalled { board: board(), signal: "KILL".into() }, found(Finding::Ended, "by signal 9")];
        assert_eq!(judged(killed.to_vec()), None);
        assert!(judged(vec![found(Finding::Ended, "with code 1")]).is_some());
    }

    #[test]
    fn a_boot_from_before_the_scenario_is_not_judged() {
        let of_before =
            [found(Finding::Boot, "POWERON"), found(Finding::Reboot, "POWERON"), found(Finding::Panic, "x")];
        let nothing = |_: &str, _: Finding, _: &str| false;
        let judged = |before: &[What]| judged_from_the_beginning([before, &of_before].concat(), &nothing);
        assert_eq!(judged(&[]), None);
        let on = [
            What::PowerSwitching { board: board(), on: true },
            What::Power { board: board(), rail: String::new(), on: true },
        ];
        assert!(judged(&on).is_some());
        let firmware = What::Firmware {
            board: board(),
            firmware: "new".to_owned(),
            hash: String::new(),
            size: 0,
            version: None,
            runs: None,
        };
        assert_eq!(
            judged(&[&[firmware][..], &on].concat()),
            None,
            "the earlier firmware runs until the flash is written"
        );
    }

    #[test]
    fn the_boot_after_a_crash_that_a_step_expects_is_part_of_it() {
        let crash = |then: &[What]| {
            let panic = [
                What::ResetReleased { board: board() },
                found(Finding::Panic, "Guru"),
                found(Finding::Backtrace, "Guru"),
            ];
            let expects = |_: &str, finding: Finding, _: &str| finding == Finding::Panic;
            judged_from_the_beginning([&panic[..], then].concat(), &expects).map(|trouble| trouble.finding)
        };
        let boot = [found(Finding::Boot, "W"), found(Finding::Watchdog, "rst:0x7"), found(Finding::Reboot, "W")];
        assert_eq!(crash(&boot), None);
        assert_eq!(crash(&[&boot[..], &boot[..]].concat()), Some(Finding::Watchdog), "it is expected once");
    }

    #[test]
    fn an_emulator_that_ends_by_itself_is_the_fault_of_the_bench() {
        let ended = || found(Finding::EmulatorEnded, "with code 1\nqemu: could not open the flash");
        let unmet = judged(vec![ended()]).expect("trouble").unmet(Stamp(0));
        assert_eq!(unmet.verdict, hil_timeline::Verdict::Errored);
        assert!(
            unmet.failure.message.starts_with("the emulator of `lamp` ended with code 1, and no step asked for it")
        );
        assert_eq!(unmet.failure.details, ["it wrote `qemu: could not open the flash`"]);
        let off = What::PowerSwitching { board: board(), on: false };
        assert_eq!(judged(vec![off, ended()]), None, "it lost its power");
    }

    #[test]
    fn every_kind_has_its_description() {
        let kinds = [
            (Finding::Panic, "panicked at src/main.rs:1:"),
            (Finding::Abort, "abort() was called at PC 0x1"),
            (Finding::Exception, "OSError: 113"),
            (Finding::Watchdog, "rst:0x7 (TG0WDT_SYS_RST)"),
            (Finding::BrownOut, "Brownout detector was triggered"),
            (Finding::BootLoop, "3 boots in 1.0 s, the last from RTC_SW_CPU_RST"),
            (Finding::Reboot, "RTC_SW_CPU_RST"),
            (Finding::Reboot, "EFUSE_RST"),
            (Finding::Ended, "with code 1"),
            (Finding::EmulatorEnded, "with code 1"),
            (Finding::Unsupported, "deep sleep is not supported: use a real board"),
        ];
        let mut text = String::new();
        for (finding, detail) in kinds {
            let unmet = judged(vec![found(finding, detail)]).expect("trouble").unmet(Stamp(0));
            let message = unmet.failure.message.rsplit_once(", ").map_or("", |(message, _)| message).to_owned();
            text.push_str(&format!("{}: {message}\n", unmet.verdict.word()));
            text.extend(unmet.failure.hint.map(|hint| format!("  hint: {hint}\n")));
        }
        insta::assert_snapshot!(text);
    }
}
