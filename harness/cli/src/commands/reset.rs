//! `hil reset`.

use hil_bench::{Bench as OpenBench, BenchError};
use hil_config::{Bench, SafeState};
use hil_timeline::{Epoch, Timeline};
use serde_json::json;

use super::{no_such_board, say, set_up_failed, warn};
use crate::args::{Format, ResetArgs};
use crate::exit_code::ExitCode;
use crate::session;

pub(crate) fn reset(args: &ResetArgs) -> ExitCode {
    session::on_bench(args.bench.bench.clone(), async |bench| Ok(reset_in(args, bench).await))
        .unwrap_or_else(|code| code)
}

async fn reset_in(args: &ResetArgs, bench: Bench) -> ExitCode {
    let Some(config) = bench.board(&args.board).cloned() else { return no_such_board(&bench, &args.board) };
    let mut abort = match session::abort_on_signals(None) {
        Ok(abort) => abort,
        Err(error) => return set_up_failed(&error, None),
    };
    let timeline = Timeline::in_memory(Epoch::start());
    let claim = session::claim(Some([args.board.clone()].into()), &format!("hil reset {}", args.board), &args.wait);
    let opened = tokio::select! {
        opened = OpenBench::open(bench, &timeline, claim) => opened,
        _ = abort.wait_for(|abort| *abort) => return ExitCode::Aborted,
    };
    let open = match opened {
        Ok(open) => open,
        Err(error) => return set_up_failed(&error, error.hint()),
    };
    session::tell_left_unsafe(&open);
    let code = match reset_board(args, &open).await {
        Ok(()) => {
            tell(args);
            // Without `hil` its rails are off, and a reset was in vain.
            if config.rails.iter().any(|rail| rail.safe_state == SafeState::Off) {
                warn("its power is held until Ctrl-C");
                let _ = abort.wait_for(|abort| *abort).await;
            }
            ExitCode::Passed
        }
        Err(error) => {
            set_up_failed(&error, error.hint());
            ExitCode::Errored
        }
    };
    session::close(&open, code).await
}

async fn reset_board(args: &ResetArgs, bench: &OpenBench) -> Result<(), BenchError> {
    let Some(mut board) = bench.lock(&args.board).await else { return Ok(()) };
    board.power_on().await?;
    if args.loader { board.enter_loader().await } else { board.reset().await.map(drop) }
}

fn tell(args: &ResetArgs) {
    let into = if args.loader { "loader" } else { "app" };
    match args.format.format {
        Format::Text => say(format!("`{}` is reset into its {into}", args.board)),
        Format::Json => say(json!({ "board": args.board, "reset": into }).to_string()),
    }
}
