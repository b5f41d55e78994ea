//! What the console shows about the chip: boots, boot loops, panics, aborts, brown-outs, watchdogs.

use std::collections::VecDeque;
use std::sync::LazyLock;
use std::time::Duration;

use hil_timeline::{Finding, Stamp};
use regex::Regex;

use crate::console::without_escapes;

use crate::reset_cause::ResetCause;

/// The ROM's line with the reset cause and boot mode: `rst:0x1 (POWERON),boot:0xd (SPI_FAST_FLASH_BOOT)`.
static ROM_LINE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"rst:0x([0-9a-f]+) \(([A-Z0-9_]+)\),boot:0x[0-9a-f]+ \(([^)]*)").ok());

/// The same of an ESP8266: ` ets Jan  8 2013,rst cause:2, boot mode:(3,6)`.
static ROM_LINE_8266: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"ets Jan\s+8 2013,(rst cause:\d+), boot mode:").ok());

/// What the ROM and the second-stage bootloader of ESP-IDF print between the chip's reset and the app.
static BOOTLOADER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let lines = r"^(?:[EWIDV] \(\d+\) (?:boot|bootloader|esp_image|qio_mode|flash_|secure_boot|efuse|rtc_)|load:0x|entry 0x|mode:|SPIWP:|clk_drv:|configsip:|ESP-ROM:|Build:|Saved PC:|~ld|chksum|csum|tail |ho )";
    Regex::new(lines).ok()
});

/// How firmware reports a crash, at the beginning of a line, grouped by source: an app that logs such words in the
/// middle of a line is alive.
const CRASHES: &[(&str, Finding)] = &[
    // ESP-IDF, `panic.c`, `panic_handler.c`, `assert.c`, `task_wdt.c`, `brownout.c`.
    ("abort() was called at PC", Finding::Abort),
    ("assert failed: ", Finding::Abort),
    ("***ERROR*** A stack overflow in task", Finding::Panic),
    ("Stack smashing protect failure!", Finding::Abort),
    ("CORRUPT HEAP: ", Finding::Abort),
    ("Task watchdog got triggered", Finding::Watchdog),
    // libstdc++.
    ("terminate called ", Finding::Abort),
    // Rust: the standard library, esp-backtrace, esp-hal's exception handler.
    ("====== PANIC ======", Finding::Panic),
    ("====================== PANIC ======", Finding::Panic),
    ("!! A panic occured in", Finding::Panic),
    ("!! An exception has occured", Finding::Panic),
    ("Exception occurred '", Finding::Panic),
    // Arduino for the ESP8266, `core_esp8266_postmortem.cpp`.
    ("Soft WDT reset", Finding::Watchdog),
    ("User exception (panic/abort/assert)", Finding::Panic),
    ("Panic core_esp8266", Finding::Panic),
];

/// The ones that need a regular expression.
static CRASH_LINES: LazyLock<Vec<(Regex, Finding)>> = LazyLock::new(|| {
    let lines = [
        // As a log line, and as older versions of ESP-IDF print it.
        (r"^(?:E (?:\(\d+\) )?(?:BOD|brownout): )?Brownout detector was triggered", Finding::BrownOut),
        (r"^E \(\d+\) task_wdt: Task watchdog got triggered", Finding::Watchdog),
        (r"^Guru Meditation Error: Core .*Interrupt wdt timeout on CPU", Finding::Watchdog),
        (r"Guru Meditation Error: Core", Finding::Panic),
        // With its location: `src/main.rs:1:2:` after it, or `'why', src/main.rs:1:2` before Rust 1.73.
        (r"^(?:thread '.*?' (?:\(\d+\) )?)?panicked at (?:'|.*:\d+)", Finding::Panic),
        // newlib's assert().
        (r#"^assertion ".*" failed: file "#, Finding::Abort),
        // The exception dump of Arduino for the ESP8266.
        (r"^Exception \(\d+\):", Finding::Panic),
        // The SDK below MicroPython and NodeMCU on the ESP8266.
        (r"^Fatal exception (?:\(?\d+\)?)", Finding::Panic),
        // Its ROM after a hardware watchdog.
        (r"^wdt reset$", Finding::Watchdog),
    ];
    lines.into_iter().filter_map(|(regex, finding)| Some((Regex::new(regex).ok()?, finding))).collect()
});

/// A finding with its detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What was found.
    pub finding: Finding,
    /// The reset cause, or the line that shows it.
    pub detail: String,
}

/// Reads a console line by line.
///
/// # Example
/// ```
/// use hil_timeline::{Finding, Stamp};
/// use hil_verdict::Detector;
/// let mut detector = Detector::default();
/// let found = detector.line("rst:0x1 (POWERON),boot:0xd (SPI_FAST_FLASH_BOOT)", Stamp(0));
/// assert_eq!((found[0].finding, found[0].detail.as_str()), (Finding::Boot, "POWERON"));
/// ```
#[derive(Debug, Default)]
pub struct Detector {
    /// Boots that the bench caused and that have not been seen yet.
    expected: u32,
    /// Times of the latest unexpected boots.
    unasked: VecDeque<Stamp>,
    /// The panic output so far.
    panic: Option<Vec<String>>,
    /// The ROM has started the bootloader; the app has not printed anything yet.
    handed_over: bool,
    exception: Exception,
}

/// The Python traceback so far. Only a traceback that ends the program is a problem: a caught exception may be
/// printed as well.
#[derive(Debug, Default)]
enum Exception {
    #[default]
    None,
    Traceback(Vec<String>),
    Raised(Vec<String>),
}

impl Detector {
    /// This many unexpected boots within [`Detector::LOOP_WITHIN`] are a boot loop.
    pub const LOOP_BOOTS: usize = 3;
    /// See [`Detector::LOOP_BOOTS`].
    pub const LOOP_WITHIN: Duration = Duration::from_secs(10);

    /// A panic's output ends after this many lines.
    const LONGEST_PANIC: usize = 120;

    /// The bench resets or powers the chip: the next boot is expected.
    pub fn expect_boot(&mut self) {
        self.expected = 1;
        self.unasked.clear();
        self.panic = None;
        self.handed_over = false;
        self.exception = Exception::None;
    }

    /// Takes a line and its time.
    pub fn line(&mut self, line: &str, at: Stamp) -> Vec<Found> {
        let plain = without_escapes(line);
        let line = plain.trim_matches(|c: char| c.is_control() || c == ' ');
        let mut all = Vec::new();
        all.extend(self.follow_panic(line));
        all.extend(self.follow_exception(line));
        if let Some(cause) = boot_cause(line) {
            self.handed_over = false;
            all.extend(self.boot(&cause, line, at));
        } else if let Some(finding) = crash(line) {
            // A panic handler that panics, or a register dump that repeats the first line, is the same crash. A task
            // watchdog may only print, and a panicking thread need not be the last: what comes after is another crash.
            let was_survived = |lines: &Vec<String>| {
                let first = lines.first().map_or("", String::as_str);
                first.contains("Task watchdog got triggered") || first.starts_with("thread '")
            };
            if finding != Finding::Abort && self.panic.as_ref().is_some_and(was_survived) {
                let lines = self.panic.take().unwrap_or_default();
                let before = lines.split_last().map_or_else(Vec::new, |(_, before)| before.to_vec());
                all.push(Found { finding: Finding::Backtrace, detail: before.join("\n") });
            }
            if self.panic.is_none() {
                all.push(Found { finding, detail: line.to_owned() });
                self.panic = Some(vec![line.to_owned()]);
            }
            self.handed_over = false;
        } else if line.ends_with("soft reboot") && line.starts_with("MPY: ") {
            all.push(Found { finding: Finding::Boot, detail: "soft reset".to_owned() });
            all.extend(self.unexpected_boot("soft reset", at));
        } else {
            all.extend(self.follow_hand_over(line));
        }
        all
    }

    /// The ROM boots the chip.
    fn boot(&mut self, cause: &str, line: &str, at: Stamp) -> Vec<Found> {
        let found = |finding| Found { finding, detail: line.to_owned() };
        let mut all = vec![Found { finding: Finding::Boot, detail: cause.to_owned() }];
        let unexpected_boot = self.unexpected_boot(cause, at);
        // A supply that was just cut on purpose sags, and some flashers reset a chip by its watchdog.
        if !unexpected_boot.is_empty() {
            match ResetCause::of(cause) {
                ResetCause::BrownOut => all.push(found(Finding::BrownOut)),
                ResetCause::Watchdog => all.push(found(Finding::Watchdog)),
                _ => {}
            }
        }
        all.extend(unexpected_boot);
        all
    }

    /// The app runs when the bootloader reports it, or when anything prints that is neither ROM nor bootloader:
    /// Arduino's bootloader prints nothing.
    fn follow_hand_over(&mut self, line: &str) -> Option<Found> {
        let started = || Some(Found { finding: Finding::AppStarted, detail: line.to_owned() });
        if line.contains("boot: Loaded app from partition") {
            self.handed_over = false;
            return started();
        }
        if line.starts_with("entry 0x") || line.starts_with("~ld") || line.starts_with("csum 0x") {
            self.handed_over = true;
            return None;
        }
        let is_bootloader = || BOOTLOADER.as_ref().is_some_and(|lines| lines.is_match(line));
        if !self.handed_over || line.is_empty() || is_bootloader() {
            return None;
        }
        self.handed_over = false;
        started()
    }

    /// Collects the panic output, registers and backtrace, until the chip reboots or prints no more.
    fn follow_panic(&mut self, line: &str) -> Option<Found> {
        let lines = self.panic.as_mut()?;
        // `Rebooting...` is ESP-IDF's last line; the ROM's line begins the next boot.
        let over = ["Rebooting...", "<<<stack<<<", "rst:0x", "rst cause:"].iter().any(|end| line.contains(end))
            || lines.len() >= Self::LONGEST_PANIC;
        if !over {
            lines.push(line.to_owned());
            return None;
        }
        let detail = self.panic.take()?.join("\n");
        Some(Found { finding: Finding::Backtrace, detail })
    }

    /// MicroPython prints a traceback, followed by its banner or prompt if the exception was not caught.
    fn follow_exception(&mut self, line: &str) -> Vec<Found> {
        if line.starts_with("Traceback (most recent call last):") {
            self.exception = Exception::Traceback(vec![line.to_owned()]);
            return Vec::new();
        }
        match std::mem::take(&mut self.exception) {
            Exception::None => Vec::new(),
            Exception::Traceback(mut lines) => {
                lines.push(line.to_owned());
                self.exception = if line.starts_with("File \"") && lines.len() < Self::LONGEST_PANIC {
                    Exception::Traceback(lines)
                } else {
                    Exception::Raised(lines)
                };
                Vec::new()
            }
            Exception::Raised(lines) => {
                let is_over =
                    line.starts_with("MicroPython v") || line.starts_with(">>>") || line.starts_with("Type \"help()\"");
                if !is_over {
                    return Vec::new();
                }
                let raised = lines.last().cloned().unwrap_or_default();
                vec![
                    Found { finding: Finding::Exception, detail: raised },
                    Found { finding: Finding::Backtrace, detail: lines.join("\n") },
                ]
            }
        }
    }

    /// What a boot is if the bench did not cause it.
    fn unexpected_boot(&mut self, cause: &str, at: Stamp) -> Vec<Found> {
        if self.expected > 0 {
            self.expected -= 1;
            return Vec::new();
        }
        let mut found = vec![Found { finding: Finding::Reboot, detail: cause.to_owned() }];
        // A device that sleeps between two measurements is not in a boot loop.
        if ResetCause::of(cause) == ResetCause::DeepSleep {
            return found;
        }
        self.unasked.push_back(at);
        while self.unasked.front().is_some_and(|first| at.since(*first) > Self::LOOP_WITHIN) {
            self.unasked.pop_front();
        }
        let boots = self.unasked.len();
        // Reported at each further boot: a reader that begins later must see that it goes on.
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

/// The cause that a ROM prints, if the line is its first.
fn boot_cause(line: &str) -> Option<String> {
    let captured = |regex: &Option<Regex>, group| Some(regex.as_ref()?.captures(line)?.get(group)?.as_str().to_owned());
    captured(&ROM_LINE, 2).or_else(|| captured(&ROM_LINE_8266, 1))
}

/// What a line shows about a crash.
fn crash(line: &str) -> Option<Finding> {
    let by_text = CRASHES.iter().find(|(text, _)| line.starts_with(text)).map(|(_, finding)| *finding);
    by_text.or_else(|| CRASH_LINES.iter().find(|(regex, _)| regex.is_match(line)).map(|(_, finding)| *finding))
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
    fn three_unexpected_boots_within_ten_seconds_are_a_loop_and_so_is_each_further_one() {
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
    fn slow_reboots_sleeping_devices_and_expected_boots_are_not_a_loop() {
        let mut detector = Detector::default();
        assert!(
            !findings(&mut detector, &[(SOFTWARE, 0), (SOFTWARE, 6), (SOFTWARE, 12), (SOFTWARE, 18)])
                .contains(&Finding::BootLoop)
        );
        let wakes = "rst:0x5 (DEEPSLEEP_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)";
        assert_eq!(findings(&mut detector, &[(wakes, 20); 4]), [Finding::Boot, Finding::Reboot].repeat(4));
        for _ in 0..5 {
            detector.expect_boot();
            assert_eq!(findings(&mut detector, &[(SOFTWARE, 20)]), [Finding::Boot]);
        }
    }

    /// Each line as its source prints it.
    #[test]
    fn crash_messages_of_every_source_are_found() {
        let cases = [
            ("rst:0xf (BROWN_OUT_RST),boot:0xd (SPI_FAST_FLASH_BOOT)", Finding::BrownOut),
            ("rst:0x7 (TG0WDT_SYS_RST),boot:0xd (SPI_FAST_FLASH_BOOT)", Finding::Watchdog),
            (" ets Jan  8 2013,rst cause:4, boot mode:(3,6)", Finding::Watchdog),
            ("Guru Meditation Error: Core  0 panic'ed (Load access fault). Exception was unhandled.", Finding::Panic),
            ("Guru Meditation Error: Core  0 panic'ed (Interrupt wdt timeout on CPU0). ", Finding::Watchdog),
            ("abort() was called at PC 0x420079e9 on core 0", Finding::Abort),
            ("assert failed: xQueueSemaphoreTake queue.c:1549 (pxQueue->uxItemSize == 0)", Finding::Abort),
            ("assertion \"x > 0\" failed: file \"main.c\", line 12, function: app_main", Finding::Abort),
            ("***ERROR*** A stack overflow in task main has been detected.", Finding::Panic),
            (
                "\u{1b}[0;31mE (10330) task_wdt: Task watchdog got triggered. The following tasks did not reset the watchdog in time:\u{1b}[0m",
                Finding::Watchdog,
            ),
            ("Brownout detector was triggered", Finding::BrownOut),
            ("terminate called after throwing an instance of 'std::runtime_error'", Finding::Abort),
            ("thread 'main' panicked at src/main.rs:1:", Finding::Panic),
            ("thread 'main' (4242) panicked at src/main.rs:1:", Finding::Panic),
            ("====================== PANIC ======================", Finding::Panic),
            ("!! A panic occured in 'src/main.rs', at line 12, column 5", Finding::Panic),
            ("Exception occurred 'Load access fault' mepc=0x42000210, mtval=0x00000000", Finding::Panic),
            ("Exception (28):", Finding::Panic),
            ("Fatal exception 29(StoreProhibitedCause):", Finding::Panic),
            ("Fatal exception (0):", Finding::Panic),
            ("E BOD: Brownout detector was triggered", Finding::BrownOut),
            ("thread '<unnamed>' panicked at 'why', src/main.rs:3:5", Finding::Panic),
            ("panicked at src/bin/main.rs:12:9:", Finding::Panic),
            ("Soft WDT reset", Finding::Watchdog),
            ("wdt reset", Finding::Watchdog),
            ("I (90) boot: Loaded app from partition at offset 0x10000", Finding::AppStarted),
            ("MPY: soft reboot", Finding::Reboot),
        ];
        for (line, finding) in cases {
            assert!(findings(&mut Detector::default(), &[(line, 0)]).contains(&finding), "{line}");
        }
        for line in [
            "mqtt: connected",
            "no panic",
            "I (5) app: exception handling is on",
            "the wdt reset was fed",
            "WARN Exception occurred 'timed out', retrying",
            "got message on loger: lamp panicked at noon",
            "I (300) app: reason of the last reset: Brownout detector was triggered",
            "I (1) test: 0 assert failed: none",
            "",
        ] {
            assert!(findings(&mut Detector::default(), &[(line, 0)]).is_empty(), "{line}");
        }
    }

    #[test]
    fn an_expected_reset_cause_is_not_a_finding_about_the_firmware() {
        let mut detector = Detector::default();
        detector.expect_boot();
        let line = "rst:0xf (BROWN_OUT_RST),boot:0xd (SPI_FAST_FLASH_BOOT)";
        assert_eq!(findings(&mut detector, &[(line, 0)]), [Finding::Boot], "the supply was cut on purpose");
    }

    #[test]
    fn an_app_starts_whatever_its_bootloader_prints() {
        let rom = [("ESP-ROM:esp32c3-api1-20210207", 0), ("load:0x3fcd5820,len:0x1738", 0), ("entry 0x403cc710", 0)];
        let mut detector = Detector::default();
        assert!(findings(&mut detector, &rom).is_empty());
        let quiet = ("\u{1b}[0;32mI (23) boot: ESP-IDF v5.1 2nd stage bootloader\u{1b}[0m", 0);
        assert!(findings(&mut detector, &[quiet, ("", 0)]).is_empty());
        assert_eq!(findings(&mut detector, &[("Hello from Arduino", 1), ("more", 1)]), [Finding::AppStarted]);
        assert_eq!(findings(&mut detector, &rom), []);
        let refused = ("E (89) boot: Factory app partition is not bootable", 0);
        assert!(findings(&mut detector, &[refused]).is_empty());
    }

    #[test]
    fn only_an_exception_that_ends_the_program_is_found() {
        let raised = [
            ("Traceback (most recent call last):", 0),
            ("  File \"main.py\", line 3, in <module>", 0),
            ("OSError: [Errno 113] EHOSTUNREACH", 0),
        ];
        let mut caught = raised.to_vec();
        caught.push(("mqtt stopped", 0));
        caught.push(("MicroPython v1.23.0 on 2024-06-02; ESP32C3 module with ESP32C3", 0));
        assert!(findings(&mut Detector::default(), &caught).is_empty());
        let mut uncaught = raised.to_vec();
        uncaught.push(("MicroPython v1.23.0 on 2024-06-02; ESP32C3 module with ESP32C3", 0));
        assert_eq!(findings(&mut Detector::default(), &uncaught), [Finding::Exception, Finding::Backtrace]);
    }
}
