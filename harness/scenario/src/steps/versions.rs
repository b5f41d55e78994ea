//! What a board runs after an update over the air.

mod shows;

use std::time::Duration;

use cucumber::then;
use hil_timeline::{Cursor, Finding, FlashPhase, RunEvent, Stamp, What};
use hil_verdict::{app_starts, seconds, show, started_at};

pub(super) use self::shows::Shows;
use self::shows::facts;
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

/// How long a step that begins late still looks.
const SETTLE: Duration = Duration::from_millis(200);

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
    can_show(stage, board)?;
    let wanted = format!("the firmware `{firmware}`, version `{}`, within {}", shows.version(), seconds(within));
    let message = match shows.latest(stage, board) {
        Some(Err(other)) => format!("`{board}` did not run {wanted}: {} it shows `{other}`", shows.place()),
        _ => format!("`{board}` did not run {wanted}: {} it shows no version", shows.place()),
    };
    Err(StepError::failed(message).with_details(stage.last_words(board)))
}

/// Checks that a board can show what it runs: otherwise nothing is said about its firmware.
fn can_show(stage: &Stage, board: &str) -> Result<(), StepError> {
    stage.check_powered(board)?;
    stage.check_console(board)
}

#[then(expr = "{text} still runs the firmware {text} for {span}")]
async fn still_runs(world: &mut HilWorld, board: Text, firmware: Text, span: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    can_show(stage, &board)?;
    stage.check_boots_are_seen(&board).await?;
    let shows = Shows::of(stage, &board, &firmware)?;
    // The time may be over already: what has come until now must be recorded at least.
    let until = (stage.mark().at + span.0).max(stage.recorder().now() + SETTLE);
    does_not_change(stage, &board, &firmware, until).await?;
    can_show(stage, &board)?;
    stage.check_shows_life(&board)?;
    let what = match shows.latest(stage, &board) {
        Some(Ok(())) => return Ok(()),
        Some(Err(other)) => format!("{} it shows `{other}`", shows.place()),
        None => {
            let message = format!("`{board}` shows no version {}: what it runs is unknown", shows.place());
            return Err(StepError::errored(message).with_hint("ESP-IDF's start prints it (`CONFIG_BOOTLOADER_LOG_LEVEL`, `CONFIG_LOG_DEFAULT_LEVEL`); `version-topic` names a topic instead"));
        }
    };
    let message = format!("`{board}` does not run the firmware `{firmware}`, version `{}`: {what}", shows.version());
    Err(StepError::failed(message).with_details(stage.last_words(&board)))
}

/// Checks that a board does not reboot, and that a reboot would be seen.
async fn does_not_change(stage: &Stage, board: &str, firmware: &str, until: Stamp) -> Result<(), StepError> {
    let reboot = |event: &RunEvent| match &event.what {
        What::ConsoleLost { board: of } if of == board => Some(None),
        What::Found { board: of, finding: Finding::Reboot, .. } if of == board => Some(Some(event.clone())),
        _ => None,
    };
    match stage.watch(until, reboot).await {
        None => Ok(()),
        Some(None) => {
            Err(StepError::errored(format!("the serial port of `{board}` vanished: a reboot would not be seen")))
        }
        Some(Some(event)) => {
            let message = format!("`{board}` rebooted, and should still run the firmware `{firmware}`");
            let came = format!("came: {}", show(&event, stage.mark().at));
            Err(StepError::failed(message).with_details(std::iter::once(came).chain(stage.last_words(board))))
        }
    }
}

#[then(expr = "{text} has gone back to the firmware {text} within {span}")]
async fn has_gone_back(world: &mut HilWorld, board: Text, firmware: Text, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    let shows = Shows::of(stage, &board, &firmware)?;
    let begin = last_flash(stage, &board);
    // In the order of the records: first another version, then this one. What ran before the flash did not go back by
    // itself.
    let went_away = |stage: &Stage| {
        let events = stage.mine(begin);
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
        stage.watch_all_from(stage.mark().cursor.max(begin), until, pick).await;
    }
    let message = match went_away(stage) {
        (true, true) if shows.latest(stage, &board) == Some(Ok(())) => return Ok(()),
        (false, _) => {
            can_show(stage, &board)?;
            format!("`{board}` has run no other version than that of `{firmware}`: it had nowhere to go back from")
        }
        _ => {
            can_show(stage, &board)?;
            let other = shows.latest(stage, &board).and_then(Result::err);
            let other = other.map_or_else(String::new, |other| format!(": it runs `{other}`"));
            format!("`{board}` did not go back to the firmware `{firmware}` within {}{other}", seconds(within.0))
        }
    };
    Err(StepError::failed(message).with_details(stage.last_words(&board)))
}

/// After the latest flash of a board by the bench.
fn last_flash(stage: &Stage, board: &str) -> Cursor {
    let flash = stage.events().into_iter().rev().find(
        |event| matches!(&event.what, What::Flash { board: of, flash: FlashPhase::Finished { .. }, .. } if of == board),
    );
    flash.map_or(stage.begin(), |event| Cursor::after(&event))
}

/// Where the app of a board's latest start is in flash. Its bootloader may not have said it yet.
async fn started_from(stage: &Stage, board: &str) -> Option<u32> {
    let latest = |stage: &Stage| app_starts(board, refs(&stage.events())).pop();
    let from = stage.end();
    let start = latest(stage)?;
    if start.offset.is_some() {
        return start.offset;
    }
    let until = start.at? + stage.ready_within(board);
    let said = |event: &RunEvent| match &event.what {
        What::Console { board: of, line } if of == board => started_at(line),
        _ => None,
    };
    stage.watch_all_from(from, until, said).await;
    latest(stage)?.offset
}

#[then(expr = "the slot of {text} is {text}")]
async fn slot_is(world: &mut HilWorld, board: Text, slot: Text) -> Result<(), StepError> {
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
    let Some(offset) = started_from(stage, &board).await else {
        can_show(stage, &board)?;
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
