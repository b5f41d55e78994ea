//! What running commands share: signals, bench, plan.

use std::path::PathBuf;
use std::time::Duration;

use hil_config::Bench;
use hil_scenario::{Filter, SetupError};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::args::SelectArgs;
use crate::commands::{Message, set_up_failed};
use crate::exit_code::ExitCode;

/// Reads the bench and runs a command on it; tells why where it can't.
pub(crate) fn on_bench<T>(
    bench: Option<PathBuf>,
    command: impl AsyncFnOnce(Bench) -> Result<T, ExitCode>,
) -> Result<T, ExitCode> {
    let bench = Bench::choose(bench).map_err(|error| set_up_failed(&error, None))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| set_up_failed(&error, None))?;
    let result = runtime.block_on(command(bench));
    // Threads that flash or wait for standard input may block for long; nothing waits for them.
    runtime.shutdown_background();
    result
}

/// Turns true on Ctrl-C, SIGTERM, a terminal that closes, or when the deadline passes. A second signal ends the process at once: virtual
/// boards end with it.
pub(crate) fn abort_on_signals(deadline: Option<Duration>) -> std::io::Result<watch::Receiver<bool>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let (abort, aborted) = watch::channel(false);
    tokio::spawn(async move {
        let expiry = async {
            match deadline {
                Some(deadline) => tokio::time::sleep(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
            () = expiry => {}
        }
        abort.send_replace(true);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = abort.closed() => return,
        }
        std::process::exit(ExitCode::Aborted.code().into());
    });
    Ok(aborted)
}

/// The features asked for, or all.
pub(crate) fn feature_paths(asked: &[PathBuf]) -> Vec<PathBuf> {
    if asked.is_empty() { vec![PathBuf::from("features")] } else { asked.to_vec() }
}

/// Reads tag expression and name.
pub(crate) fn filter(args: &SelectArgs) -> Result<Filter, Message> {
    let tags = args.tags.as_ref().map(|text| {
        Filter::parse_tags(text).map_err(|_| Message(format!("`{text}` is no tag expression: write `@a and not @b`")))
    });
    let name = args
        .name
        .as_ref()
        .map(|text| regex::Regex::new(text).map_err(|_| Message(format!("`{text}` is no regular expression"))));
    Ok(Filter { paths_named: !args.features.is_empty(), tags: tags.transpose()?, name: name.transpose()? })
}

/// Tells that no scenario matches.
pub(crate) fn nothing_matches() -> ExitCode {
    let hint = "`hil run --list` lists what would run; scenarios tagged @opt-in must be asked for";
    set_up_failed(&Message("no scenario matches: nothing ran".to_owned()), Some(hint.to_owned()));
    ExitCode::NothingRan
}

/// One thing to try about a failed set-up.
pub(crate) fn hint(error: &SetupError) -> Option<String> {
    match error {
        SetupError::Bench(error) => error.hint(),
        SetupError::Tap(error) => Some(format!("leave out `boards.{}.tap-port`, or choose a free one", error.board)),
        SetupError::Broker(error) => Some(error.hint()),
    }
}
