//! Flashing, booting and resetting.

use std::time::Duration;

use cucumber::{given, then, when};
use hil_bench::Booted;
use hil_timeline::{Allowance, Cursor, Finding, FlashPhase, RunEvent, Stamp, What};
use hil_verdict::{ResetCause, seconds, show};

use crate::error::StepError;
use crate::parameters::{Span, Text};
use crate::spec::{Expects, StepSpec};
use crate::stage::Stage;
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "the board {board} (?:runs|is flashed with) the firmware {firmware}",
        &[
            (
                r#"Given the board "lamp" runs the firmware "lamp""#,
                "Powers the board, flashes the firmware unless the flash already holds it, resets the board and \
                 waits until the app is up. Deadlines count from the reset.",
            ),
            (
                r#"Given the board "lamp" is flashed with the firmware "lamp""#,
                "The same, but does not wait for the app: for images that can't boot.",
            ),
            (r#"When the board "lamp" is flashed with the firmware "lamp""#, "The same, as an action."),
        ],
    ),
    StepSpec::new(
        "the flashing of {chip} was skipped",
        &[(r#"Then the flashing of "lamp" was skipped"#, "The flash already held every byte of the latest firmware.")],
    ),
    StepSpec::new(
        "the board {board} is reset",
        &[(r#"When the board "lamp" is reset"#, "Pulls EN low and releases it.")],
    ),
    StepSpec::new(
        "{board} may reboot",
        &[(
            r#"Given "lamp" may reboot"#,
            "The firmware restarts by design. Without this step an unexpected reboot fails the scenario. A \
             panic, an abort, a brown-out or a watchdog reset always does.",
        )],
    )
    .expecting(Expects::AnyReboot),
    StepSpec::new(
        "{board} does not reboot for {span}",
        &[(
            r#"Then "lamp" does not reboot for 10 s"#,
            "Counted from the mark. A boot that a step asked for does not count. Errored unless the board has \
             shown a sign of life since it was started.",
        )],
    ),
    StepSpec::new(
        "{board} reboots once within {span}",
        &[(
            r#"Then "lamp" reboots once within 5 s"#,
            "One boot, and no second one within 1 s. Reboots up to this step are expected.",
        )],
    )
    .expecting(Expects::Reboot),
    StepSpec::new(
        "{chip} boot-loops within {span}",
        &[(r#"Then "lamp" boot-loops within 5 s"#, "Three unexpected boots within 10 s.")],
    )
    .expecting(Expects::BootLoop),
    StepSpec::new(
        "the reset cause of {chip} is {cause} within {span}",
        &[(
            r#"Then the reset cause of "lamp" is "power-on" within 5 s"#,
            "The reason for the boot, in one word for every chip: `power-on`, `external`, `software`, \
             `watchdog`, `brown-out`, `deep-sleep`, `usb` or `soft-reset`. Some chips report the EN pin as \
             `power-on`.",
        )],
    )
    .expecting(Expects::Reboot),
];

#[given(expr = "the board {text} runs the firmware {text}")]
async fn runs_firmware(world: &mut HilWorld, board: Text, firmware: Text) -> Result<(), StepError> {
    run(world.stage()?, &board, &firmware).await
}

/// Flashes a firmware, if necessary, and starts it.
pub(super) async fn run(stage: &mut Stage, board: &str, firmware: &str) -> Result<(), StepError> {
    let (image, tap) = (stage.firmware(firmware)?, stage.tap_address(board));
    let begin = stage.end();
    stage.before_stop(board);
    stage.before_start(board);
    stage.note_firmware(board, firmware);
    let booted = stage.board(board)?.run_firmware(&image, &tap).await?;
    note_flash(stage, board);
    mark_restart(stage, begin, board);
    match booted {
        Booted::Running => Ok(()),
        Booted::Refused { reason } => {
            let error =
                StepError::does_not_run(format!("the firmware `{firmware}` does not run on `{board}`: {reason}"));
            Err(error.with_details(stage.last_words(board)))
        }
    }
}

/// Sets the mark to the release of the reset that started the board: deadlines count from it.
fn mark_restart(stage: &mut Stage, begin: Cursor, board: &str) {
    if let Some(effect) = stage.restart_since(begin, board) {
        stage.took_effect(effect);
    }
}

#[given(expr = "the board {text} is flashed with the firmware {text}")]
#[when(expr = "the board {text} is flashed with the firmware {text}")]
async fn is_flashed(world: &mut HilWorld, board: Text, firmware: Text) -> Result<(), StepError> {
    let stage = world.stage()?;
    let (image, tap) = (stage.firmware(&firmware)?, stage.tap_address(&board));
    let begin = stage.end();
    stage.before_stop(&board);
    stage.before_start(&board);
    stage.note_firmware(&board, &firmware);
    stage.board(&board)?.flash(&image, &tap).await?;
    note_flash(stage, &board);
    mark_restart(stage, begin, &board);
    Ok(())
}

/// Remembers what the latest flash wrote, from its record.
fn note_flash(stage: &mut Stage, board: &str) {
    let written = stage.events().into_iter().rev().find_map(|event| match &event.what {
        What::Flash { board: of, flash: FlashPhase::Finished { written, .. }, .. } if of == board => Some(*written),
        _ => None,
    });
    if let Some(written) = written {
        stage.note_flash(board, written);
    }
}

#[when(expr = "the board {text} is reset")]
async fn is_reset(world: &mut HilWorld, board: Text) -> Result<(), StepError> {
    reset(world.stage()?, &board).await
}

/// Resets a board by its EN line.
pub(super) async fn reset(stage: &mut Stage, board: &str) -> Result<(), StepError> {
    stage.before_stop(board);
    stage.before_start(board);
    stage.act(async |stage| Ok::<_, StepError>(stage.board(board)?.reset().await?)).await
}

#[given(expr = "{text} may reboot")]
fn may_reboot(world: &mut HilWorld, board: Text) -> Result<(), StepError> {
    world.stage()?.allow(&board, Allowance::Reboot)
}

#[then(expr = "{text} does not reboot for {span}")]
async fn does_not_reboot(world: &mut HilWorld, board: Text, span: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    stage.check_console(&board)?;
    stage.check_boots_are_seen(&board).await?;
    let until = stage.mark().at + span.0;
    let pick = |event: &RunEvent| match &event.what {
        What::ConsoleLost { board: of } if *of == board => Some(None),
        // Boots that a step asked for don't count.
        _ => found(event, &board, Finding::Reboot).map(|_| Some(event.clone())),
    };
    match stage.watch(until, pick).await {
        None => {
            stage.check_console(&board)?;
            stage.check_shows_life(&board)
        }
        Some(None) => {
            Err(StepError::errored(format!("the serial port of `{board}` vanished: a reboot would not be seen")))
        }
        Some(Some(event)) => {
            let message = format!("`{board}` rebooted, which it should not do for {}", seconds(span.0));
            let came = format!("came: {}", show(&event, stage.mark().at));
            Err(StepError::failed(message).with_details(std::iter::once(came).chain(stage.last_words(&board))))
        }
    }
}

#[then(expr = "{text} reboots once within {span}")]
async fn reboots_once(world: &mut HilWorld, board: Text, within: Span) -> Result<(), StepError> {
    const SETTLE: Duration = Duration::from_secs(1);
    let stage = world.stage()?;
    stage.check_started(&board)?;
    let Some(at) = stage.expect(within.0, |event| found(event, &board, Finding::Boot)).await else {
        let message = format!("`{board}` did not reboot within {}", seconds(within.0));
        stage.check_console(&board)?;
        stage.check_boots_are_seen(&board).await?;
        return Err(StepError::failed(message).with_details(stage.last_words(&board)));
    };
    // A step that starts late also sees what happened before.
    let until = (at + SETTLE).max(stage.recorder().now());
    let again = stage.watch_since(at, until, |event| found(event, &board, Finding::Boot).map(|_| event.clone())).await;
    match again {
        None => stage.check_console(&board),
        Some(event) => {
            let message = format!("`{board}` rebooted more than once");
            let again = format!("again: {}", show(&event, stage.mark().at));
            Err(StepError::failed(message).with_details(std::iter::once(again).chain(stage.last_words(&board))))
        }
    }
}

#[then(expr = "{text} boot-loops within {span}")]
async fn boot_loops(world: &mut HilWorld, board: Text, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    if stage.expect(within.0, |event| found(event, &board, Finding::BootLoop)).await.is_some() {
        return Ok(());
    }
    stage.check_boots_are_seen(&board).await?;
    let message = format!("`{board}` did not boot-loop within {}", seconds(within.0));
    Err(StepError::failed(message).with_details(stage.last_words(&board)))
}

fn found(event: &RunEvent, board: &str, wanted: Finding) -> Option<Stamp> {
    match &event.what {
        What::Found { board: of, finding, .. } if of == board && *finding == wanted => Some(event.at),
        _ => None,
    }
}

#[then(expr = "the reset cause of {text} is {text} within {span}")]
async fn reset_cause_is(world: &mut HilWorld, board: Text, cause: Text, within: Span) -> Result<(), StepError> {
    let wanted: ResetCause = cause.parse().map_err(StepError::errored)?;
    let stage = world.stage()?;
    stage.check_started(&board)?;
    let cause = |event: &RunEvent| match &event.what {
        What::Found { board: of, finding: Finding::Boot, detail } if *of == board => Some(detail.clone()),
        _ => None,
    };
    let message = match stage.expect(within.0, cause).await {
        Some(detail) if ResetCause::of(&detail) == wanted => return Ok(()),
        Some(detail) => {
            format!("the reset cause of `{board}` is `{}` (`{detail}`), not `{wanted}`", ResetCause::of(&detail))
        }
        None => {
            stage.check_console(&board)?;
            stage.check_boots_are_seen(&board).await?;
            format!("`{board}` did not boot within {} of {}", seconds(within.0), super::cause(stage))
        }
    };
    Err(StepError::failed(message).with_details(stage.last_words(&board)))
}

#[then(expr = "the flashing of {text} was skipped")]
fn was_skipped(world: &mut HilWorld, board: Text) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    match stage.last_flash_written(&board) {
        Some(0) => Ok(()),
        Some(written) => Err(StepError::failed(format!("{written} bytes of `{board}` were written again"))),
        None => Err(StepError::errored(format!("`{board}` was not flashed in this scenario"))),
    }
}
