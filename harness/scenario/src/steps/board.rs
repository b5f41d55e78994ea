//! Flashing, booting, resetting.

use cucumber::{given, then, when};
use hil_bench::Booted;
use hil_timeline::{FlashPhase, What};

use crate::error::StepError;
use crate::story::last_words;
use crate::world::HilWorld;

#[given(expr = "the board {string} runs the firmware {string}")]
async fn runs_firmware(world: &mut HilWorld, board: String, firmware: String) -> Result<(), StepError> {
    let stage = world.stage()?;
    let (image, tap) = (stage.firmware(&firmware)?, stage.tap_address(&board));
    let begin = stage.recorder().timeline().end();
    stage.dies(&board);
    stage.lives(&board);
    let booted = stage.board(&board)?.run_firmware(&image, &tap).await?;
    note_flash(stage, &board);
    // Deadlines count from the reset that started this life.
    let reset = stage
        .recorder()
        .timeline()
        .since(begin)
        .into_iter()
        .rev()
        .find(|event| matches!(&event.what, What::Reset { board: of, .. } if *of == board));
    if let Some(reset) = reset {
        stage.mark_at(&reset);
    }
    match booted {
        Booted::Running => Ok(()),
        Booted::Refused { reason } => {
            let error = StepError::failed(format!("the firmware `{firmware}` does not run on `{board}`: {reason}"));
            Err(error.with_details(last_words(stage, &board)))
        }
    }
}

#[given(expr = "the board {string} is flashed with the firmware {string}")]
#[when(expr = "the board {string} is flashed with the firmware {string}")]
async fn is_flashed(world: &mut HilWorld, board: String, firmware: String) -> Result<(), StepError> {
    let stage = world.stage()?;
    let (image, tap) = (stage.firmware(&firmware)?, stage.tap_address(&board));
    let begin = stage.recorder().timeline().end();
    stage.dies(&board);
    stage.lives(&board);
    stage.board(&board)?.flash(&image, &tap).await?;
    note_flash(stage, &board);
    stage.mark_from(begin);
    Ok(())
}

/// Remembers what the latest flash wrote, from its record.
fn note_flash(stage: &mut crate::stage::Stage, board: &str) {
    let written = stage.events().into_iter().rev().find_map(|event| match &event.what {
        What::Flash { board: of, flash: FlashPhase::Finished { written, .. }, .. } if of == board => Some(*written),
        _ => None,
    });
    if let Some(written) = written {
        stage.note_flash(board, written);
    }
}

#[when(expr = "the board {string} is reset")]
async fn is_reset(world: &mut HilWorld, board: String) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.dies(&board);
    stage.lives(&board);
    let from = stage.board(&board)?.reset().await?;
    stage.mark_from(from);
    Ok(())
}

#[then(expr = "the flashing of {string} was skipped")]
fn was_skipped(world: &mut HilWorld, board: String) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    match stage.last_flash_written(&board) {
        Some(0) => Ok(()),
        Some(written) => Err(StepError::failed(format!("{written} bytes of `{board}` were written anew"))),
        None => Err(StepError::errored(format!("`{board}` was not flashed in this scenario"))),
    }
}
