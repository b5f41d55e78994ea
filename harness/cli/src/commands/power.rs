//! `hil power`.

use hil_bench::{Bench as OpenBench, BenchError, claimed, keeper};
use hil_config::Bench;
use hil_timeline::{Epoch, Timeline};
use serde_json::json;

use super::{Message, no_such_board, say, set_up_failed, warn};
use crate::args::{Format, PowerArgs, PowerState};
use crate::exit_code::ExitCode;
use crate::session;

pub(crate) fn power(args: &PowerArgs) -> ExitCode {
    let power = session::on_bench(args.bench.bench.clone(), async |bench| Ok(power_in(args, bench).await));
    power.unwrap_or_else(|code| code)
}

async fn power_in(args: &PowerArgs, bench: Bench) -> ExitCode {
    let Some(config) = bench.board(&args.board).cloned() else { return no_such_board(&bench, &args.board) };
    // One that was left on by `--detach` is in the way of everybody, and this is how it ends.
    if args.state == PowerState::Off {
        match keeper::end_detached(&claimed(&config).keys).await {
            Ok(true) => return tell(args, "off"),
            Ok(false) => {}
            Err(error) => {
                let message = Message(format!("the detached keeper of `{}` can't be reached: {error}", args.board));
                return set_up_failed(&message, Some("it belongs to another user".to_owned()));
            }
        }
    }
    let abort = match session::abort_on_signals(None) {
        Ok(abort) => abort,
        Err(error) => return set_up_failed(&error, None),
    };
    let timeline = Timeline::in_memory(Epoch::start());
    let what = format!("hil power {} {}", args.board, args.state.word());
    let claim = session::claim(Some([args.board.clone()].into()), &what, &args.wait);
    let mut aborted = abort;
    let opened = tokio::select! {
        opened = OpenBench::open(bench, &timeline, claim) => opened,
        _ = aborted.wait_for(|abort| *abort) => return ExitCode::Aborted,
    };
    let open = match opened {
        Ok(open) => open,
        Err(error) => return set_up_failed(&error, error.hint()),
    };
    let worked = tokio::select! {
        worked = switch(args, &open, config.off_time) => Some(worked),
        _ = aborted.wait_for(|abort| *abort) => None,
    };
    let code = match worked {
        None => ExitCode::Aborted,
        Some(Err(error)) => {
            set_up_failed(&error, error.hint());
            ExitCode::Errored
        }
        Some(Ok(())) if args.detach => return detach(args, &open).await,
        Some(Ok(())) if args.state == PowerState::Off => tell(args, "off"),
        Some(Ok(())) => {
            tell(args, "on");
            if args.format.format == Format::Text {
                warn("held until Ctrl-C; `--detach` would leave it on");
            }
            tokio::select! {
                _ = aborted.wait_for(|abort| *abort) => {}
                () = open.keeper_lost() => warn("error: the keeper of the rails has ended"),
            }
            ExitCode::Passed
        }
    };
    open.close().await;
    code
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
async fn detach(args: &PowerArgs, bench: &OpenBench) -> ExitCode {
    match bench.detach().await {
        Ok(()) => {
            tell(args, "on");
            if args.format.format == Format::Text {
                warn(format!("left on; `hil power {} off` ends it", args.board));
            }
            ExitCode::Passed
        }
        Err(error) => {
            set_up_failed(&error, error.hint());
            ExitCode::Errored
        }
    }
}

fn tell(args: &PowerArgs, state: &str) -> ExitCode {
    match args.format.format {
        Format::Text => say(format!("`{}` is {state}", args.board)),
        Format::Json => say(json!({ "board": args.board, "power": state }).to_string()),
    }
    ExitCode::Passed
}
