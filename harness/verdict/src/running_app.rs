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

/// All starts of a board, in order. Lines before the first start belong to one of their own.
#[must_use]
pub fn app_starts<'a>(board: &str, events: impl IntoIterator<Item = &'a RunEvent>) -> Vec<AppStart> {
    let mut starts = vec![AppStart::default()];
    for event in events {
        match &event.what {
            What::Found { board: of, finding: Finding::Boot, .. } if of == board => {
                starts.push(AppStart { at: Some(event.at), ..AppStart::default() });
            }
            What::Console { board: of, line } if of == board => {
                if let Some(start) = starts.last_mut() {
                    start.offset = started_at(line).or(start.offset);
                    start.version = app_version(line).or(start.version.take());
                }
            }
            _ => {}
        }
    }
    if starts[0].offset.is_none() && starts[0].version.is_none() {
        starts.remove(0);
    }
    starts
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
    use super::*;

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
