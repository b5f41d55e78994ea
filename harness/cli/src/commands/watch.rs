//! `hil run --watch`: runs again when features, the bench file or firmware change.
//!
//! Each run is a process of its own, so that it ends as any run does, and holds nothing between two runs.

mod changes;

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hil_config::{Bench, Firmware, HIL_BENCH, Image, Partitions, ScriptSource};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use self::changes::Changes;
use crate::args::RunArgs;
use crate::exit_code::ExitCode;
use crate::output::{Message, say, set_up_failed};
use crate::{session, signals};

/// Runs, and runs again after each change, until Ctrl-C. The exit code is that of the last run.
pub(crate) fn watch(args: &RunArgs) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(runs(args)).unwrap_or_else(|error| set_up_failed(&error, None));
            // Does not wait for the thread that reads changes.
            runtime.shutdown_background();
            code
        }
        Err(error) => set_up_failed(&error, None),
    }
}

async fn runs(args: &RunArgs) -> std::io::Result<ExitCode> {
    let mut abort = signals::abort_on_signals(None)?;
    let mut code = ExitCode::Passed;
    let mut changes = Changes::new()?;
    loop {
        // Watched from before the run: a change in the middle of it leads to the next one.
        let watched = watched(args);
        changes.watch(&watched);
        if let Some(ended) = run_once(&mut abort).await? {
            code = ended;
        }
        if *abort.borrow() {
            return Ok(code);
        }
        say(format!("\nwatching {}; Ctrl-C ends", count(watched.len())));
        tokio::select! {
            changed = changes.next() => say(format!("\n{} changed", changed.display())),
            _ = abort.wait_for(|abort| *abort) => return Ok(code),
        }
    }
}

fn count(files: usize) -> String {
    if files == 1 { "1 path".to_owned() } else { format!("{files} paths") }
}

/// Runs this program with the same arguments but `--watch`, to its end. None if it was killed.
async fn run_once(abort: &mut watch::Receiver<bool>) -> std::io::Result<Option<ExitCode>> {
    let arguments = std::env::args_os().skip(1).filter(|argument| argument != "--watch");
    let mut child = Command::new(std::env::current_exe()?).args(arguments).spawn()?;
    let status = tokio::select! {
        status = child.wait() => status?,
        _ = abort.wait_for(|abort| *abort) => ended(&mut child).await?,
    };
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map(|code| ExitCode::from_code(code).unwrap_or(ExitCode::Setup)))
}

/// Ends a run. At a terminal, Ctrl-C has reached it already, and a second signal would end it at once.
async fn ended(child: &mut Child) -> std::io::Result<std::process::ExitStatus> {
    const BY_ITSELF: Duration = Duration::from_secs(10);
    if std::io::stdin().is_terminal()
        && let Ok(status) = tokio::time::timeout(BY_ITSELF, child.wait()).await
    {
        return status;
    }
    let process = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    // It may have ended meanwhile.
    let _ = process.map(|process| kill_process(process, Signal::INT));
    child.wait().await
}

/// The files and folders whose changes matter. A bench file with a problem names no firmware until it is corrected.
fn watched(args: &RunArgs) -> BTreeSet<PathBuf> {
    let mut all: BTreeSet<PathBuf> =
        session::feature_paths(&args.select.features).iter().map(|path| file_of(path)).collect();
    let bench = args.bench.bench.clone();
    let bench = bench.or_else(|| std::env::var_os(HIL_BENCH).filter(|value| !value.is_empty()).map(PathBuf::from));
    all.extend(args.choose.quarantine.clone());
    if let Some(path) = bench {
        if let Ok(bench) = Bench::from_file(&path, &hil_scenario::kinds()) {
            all.extend(bench.firmware.values().flat_map(files_of));
        }
        all.insert(path);
    }
    all
}

/// The file of `FILE:LINE`.
fn file_of(path: &Path) -> PathBuf {
    let text = path.to_string_lossy();
    match text.rsplit_once(':') {
        Some((file, line)) if !path.exists() && line.parse::<usize>().is_ok() => PathBuf::from(file),
        _ => path.to_owned(),
    }
}

/// The files of this machine that a firmware consists of.
fn files_of(firmware: &Firmware) -> Vec<PathBuf> {
    let mut files = match &firmware.image {
        Image::File(path) => vec![path.clone()],
        Image::Parts(parts) => parts.iter().map(|(_, path)| path.clone()).collect(),
        Image::Builtin(_) | Image::Installed => Vec::new(),
    };
    if let Some(scripts) = &firmware.scripts
        && let ScriptSource::Files(scripts) = &scripts.source
    {
        files.extend(scripts.values().cloned());
    }
    if let Some(process) = &firmware.process {
        let folder = process.dir.clone().unwrap_or_default();
        files.extend(process.command.iter().map(|word| folder.join(word)).filter(|path| path.is_file()));
    }
    if let Some(Partitions::File(table)) = &firmware.partitions {
        files.push(table.clone());
    }
    files
}

/// Reports that an option makes no sense with `--watch`.
pub(crate) fn refused(args: &RunArgs) -> Option<ExitCode> {
    let is_json = args.format.format == crate::args::Format::Json;
    let with = [
        ("--list", args.list),
        ("--dry-run", args.dry_run),
        ("--out", args.out.is_some()),
        ("--shard", args.choose.shard.is_some()),
        ("--format json", is_json),
    ];
    let (option, _) = with.into_iter().find(|(_, is_given)| *is_given)?;
    let message = Message(format!("`--watch` can't be used with `{option}`"));
    Some(set_up_failed(&message, Some("leave one of them out".to_owned())))
}
