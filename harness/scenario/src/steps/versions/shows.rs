//! How a board shows which version it runs.

use hil_bench::AppFacts;
use hil_timeline::{Packet, RunEvent, What};
use hil_verdict::{app_version, ends_app, says_version};

use crate::error::StepError;
use crate::stage::Stage;

/// How a board shows that it runs a firmware.
pub(in crate::steps) struct Shows {
    version: String,
    topic: Option<String>,
    /// The other versions that the bench file knows, where they are looked for in payloads.
    others: Vec<String>,
}

impl Shows {
    /// Of a firmware.
    pub(in crate::steps) fn of(stage: &Stage, board: &str, firmware: &str) -> Result<Self, StepError> {
        let topic = stage.firmware(firmware)?.version_topic;
        let version = facts(stage, board, firmware)?.version;
        let version = version.ok_or_else(|| {
            StepError::errored(format!("the firmware `{firmware}` has no version: it can't be recognised"))
                .with_hint("the app descriptor has it: set `PROJECT_VER` in the build, or `version` in the bench file")
        })?;
        let flashed = stage.flashed_all(board).iter().filter(|other| *other != firmware);
        for other in flashed {
            if version_of(stage, board, other).as_ref() == Some(&version) {
                return Err(same_version([firmware, other], &version));
            }
        }
        let names = stage.firmware_names().filter(|_| topic.is_some());
        let others =
            names.filter_map(|name| version_of(stage, board, name)).filter(|other| *other != version).collect();
        Ok(Self { version, topic, others })
    }

    /// One for tests.
    #[cfg(test)]
    pub(in crate::steps) fn for_test(version: &str, topic: Option<&str>) -> Self {
        Self { version: version.to_owned(), topic: topic.map(str::to_owned), others: vec!["1.1.0".to_owned()] }
    }

    /// Those of two firmwares, which must have different versions.
    pub(in crate::steps) fn of_both(stage: &Stage, board: &str, [from, to]: [&str; 2]) -> Result<[Self; 2], StepError> {
        let both = [Self::of(stage, board, from)?, Self::of(stage, board, to)?];
        if both[0].version == both[1].version {
            return Err(same_version([from, to], &both[0].version));
        }
        Ok(both)
    }

    /// The version.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Whether what shows the version is sent to the broker, so that the board is connected.
    pub(in crate::steps) fn proves_connection(&self) -> bool {
        self.topic.is_some()
    }

    /// Where the version is shown, for messages.
    pub(super) fn place(&self) -> String {
        self.topic.as_ref().map_or_else(|| "on its console".to_owned(), |topic| format!("on `{topic}`"))
    }

    /// The version that a record shows: this one, or another one. A payload that says no known version shows none: the
    /// topic may also have other messages.
    pub(super) fn shown(&self, event: &RunEvent, board: &str) -> Option<Result<(), String>> {
        if let Some(wanted) = &self.topic {
            let Some((of, _, Packet::Publish { topic, payload, .. })) = event.what.sent_by_board() else { return None };
            let text = payload.to_string();
            return if of == board && topic == wanted { self.said(&text) } else { None };
        }
        match &event.what {
            What::Console { board: of, line } if of == board => {
                let shown = app_version(line)?;
                Some(if shown == self.version { Ok(()) } else { Err(shown) })
            }
            _ => None,
        }
    }

    /// The version that a payload says.
    fn said(&self, payload: &str) -> Option<Result<(), String>> {
        if says_version(payload, &self.version) {
            return Some(Ok(()));
        }
        self.others.iter().any(|other| says_version(payload, other)).then(|| Err(payload.to_owned()))
    }

    /// Whether a record shows this version.
    pub(in crate::steps) fn is_shown(&self, event: &RunEvent, board: &str) -> bool {
        self.shown(event, board) == Some(Ok(()))
    }

    /// What the board has shown since it was last started: what it showed before a reset or a cut does not count.
    pub(super) fn latest(&self, stage: &Stage, board: &str) -> Option<Result<(), String>> {
        let events = stage.events();
        let start = events.iter().rposition(|event| ends_app(event, board)).unwrap_or(0);
        events[start..].iter().rev().find_map(|event| self.shown(event, board))
    }
}

/// Two firmwares that a board can't show apart.
fn same_version([one, other]: [&str; 2], version: &str) -> StepError {
    let message = format!("`{one}` and `{other}` have the same version, `{version}`: which of them runs can't be seen");
    StepError::errored(message).with_hint("`version` in the bench file gives one of them another version")
}

/// The version of a firmware, if it has one on that board.
fn version_of(stage: &Stage, board: &str, firmware: &str) -> Option<String> {
    stage.app_facts(board, firmware).ok().flatten()?.version
}

pub(super) fn facts(stage: &Stage, board: &str, firmware: &str) -> Result<AppFacts, StepError> {
    stage.app_facts(board, firmware)?.ok_or_else(|| {
        StepError::errored(format!(
            "the firmware `{firmware}` is no image with an app: what runs can't be compared with it"
        ))
    })
}

#[cfg(test)]
mod tests {
    use hil_timeline::{Epoch, Timeline};

    use super::*;

    fn shows(topic: Option<&str>) -> Shows {
        Shows::for_test("1.0.0", topic)
    }

    #[test]
    fn a_payload_without_a_known_version_shows_none() {
        let shows = shows(Some("lamp/version"));
        assert_eq!(shows.said("1.0.0"), Some(Ok(())));
        assert_eq!(shows.said("runs 1.1.0"), Some(Err("runs 1.1.0".to_owned())));
        assert_eq!(shows.said("starting"), None);
        assert_eq!(shows.said("2.0.0"), None);
    }

    #[test]
    fn the_console_shows_any_version() {
        let line = |line: &str| What::Console { board: "lamp".to_owned(), line: line.to_owned() };
        let timeline = Timeline::in_memory(Epoch::start());
        let shown = |text: &str| shows(None).shown(&timeline.record(None, line(text)), "lamp");
        assert_eq!(shown("app_init: App version: 1.0.0"), Some(Ok(())));
        assert_eq!(shown("app_init: App version: 2.0.0"), Some(Err("2.0.0".to_owned())));
        assert_eq!(shown("hello"), None);
    }
}
