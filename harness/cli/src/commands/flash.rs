//! `hil flash`.

use hil_bench::Booted;
use hil_config::{Bench, FirmwareName, ImageOverride, Part};
use hil_scenario::Limits;
use hil_timeline::{Cursor, Epoch, FlashPhase, Timeline, What};

use serde_json::json;

use crate::args::{FlashArgs, Format};
use crate::exit_code::ExitCode;
use crate::output::{Message, say, say_json, set_up_failed, warn};
use crate::reporter::{Detail, Reporter};
use crate::{session, signals};

pub(crate) fn flash(args: &FlashArgs) -> ExitCode {
    let image: Option<ImageOverride> = args.firmware.as_ref().and_then(|firmware| firmware.parse().ok());
    let flash =
        session::on_project(
            &args.bench,
            &args.project,
            image.as_slice(),
            async |bench| Ok(flash_in(args, bench).await),
        );
    flash.unwrap_or_else(|code| code)
}

async fn flash_in(args: &FlashArgs, bench: Bench) -> ExitCode {
    let firmware = match choose(args, &bench) {
        Ok(firmware) => firmware,
        Err(code) => return code,
    };
    if let Err(code) = session::check_firmware(&bench, &args.board, firmware.name.as_str()) {
        return code;
    }
    let abort = match signals::abort_on_signals(None) {
        Ok(abort) => abort,
        Err(error) => return set_up_failed(&error, None),
    };
    let timeline = Timeline::in_memory(Epoch::start());
    let claim = session::claim(Some([args.board.clone()].into()), &format!("hil flash {}", args.board), &args.wait);
    let context = match session::open(bench, &timeline, Limits::default(), abort, claim).await {
        Ok(context) => context,
        Err(code) => return code,
    };
    let detail = if args.format.format == Format::Json { Detail::Quiet } else { Detail::Normal };
    let reporter = tokio::spawn(Reporter::new(detail).follow(timeline.follow(Cursor::default())));
    let Some(mut board) = context.bench().lock(&args.board).await else { return ExitCode::Setup };
    let tap = context.tap_address(&args.board);
    let (result, is_lost) = tokio::select! {
        result = board.run_firmware(&firmware, &tap) => (Some(result), false),
        () = context.aborted() => (None, false),
        // The board is not touched any more: another process may have locked it.
        () = context.bench().keeper_lost() => (None, true),
    };
    if !is_lost {
        board.make_safe().await;
    }
    drop(board);
    let failures = context.close().await;
    let code = match &result {
        None if is_lost => ExitCode::Errored,
        None => ExitCode::Aborted,
        Some(Err(_)) => ExitCode::Errored,
        Some(Ok(Booted::Refused { .. })) => ExitCode::Failed,
        Some(Ok(Booted::Running)) if failures.is_empty() => ExitCode::Passed,
        Some(Ok(Booted::Running)) => ExitCode::Errored,
    };
    timeline.record(None, What::RunFinished { exit_code: code.code() });
    signals::settle(code);
    let _ = reporter.await;
    session::warn_of_unsafe_rails(&failures);
    match result {
        None if is_lost => warn(session::KEEPER_EXITED),
        None => {}
        Some(Err(error)) => {
            set_up_failed(&error, error.hint());
        }
        Some(Ok(Booted::Refused { reason })) => {
            let reason = hil_report::inert(&reason);
            warn(format!("failed: the firmware `{}` does not run on `{}`: {reason}", firmware.name, args.board));
        }
        Some(Ok(Booted::Running)) => say_done(&timeline, &args.board, firmware.name.as_str(), args.format.format),
    }
    code
}

fn choose(args: &FlashArgs, bench: &Bench) -> Result<hil_config::Firmware, ExitCode> {
    let name = named(args, bench)?;
    // One that a board names and no file describes is shown with its place.
    session::check_set(bench, Part::Firmware(&name))?;
    bench.firmware(&name).cloned().ok_or_else(|| {
        let error = Message(format!("{} has no firmware `{name}`", bench.title()));
        set_up_failed(&error, Some(session::listed("firmware", bench.firmware.keys().map(FirmwareName::as_str))))
    })
}

/// The name of the firmware: the one that the command line names, else the board's own.
fn named(args: &FlashArgs, bench: &Bench) -> Result<String, ExitCode> {
    let board = bench.board(&args.board).ok_or_else(|| session::no_such_board(bench, &args.board))?;
    // `NAME=PATH` has its image already.
    let name = args.firmware.as_deref().map(|firmware| firmware.split('=').next().unwrap_or(firmware).to_owned());
    name.or_else(|| board.firmware.as_ref().map(ToString::to_string)).ok_or_else(|| {
        let error = Message(format!("{} gives board `{}` no `firmware`", bench.title(), args.board));
        set_up_failed(&error, Some("name one with `--firmware`".to_owned()))
    })
}

fn say_done(timeline: &Timeline, board: &str, firmware: &str, format: Format) {
    let flashed = timeline.since(Cursor::default()).into_iter().rev().find_map(|event| match &event.what {
        What::Flash { flash: FlashPhase::Finished { written, skipped, took_ms }, .. } => {
            Some((*written, *skipped, *took_ms))
        }
        _ => None,
    });
    let (written, skipped, took_ms) = flashed.unwrap_or_default();
    if format == Format::Json {
        return say_json(
            &json!({ "board": board, "firmware": firmware, "written": written, "skipped": skipped, "took_ms": took_ms }),
        );
    }
    say(format!("`{firmware}` runs on `{board}`: {written} bytes written, {skipped} unchanged, {took_ms} ms"));
}
