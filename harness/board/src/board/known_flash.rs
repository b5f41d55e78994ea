//! The known contents of a board's flash, and the app that it runs.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::LazyLock;

use hil_timeline::{Cursor, Evidence, RunEvent, ScenarioId, Timeline, Verdict, What};
use regex::Regex;

use crate::flashing::{BootApp, Region};

/// Regions that the bench wrote or compared itself, and a firmware that booted from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownFlash {
    regions: u64,
    /// Events before this are no reason to doubt.
    seen: Cursor,
}

impl KnownFlash {
    pub(crate) fn new(regions: &[Region], seen: Cursor) -> Self {
        Self { regions: fingerprint(regions), seen }
    }

    /// Whether the flash must still hold these regions: they are the same, and nothing has happened since that gives a
    /// reason to ask.
    pub(crate) fn holds(&self, regions: &[Region], timeline: &Timeline, board: &str) -> bool {
        self.regions == fingerprint(regions) && !is_doubtful(&timeline.since(self.seen), board)
    }
}

/// Valid within this process; not stored.
fn fingerprint(regions: &[Region]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for region in regions {
        (region.address, &region.data, region.role).hash(&mut hasher);
    }
    hasher.finish()
}

/// A port that was lost, a cut that is contradicted, a note of the bench on the board, or a step that did not pass in a
/// scenario with it.
fn is_doubtful(events: &[std::sync::Arc<RunEvent>], board: &str) -> bool {
    let of_board = |event: &&std::sync::Arc<RunEvent>| event.what.board() == Some(board);
    let scenarios: Vec<ScenarioId> = events.iter().filter(of_board).filter_map(|event| event.scenario).collect();
    events.iter().any(|event| match &event.what {
        What::StepFinished { outcome } => {
            outcome.verdict != Verdict::Passed && event.scenario.is_some_and(|id| scenarios.contains(&id))
        }
        what if what.board() == Some(board) => matches!(
            what,
            What::ConsoleLost { .. }
                | What::Bench { .. }
                | What::Flash { .. }
                | What::PowerCut { evidence: Evidence::Contradicted, .. }
        ),
        _ => false,
    })
}

/// Lines of ESP-IDF's bootloader and start-up code about an app.
static APP_LINE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?:boot: (Loaded app from partition at offset) (0x[0-9a-fA-F]+)|(?:app_init|cpu_start): (Project name|App version|ELF file SHA256): +([^\x1b]*))",
    )
    .ok()
});

/// How a line of the console differs from the app that must boot; none if it matches, or is about something else.
pub(crate) fn other_app(line: &str, boots: &BootApp) -> Option<String> {
    let said = APP_LINE.as_ref()?.captures(line)?;
    if let (Some(what), Some(offset)) = (said.get(1), said.get(2)) {
        let (what, offset) = (what.as_str(), offset.as_str());
        let found = u32::from_str_radix(&offset[2..], 16).ok()?;
        let differs = found != boots.offset;
        return differs.then(|| format!("it says `{what} {offset}`, and the image has it at {:#x}", boots.offset));
    }
    let (what, value) = (said.get(3)?.as_str(), said.get(4)?.as_str().trim());
    let app = boots.app.as_ref()?;
    let (wanted, fits) = match what {
        "Project name" => (app.project.as_str(), value == app.project.trim()),
        "App version" => (app.version.as_str(), value == app.version.trim()),
        // Only its beginning is printed: `1f2a3b4c5...`.
        _ => {
            let wanted = app.elf_hash.as_deref()?;
            let printed = value.trim_end_matches('.').to_ascii_lowercase();
            (wanted, printed.is_empty() || wanted.starts_with(&printed))
        }
    };
    let shown = &wanted[..wanted.len().min(32)];
    (!fits).then(|| format!("it says `{what}: {value}`, and the image has `{shown}`"))
}

#[cfg(test)]
mod tests {
    use hil_timeline::{Epoch, FlashPhase, StepOutcome};

    use super::*;
    use crate::flashing::{App, Role};

    fn boots() -> BootApp {
        let app =
            App { project: "lamp".to_owned(), version: "1.0.0".to_owned(), elf_hash: Some("1f2a3b4c5d6e".to_owned()) };
        BootApp { offset: 0x10000, slot: None, length: 0, app: Some(app) }
    }

    #[test]
    fn apps_are_distinguished_by_place_name_version_and_hash() {
        let fits = [
            "I (120) boot: Loaded app from partition at offset 0x10000",
            "\x1b[0;32mI (131) app_init: Project name:     lamp\x1b[0m",
            "I (131) cpu_start: App version:      1.0.0",
            "I (131) app_init: ELF file SHA256:  1f2a3b4c5...",
            "I (140) app_init: Compile time:     Nov 21 2026 10:00:00",
        ];
        for line in fits {
            assert_eq!(other_app(line, &boots()), None, "{line}");
        }
        let differs = [
            ("I (120) boot: Loaded app from partition at offset 0x150000", "0x150000"),
            ("I (131) app_init: Project name:     lamp-2", "lamp-2"),
            ("I (131) app_init: App version:      1.0.1", "1.0.1"),
            ("I (131) cpu_start: ELF file SHA256:  2f2a3b4c5...", "2f2a"),
        ];
        for (line, part) in differs {
            assert!(other_app(line, &boots()).is_some_and(|found| found.contains(part)), "{line}");
        }
    }

    #[test]
    fn every_doubt_causes_the_flash_to_be_verified_again() {
        let region = |byte| Region { address: 0, data: vec![byte], role: Role::Program };
        let board = || "lamp".to_owned();
        let failed = StepOutcome { verdict: Verdict::Failed, took_us: 1, mark: None, deadline: None, failure: None };
        let passed = StepOutcome { verdict: Verdict::Passed, ..failed.clone() };
        let line = What::Console { board: board(), line: "x".to_owned() };
        let cases: [(&str, Vec<What>, bool); 7] = [
            ("nothing", vec![line.clone()], true),
            ("a step that passed", vec![line.clone(), What::StepFinished { outcome: passed }], true),
            ("a step that failed", vec![line, What::StepFinished { outcome: failed }], false),
            ("a lost port", vec![What::ConsoleLost { board: board() }], false),
            ("a lost port of another", vec![What::ConsoleLost { board: "other".to_owned() }], true),
            ("a note", vec![What::Bench { board: board(), note: String::new() }], false),
            (
                "another flash",
                vec![What::Flash {
                    board: board(),
                    firmware: "f".to_owned(),
                    flash: FlashPhase::Connecting { attempt: 1 },
                }],
                false,
            ),
        ];
        for (name, events, holds) in cases {
            let timeline = Timeline::in_memory(Epoch::start());
            let known = KnownFlash::new(&[region(1)], timeline.end());
            assert!(!known.holds(&[region(2)], &timeline, "lamp"), "another firmware");
            events.into_iter().for_each(|what| drop(timeline.record(Some(ScenarioId(1)), what)));
            assert_eq!(known.holds(&[region(1)], &timeline, "lamp"), holds, "{name}");
        }
    }
}
