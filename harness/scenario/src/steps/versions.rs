//! What a board runs after an update over the air.

use std::time::Duration;

use cucumber::then;
use hil_bench::AppFacts;
use hil_timeline::{Finding, Packet, RunEvent, What};
use hil_verdict::{app_starts, app_version, says_version, seconds, show};

use crate::error::StepError;
use crate::parameters::{Span, Text};
use crate::spec::{Expects, StepSpec};
use crate::stage::{Stage, refs};
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "{chip} runs the firmware {firmware} within {span}",
        &[(
            r#"Then "lamp" runs the firmware "app-2" within 60 s"#,
            "It has started an app with that firmware's version, which its console shows (`App version`) or which it \
             publishes (`version-topic`). The firmware is not flashed: the board takes it by itself. Reboots up to this \
             step are expected.",
        )],
    )
    .expecting(Expects::Reboot),
    StepSpec::new(
        "{chip} still runs the firmware {firmware} for {span}",
        &[(
            r#"Then "lamp" still runs the firmware "app-1" for 5 s"#,
            "It runs an app with that firmware's version, and does not reboot for so long after the mark.",
        )],
    ),
    StepSpec::new(
        "{chip} has gone back to the firmware {firmware} within {span}",
        &[(
            r#"Then "lamp" has gone back to the firmware "app-1" within 60 s"#,
            "It has run another version in this scenario, and now runs that firmware's again. Reboots up to this step are \
             expected.",
        )],
    )
    .expecting(Expects::Reboot),
    StepSpec::new(
        "the slot of {chip} is {text}",
        &[(
            r#"Then the slot of "lamp" is "ota_1""#,
            "The partition from which the bootloader has started the app, by its console: `ota_0`, `ota_1`, `factory`, or a \
             label of the partition table that the scenario has flashed.",
        )],
    ),
];

/// How a board shows which version it runs.
pub(super) struct Shows {
    version: String,
    topic: Option<String>,
}

impl Shows {
    /// Of a firmware.
    pub(super) fn of(stage: &Stage, board: &str, firmware: &str) -> Result<Self, StepError> {
        let topic = stage.firmware(firmware)?.version_topic;
        let version = facts(stage, board, firmware)?.version;
        let version = version.ok_or_else(|| {
            StepError::errored(format!("the firmware `{firmware}` has no version: it can't be recognised"))
                .with_hint("the app descriptor has it: set `PROJECT_VER` in the build, or `version` in the bench file")
        })?;
        Ok(Self { version, topic })
    }

    /// The version.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Where the version is shown, for messages.
    fn place(&self) -> String {
        self.topic.as_ref().map_or_else(|| "on its console".to_owned(), |topic| format!("on `{topic}`"))
    }

    /// The version that a record shows: this one, or another one as far as it is known.
    fn shown(&self, event: &RunEvent, board: &str) -> Option<Result<(), String>> {
        let matches = |shown: String, is_it: bool| if is_it { Ok(()) } else { Err(shown) };
        if let Some(wanted) = &self.topic {
            let Some((of, _, Packet::Publish { topic, payload, .. })) = event.what.sent_by_board() else { return None };
            let text = payload.to_string();
            return (of == board && topic == wanted).then(|| matches(text.clone(), says_version(&text, &self.version)));
        }
        match &event.what {
            What::Console { board: of, line } if of == board => {
                app_version(line).map(|shown| matches(shown.clone(), shown == self.version))
            }
            _ => None,
        }
    }

    /// Whether a record shows this version.
    pub(super) fn is_shown(&self, event: &RunEvent, board: &str) -> bool {
        self.shown(event, board) == Some(Ok(()))
    }

    /// What the board's latest start showed.
    fn latest(&self, stage: &Stage, board: &str) -> Option<Result<(), String>> {
        let events = stage.events();
        let start = events.iter().rposition(|event| is_boot(event, board)).unwrap_or(0);
        events[start..].iter().rev().find_map(|event| self.shown(event, board))
    }
}

fn is_boot(event: &RunEvent, board: &str) -> bool {
    matches!(&event.what, What::Found { board: of, finding: Finding::Boot, .. } if of == board)
}

fn facts(stage: &Stage, board: &str, firmware: &str) -> Result<AppFacts, StepError> {
    stage.app_facts(board, firmware)?.ok_or_else(|| {
        StepError::errored(format!(
            "the firmware `{firmware}` is no image with an app: what runs can't be compared with it"
        ))
    })
}

#[then(expr = "{text} runs the firmware {text} within {span}")]
async fn runs_within(world: &mut HilWorld, board: Text, firmware: Text, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    comes_to_run(stage, &board, &firmware, within.0).await
}

async fn comes_to_run(stage: &mut Stage, board: &str, firmware: &str, within: Duration) -> Result<(), StepError> {
    let shows = Shows::of(stage, board, firmware)?;
    if shows.latest(stage, board) == Some(Ok(())) {
        return Ok(());
    }
    let until = stage.mark().at + within;
    if stage
        .watch_all_from(stage.mark().cursor, until, |event| shows.is_shown(event, board).then_some(()))
        .await
        .is_some()
    {
        return Ok(());
    }
    stage.check_console(board)?;
    let wanted = format!("the firmware `{firmware}`, version `{}`, within {}", shows.version, seconds(within));
    let message = match shows.latest(stage, board) {
        Some(Err(other)) => format!("`{board}` did not run {wanted}: {} it shows `{other}`", shows.place()),
        _ => format!("`{board}` did not run {wanted}: {} it shows no version", shows.place()),
    };
    Err(StepError::failed(message).with_details(stage.last_words(board)))
}

#[then(expr = "{text} still runs the firmware {text} for {span}")]
async fn still_runs(world: &mut HilWorld, board: Text, firmware: Text, span: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    stage.check_console(&board)?;
    let shows = Shows::of(stage, &board, &firmware)?;
    let until = stage.mark().at + span.0;
    let reboot = |event: &RunEvent| match &event.what {
        What::Found { board: of, finding: Finding::Reboot, .. } if *of == *board => Some(event.clone()),
        _ => None,
    };
    let rebooted = stage.watch(until, reboot).await;
    let at = stage.mark().at;
    let what = match (rebooted, shows.latest(stage, &board)) {
        (Some(event), _) => {
            let message = format!("`{board}` rebooted, and should still run the firmware `{firmware}`");
            return Err(StepError::failed(message)
                .with_details(std::iter::once(format!("came: {}", show(&event, at))).chain(stage.last_words(&board))));
        }
        (None, Some(Ok(()))) => return Ok(()),
        (None, Some(Err(other))) => format!("{} it shows `{other}`", shows.place()),
        (None, None) => {
            let message = format!("`{board}` shows no version {}: what it runs is unknown", shows.place());
            return Err(StepError::errored(message).with_hint("ESP-IDF's start prints it (`CONFIG_BOOTLOADER_LOG_LEVEL`, `CONFIG_LOG_DEFAULT_LEVEL`); `version-topic` names a topic instead"));
        }
    };
    let message = format!("`{board}` does not run the firmware `{firmware}`, version `{}`: {what}", shows.version);
    Err(StepError::failed(message).with_details(stage.last_words(&board)))
}

#[then(expr = "{text} has gone back to the firmware {text} within {span}")]
async fn has_gone_back(world: &mut HilWorld, board: Text, firmware: Text, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    let shows = Shows::of(stage, &board, &firmware)?;
    // In the order of the records: first another version, then this one.
    let went_away = |stage: &Stage| {
        let events = stage.events();
        let away = events.iter().position(|event| matches!(shows.shown(event, &board), Some(Err(_))));
        let back = away.and_then(|away| events[away..].iter().find(|event| shows.is_shown(event, &board)));
        (away.is_some(), back.is_some())
    };
    let until = stage.mark().at + within.0;
    let mut away = went_away(stage).0;
    if went_away(stage) != (true, true) {
        let pick = |event: &RunEvent| match shows.shown(event, &board)? {
            Err(_) => {
                away = true;
                None
            }
            Ok(()) => away.then_some(()),
        };
        stage.watch_all_from(stage.mark().cursor, until, pick).await;
    }
    let message = match went_away(stage) {
        (true, true) if shows.latest(stage, &board) == Some(Ok(())) => return Ok(()),
        (false, _) => {
            stage.check_console(&board)?;
            format!("`{board}` has run no other version than that of `{firmware}`: it had nowhere to go back from")
        }
        _ => {
            stage.check_console(&board)?;
            let other = shows.latest(stage, &board).and_then(Result::err);
            let other = other.map_or_else(String::new, |other| format!(": it runs `{other}`"));
            format!("`{board}` did not go back to the firmware `{firmware}` within {}{other}", seconds(within.0))
        }
    };
    Err(StepError::failed(message).with_details(stage.last_words(&board)))
}

#[then(expr = "the slot of {text} is {text}")]
fn slot_is(world: &mut HilWorld, board: Text, slot: Text) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    let Some(firmware) = stage.flashed(&board).map(str::to_owned) else {
        let message = format!("this scenario has not flashed `{board}`: its partition table is unknown");
        return Err(StepError::errored(message).with_hint("begin with `Given the board … runs the firmware …`"));
    };
    let slots = facts(stage, &board, &firmware)?.slots;
    if !slots.iter().any(|known| known.kind == *slot || known.label == *slot) {
        let known: Vec<_> = slots.iter().map(|known| format!("`{}`", known.kind)).collect();
        let message = format!("the partition table of `{firmware}` has no slot `{}`", &*slot);
        return Err(StepError::errored(message).with_hint(format!("it has {}", known.join(", "))));
    }
    let events = stage.events();
    let Some(offset) = app_starts(&board, refs(&events)).last().and_then(|start| start.offset) else {
        let message = format!("the bootloader of `{board}` does not say which app it starts");
        return Err(StepError::errored(message)
            .with_hint("ESP-IDF's does, at the log level `info`: `boot: Loaded app from partition at offset 0x…`"));
    };
    let message = match slots.iter().find(|known| known.offset == offset) {
        Some(found) if found.kind == *slot || found.label == *slot => return Ok(()),
        Some(found) => format!("the slot of `{board}` is `{}`, not `{}`", found.kind, &*slot),
        None => format!("`{board}` has started the app at {offset:#x}, where no slot begins"),
    };
    Err(StepError::failed(message).with_details(stage.last_words(&board)))
}
