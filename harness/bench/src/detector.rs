//! What the console says about the chip: boots, boot loops, panics, brown-outs, watchdogs.

use std::collections::VecDeque;
use std::sync::LazyLock;
use std::time::Duration;

use hil_timeline::{Finding, Stamp};
use regex::Regex;

/// The ROM's line on why and how the chip boots: `rst:0x1 (POWERON),boot:0xd (SPI_FAST_FLASH_BOOT)`.
static ROM_LINE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"rst:0x([0-9a-f]+) \(([A-Z0-9_]+)\),boot:0x[0-9a-f]+ \(([^)]*)").ok());

/// A finding with its detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What was found.
    pub finding: Finding,
    /// The reset cause, or the line that says it.
    pub detail: String,
}

/// Reads a console line by line.
///
/// # Example
/// ```
/// use hil_bench::Detector;
/// use hil_timeline::{Finding, Stamp};
/// let mut detector = Detector::default();
/// let found = detector.line("rst:0x1 (POWERON),boot:0xd (SPI_FAST_FLASH_BOOT)", Stamp(0));
/// assert_eq!((found[0].finding, found[0].detail.as_str()), (Finding::Boot, "POWERON"));
/// ```
#[derive(Debug, Default)]
pub struct Detector {
    /// Boots that the bench asked for and that have not been seen yet.
    expected: u32,
    /// When the latest boots were that nobody asked for.
    unasked: VecDeque<Stamp>,
    /// What the firmware has printed about its panic so far.
    panic: Option<Vec<String>>,
}

impl Detector {
    /// This many boots that nobody asked for within [`Detector::LOOP_WITHIN`] are a boot loop.
    pub const LOOP_BOOTS: usize = 3;
    /// See [`Detector::LOOP_BOOTS`].
    pub const LOOP_WITHIN: Duration = Duration::from_secs(10);

    /// A panic's text is taken to end after so many lines.
    const LONGEST_PANIC: usize = 120;

    /// The bench resets the chip or gives it power: the next boot is no surprise.
    pub fn expect_boot(&mut self) {
        self.expected = 1;
        self.unasked.clear();
    }

    /// Takes a line and the moment it came.
    pub fn line(&mut self, line: &str, at: Stamp) -> Vec<Found> {
        let found = |finding, detail: &str| Found { finding, detail: detail.to_owned() };
        let mut all = Vec::new();
        all.extend(self.follow_panic(line));
        if let Some(captures) = ROM_LINE.as_ref().and_then(|regex| regex.captures(line)) {
            let cause = &captures[2];
            all.push(found(Finding::Boot, cause));
            if cause.contains("BROWN") {
                all.push(found(Finding::BrownOut, line));
            } else if cause.contains("WDT") {
                all.push(found(Finding::Watchdog, line));
            }
            all.extend(self.surprise(cause, at));
        } else if line.contains("boot: Loaded app from partition") {
            all.push(found(Finding::AppStarted, line));
        } else if line.contains("Guru Meditation Error") || line.contains("panicked at ") {
            all.push(found(Finding::Panic, line));
            if self.panic.is_none() {
                self.panic = Some(vec![line.to_owned()]);
            }
        }
        all
    }

    /// Keeps what the firmware prints about its panic, registers and backtrace, until it reboots or falls silent for good.
    fn follow_panic(&mut self, line: &str) -> Option<Found> {
        let lines = self.panic.as_mut()?;
        // `Rebooting...` is ESP-IDF's last word; the ROM's line is the next life's first.
        let over = line.contains("Rebooting...") || line.contains("rst:0x") || lines.len() >= Self::LONGEST_PANIC;
        if !over {
            lines.push(line.to_owned());
            return None;
        }
        let detail = self.panic.take()?.join("\n");
        Some(Found { finding: Finding::Backtrace, detail })
    }

    /// What a boot is if nobody asked for it.
    fn surprise(&mut self, cause: &str, at: Stamp) -> Vec<Found> {
        if self.expected > 0 {
            self.expected -= 1;
            return Vec::new();
        }
        self.unasked.push_back(at);
        while self.unasked.front().is_some_and(|first| at.since(*first) > Self::LOOP_WITHIN) {
            self.unasked.pop_front();
        }
        let mut found = vec![Found { finding: Finding::Reboot, detail: cause.to_owned() }];
        let boots = self.unasked.len();
        // Told at each further boot: whoever begins to look later must see that it goes on.
        if boots >= Self::LOOP_BOOTS {
            let detail = format!("{boots} boots in {:.1} s, the last from {cause}", self.span().as_secs_f64());
            found.push(Found { finding: Finding::BootLoop, detail });
        }
        found
    }

    fn span(&self) -> Duration {
        match (self.unasked.front(), self.unasked.back()) {
            (Some(first), Some(last)) => last.since(*first),
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOFTWARE: &str = "rst:0xc (RTC_SW_CPU_RST),boot:0xd (SPI_FAST_FLASH_BOOT)";

    fn findings(detector: &mut Detector, lines: &[(&str, u64)]) -> Vec<Finding> {
        lines
            .iter()
            .flat_map(|(line, s)| detector.line(line, Stamp(s * 1_000_000)))
            .map(|found| found.finding)
            .collect()
    }

    #[test]
    fn three_unasked_boots_within_ten_seconds_are_a_loop_and_so_is_each_further_one() {
        let mut detector = Detector::default();
        detector.expect_boot();
        let lines: Vec<_> = (0..6).map(|s| (SOFTWARE, s)).collect();
        let found = findings(&mut detector, &lines);
        assert_eq!(found.iter().filter(|finding| **finding == Finding::BootLoop).count(), 3);
        assert_eq!(found[..4], [Finding::Boot, Finding::Boot, Finding::Reboot, Finding::Boot]);
    }

    #[test]
    fn a_panic_is_kept_whole() {
        let mut detector = Detector::default();
        let text = "Guru Meditation Error: Core  0 panic'ed (Load access fault).\nMEPC    : 0x42001234  RA      : 0x42005678\n\nStack memory:";
        for line in text.lines() {
            assert!(detector.line(line, Stamp(0)).iter().all(|found| found.finding == Finding::Panic));
        }
        let found = detector.line("Rebooting...", Stamp(0));
        assert_eq!(found, [Found { finding: Finding::Backtrace, detail: text.to_owned() }]);
        assert!(detector.line("Rebooting...", Stamp(0)).is_empty());
    }

    #[test]
    fn slow_reboots_and_asked_ones_are_no_loop() {
        let mut detector = Detector::default();
        assert!(
            !findings(&mut detector, &[(SOFTWARE, 0), (SOFTWARE, 6), (SOFTWARE, 12), (SOFTWARE, 18)])
                .contains(&Finding::BootLoop)
        );
        for _ in 0..5 {
            detector.expect_boot();
            assert_eq!(findings(&mut detector, &[(SOFTWARE, 20)]), [Finding::Boot]);
        }
    }

    #[test]
    fn brown_out_watchdog_panic_and_app_start_are_found() {
        let cases = [
            ("rst:0xf (BROWN_OUT_RST),boot:0xd (SPI_FAST_FLASH_BOOT)", Finding::BrownOut),
            ("rst:0x7 (TG0WDT_SYS_RST),boot:0xd (SPI_FAST_FLASH_BOOT)", Finding::Watchdog),
            ("Guru Meditation Error: Core  0 panic'ed (Load access fault).", Finding::Panic),
            ("thread 'main' panicked at src/main.rs:1:", Finding::Panic),
            ("I (90) boot: Loaded app from partition at offset 0x10000", Finding::AppStarted),
        ];
        for (line, finding) in cases {
            assert!(findings(&mut Detector::default(), &[(line, 0)]).contains(&finding), "{line}");
        }
        assert!(findings(&mut Detector::default(), &[("mqtt: connected", 0)]).is_empty());
    }
}
