//! `hil power`.

use hil_bench::{Bench as OpenBench, BenchError, claimed, keeper};
use hil_config::{Bench, Board, SafeState};
use serde_json::json;

use crate::args::{Format, PowerArgs, PowerState};
use crate::exit_code::ExitCode;
use crate::output::{Message, say, say_json, set_up_failed, warn};
use crate::session::{self, OneBoard};

pub(crate) fn power(args: &PowerArgs) -> ExitCode {
    let power = session::on_bench(args.bench.bench.clone(), async |bench| Ok(power_in(args, bench).await));
    power.unwrap_or_else(|code| code)
}

async fn power_in(args: &PowerArgs, bench: Bench) -> ExitCode {
    let Some(config) = bench.board(&args.board).cloned() else { return session::no_such_board(&bench, &args.board) };
    if let Err(code) = session::refuse_program(&config) {
        return code;
    }
    if args.detach && args.state == PowerState::Off {
        let hint = "a board that is off needs no keeper: leave `--detach` out".to_owned();
        return set_up_failed(&Message("`off` can't be detached".to_owned()), Some(hint));
    }
    // One that was left on by `--detach` is in the way of everybody, and this is how it ends.
    if args.state == PowerState::Off {
        let keys = claimed(&config).keys;
        let ended = tokio::task::spawn_blocking(move || keeper::end_detached(&keys)).await;
        match ended {
            Ok(Ok(failures)) => session::warn_of_unsafe_rails(&failures.unwrap_or_default()),
            Ok(Err(why)) => return not_ended(args, &why),
            // Whatever went wrong, taking the board says who has it.
            Err(_) => {}
        }
    }
    let what = format!("hil power {} {}", args.board, args.state.word());
    let one = match OneBoard::open(bench, &args.board, &what, &args.wait).await {
        Ok(one) => one,
        Err(code) => return code,
    };
    match one.work(switch(args, &one.bench, config.off_time)).await {
        ExitCode::Passed if args.detach => detach(args, &one).await,
        ExitCode::Passed => {
            let code = hold(args, &one, &config).await;
            one.close(code).await
        }
        code => one.close(code).await,
    }
}

/// Tells how it is now, and holds what would not stay so without `hil`.
async fn hold(args: &PowerArgs, one: &OneBoard, config: &Board) -> ExitCode {
    let stays_on = config.rails.iter().any(|rail| rail.safe_state == SafeState::On);
    let (state, stays) = match args.state {
        PowerState::Off => ("off", !stays_on),
        PowerState::On | PowerState::Cycle => ("on", false),
    };
    say_state(args, state);
    if stays {
        return ExitCode::Passed;
    }
    if args.format.format == Format::Text {
        let why = if state == "off" { "its safe state is on" } else { "`--detach` would leave it on" };
        warn(format!("held until Ctrl-C; {why}"));
    }
    tokio::select! {
        () = one.aborted() => ExitCode::Passed,
        () = one.bench.keeper_lost() => {
            warn("error: the power keeper exited; the power state of the boards is unknown");
            ExitCode::Errored
        }
    }
}

fn not_ended(args: &PowerArgs, why: &keeper::NotEnded) -> ExitCode {
    let (reason, holder) = (&why.reason, &why.holder);
    let message =
        Message(format!("the keeper of `{}` was not ended: {reason}; the board is held by {holder}", args.board));
    let hint = format!("its user ends it with `hil power {} off`", args.board);
    set_up_failed(&message, Some(hint))
}

async fn switch(args: &PowerArgs, bench: &OpenBench, off_time: std::time::Duration) -> Result<(), BenchError> {
    let Some(mut board) = bench.lock(&args.board).await else { return Ok(()) };
    if args.state != PowerState::On {
        board.switch_rails(false).await?;
    }
    if args.state == PowerState::Cycle {
        tokio::time::sleep(off_time).await;
    }
    if args.state != PowerState::Off {
        board.switch_rails(true).await?;
    }
    Ok(())
}

/// Leaves the rails to the keeper.
async fn detach(args: &PowerArgs, one: &OneBoard) -> ExitCode {
    match one.bench.detach().await {
        Ok(()) => {
            say_state(args, "on");
            if args.format.format == Format::Text {
                warn(format!("left on; `hil power {} off` ends it", args.board));
            }
            ExitCode::Passed
        }
        Err(error) => {
            set_up_failed(&error, error.hint());
            one.close(ExitCode::Errored).await
        }
    }
}

fn say_state(args: &PowerArgs, state: &str) {
    match args.format.format {
        Format::Text => say(format!("`{}` is {state}", args.board)),
        Format::Json => say_json(&json!({ "board": args.board, "power": state })),
    }
}
