//! `hil reset`.

use hil_bench::{Bench as OpenBench, BenchError};
use hil_config::{Bench, SafeState};
use serde_json::json;

use crate::args::{Format, ResetArgs};
use crate::exit_code::ExitCode;
use crate::output::{say, say_json, set_up_failed, warn};
use crate::session::{self, OneBoard};

pub(crate) fn reset(args: &ResetArgs) -> ExitCode {
    session::on_bench(args.bench.bench.clone(), async |bench| Ok(reset_in(args, bench).await))
        .unwrap_or_else(|code| code)
}

async fn reset_in(args: &ResetArgs, bench: Bench) -> ExitCode {
    let Some(config) = bench.board(&args.board).cloned() else { return session::no_such_board(&bench, &args.board) };
    if let Err(code) = session::refuse_program(&config) {
        return code;
    }
    let what = format!("hil reset {}", args.board);
    let one = match OneBoard::open(bench, &args.board, &what, &args.wait).await {
        Ok(one) => one,
        Err(code) => return code,
    };
    let mut code = one.work(reset_board(args, &one.bench)).await;
    if code == ExitCode::Passed {
        say_done(args);
        // When `hil` exits, its rails go off, which would undo the reset.
        if config.rails.iter().any(|rail| rail.safe_state == SafeState::Off) {
            if args.detach {
                return detach(args, &one).await;
            }
            warn("its power stays on until Ctrl-C; to leave it on, use `--detach`");
            tokio::select! {
                () = one.aborted() => {}
                () = one.bench.keeper_lost() => {
                    warn(session::KEEPER_EXITED);
                    code = ExitCode::Errored;
                }
            }
        }
    }
    one.close(code).await
}

/// Leaves the rails on, held by the keeper.
async fn detach(args: &ResetArgs, one: &OneBoard) -> ExitCode {
    match one.bench.detach().await {
        Ok(()) => {
            warn(format!("its power stays on until `hil power {} off`", args.board));
            ExitCode::Passed
        }
        Err(error) => {
            set_up_failed(&error, error.hint());
            one.close(ExitCode::Errored).await
        }
    }
}

async fn reset_board(args: &ResetArgs, bench: &OpenBench) -> Result<(), BenchError> {
    let Some(mut board) = bench.lock(&args.board).await else { return Ok(()) };
    board.power_on().await?;
    if args.loader { board.enter_loader().await } else { board.reset().await.map(drop) }
}

fn say_done(args: &ResetArgs) {
    let into = if args.loader { "loader" } else { "app" };
    match args.format.format {
        Format::Text => say(format!("reset `{}` into its {into}", args.board)),
        Format::Json => say_json(&json!({ "board": args.board, "reset": into })),
    }
}
