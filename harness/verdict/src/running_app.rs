//! Which app a board runs, as its console shows it.
//!
//! The bootloader of ESP-IDF says where the app is that it starts, and the app says what it is (`app_init`, before
//! ESP-IDF 5.1 `cpu_start`). A board without these lines may publish its version.

use hil_timeline::{Finding, RunEvent, Stamp, What};

use crate::console::without_escapes;

/// What is known of a start of a board.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppStart {
    /// When it began; none for what runs since before the records.
    pub at: Option<Stamp>,
    /// Where the bootloader found the app in flash.
    pub offset: Option<u32>,
    /// The version in its app descriptor.
    pub version: Option<String>,
}

impl AppStart {
    /// Whether nothing shows what was started.
    fn is_unknown(&self) -> bool {
        self.offset.is_none() && self.version.is_none()
    }
}

/// All starts of a board, in order. Lines before the first start belong to one of their own.
#[must_use]
pub fn app_starts<'a>(board: &str, events: impl IntoIterator<Item = &'a RunEvent>) -> Vec<AppStart> {
    let mut starts = vec![AppStart::default()];
    // The bench has started it, and its ROM has said nothing yet.
    let mut is_asked = false;
    for event in events {
        if ends_app(event, board) {
            // Its boot is the start that the bench asked for.
            if is_asked && starts.last().is_some_and(AppStart::is_unknown) {
                starts.pop();
            }
            is_asked = !matches!(event.what, What::Found { .. });
            starts.push(AppStart { at: Some(event.at), ..AppStart::default() });
        }
        if let (What::Console { board: of, line }, Some(start)) = (&event.what, starts.last_mut())
            && of == board
        {
            start.offset = started_at(line).or(start.offset);
            start.version = app_version(line).or(start.version.take());
        }
    }
    if starts[0].is_unknown() {
        starts.remove(0);
    }
    starts
}

/// Whether what ran before a record runs no more: the board boots, is reset, or its rails are switched. Its ROM may print
/// later than a reset, or never.
#[must_use]
pub fn ends_app(event: &RunEvent, board: &str) -> bool {
    match &event.what {
        What::Found { board: of, finding: Finding::Boot, .. }
        | What::Reset { board: of, .. }
        | What::PowerSwitching { board: of, .. }
        | What::Power { board: of, on: false, .. } => of == board,
        _ => false,
    }
}

/// The version that a line of an app says.
#[must_use]
pub fn app_version(line: &str) -> Option<String> {
    let line = without_escapes(line);
    let (before, version) = line.split_once("App version:")?;
    let version = version.trim();
    let of_the_system = ["app_init: ", "cpu_start: "].iter().any(|tag| before.ends_with(tag));
    (of_the_system && !version.is_empty()).then(|| version.to_owned())
}

/// Where the bootloader found the app that it starts (`bootloader_utility.c`).
#[must_use]
pub fn started_at(line: &str) -> Option<u32> {
    let line = without_escapes(line);
    let (_, offset) = line.split_once("boot: Loaded app from partition at offset 0x")?;
    u32::from_str_radix(offset.trim(), 16).ok()
}

/// Whether a payload says a version: as a word of it, so that `1.1.0` is not found in `11.1.0` or in `1.1.0-beta`.
#[must_use]
pub fn says_version(payload: &str, version: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '_');
    payload.match_indices(version).any(|(at, _)| {
        let (before, after) = (&payload[..at], &payload[at + version.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

#[cfg(test)]
mod tests {
    use hil_timeline::{Epoch, Timeline};

    use super::*;

    fn starts(what: Vec<What>) -> Vec<(Option<u32>, Option<String>)> {
        let timeline = Timeline::in_memory(Epoch::start());
        let events = timeline.record_all(None, what);
        let starts = app_starts("lamp", events.iter().map(AsRef::as_ref));
        starts.into_iter().map(|start| (start.offset, start.version)).collect()
    }

    #[test]
    fn what_ran_before_a_reset_or_a_cut_is_not_what_runs() {
        let board = || "lamp".to_owned();
        let says = |line: &str| What::Console { board: board(), line: line.to_owned() };
        let boot = || What::Found { board: board(), finding: Finding::Boot, detail: String::new() };
        let runs =
            || [boot(), says("boot: Loaded app from partition at offset 0x10000"), says("app_init: App version: 1")];
        let shown = || (Some(0x1_0000), Some("1".to_owned()));
        let reset = || What::Reset { board: board(), how: String::new() };
        let switching = |on| What::PowerSwitching { board: board(), on };
        let power = |on| What::Power { board: board(), rail: String::new(), on };
        for after in [vec![reset()], vec![switching(false)], vec![power(false)], vec![switching(false), power(false)]] {
            let all = runs().into_iter().chain(after).collect();
            assert_eq!(starts(all), [shown(), (None, None)]);
        }
        // A boot that the bench asked for is one start, and one of its own another.
        let cut = [switching(false), power(false), switching(true), power(true)];
        let all = runs().into_iter().chain(cut).chain(runs()).chain([reset()]).chain(runs()).chain(runs());
        assert_eq!(starts(all.collect()), [shown(), shown(), shown(), shown()]);
        let other = What::Reset { board: "other".to_owned(), how: String::new() };
        assert_eq!(starts(runs().into_iter().chain([other]).collect()), [shown()]);
    }

    #[test]
    fn lines_of_bootloader_and_system_are_read_and_others_are_not() {
        assert_eq!(app_version("I (31) app_init: App version:      1.1.0-3-gabc"), Some("1.1.0-3-gabc".to_owned()));
        assert_eq!(app_version("\x1b[0;32mI (31) cpu_start: App version: v2\x1b[0m"), Some("v2".to_owned()));
        for line in ["App version: 1", "I (3) app_init: App version:", "I (9) mine: App version: 3"] {
            assert_eq!(app_version(line), None, "{line}");
        }
        assert_eq!(started_at("I (85) boot: Loaded app from partition at offset 0x150000"), Some(0x15_0000));
        assert_eq!(started_at("I (85) boot: Loaded app from partition at offset 0xzz"), None);
    }

    #[test]
    fn a_payload_says_a_version_only_as_a_word() {
        for payload in ["1.1.0", "runs 1.1.0", r#"{"version":"1.1.0"}"#, "1.1.0 (ok)"] {
            assert!(says_version(payload, "1.1.0"), "{payload}");
        }
        for payload in ["11.1.0", "1.1.0-beta", "1.1.0.1", "v1.1.0", ""] {
            assert!(!says_version(payload, "1.1.0"), "{payload}");
        }
    }
}
