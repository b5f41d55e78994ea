//! What running commands share: signals, bench, plan.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use console::Style;
use hil_bench::keeper::Holder;
use hil_bench::power::AskPerson;
use hil_bench::{BenchError, Claim};
use hil_config::{Bench, Board, BoardKind, BoardName, ImageOverride, Part};
use hil_scenario::{Filter, Limits, Plan, RunContext};
use hil_timeline::{Epoch, Mask, Timeline, escaped};
use tokio::sync::watch;

use crate::args::{BenchArgs, ProjectArgs, SelectArgs, WaitArgs};
use crate::exit_code::ExitCode;
use crate::output::{self, Line, Message, hide, set_up_failed, warn};
use crate::{project, signals};

/// Printed when the process that holds the rails is gone.
pub(crate) const KEEPER_EXITED: &str = "error: the power keeper exited; the power state of the boards is unknown";

/// Reads the bench and runs a command on it; reports an error if it can't be read.
pub(crate) fn on_bench<T>(
    bench: Option<PathBuf>,
    command: impl AsyncFnOnce(Bench) -> Result<T, ExitCode>,
) -> Result<T, ExitCode> {
    on(choose(bench)?, command)
}

/// Reads the bench and hides its secrets; reports an error if it can't be read.
pub(crate) fn choose(bench: Option<PathBuf>) -> Result<Bench, ExitCode> {
    let bench = Bench::choose(bench, &hil_scenario::kinds()).map_err(|error| set_up_failed(&error, None))?;
    hide(Mask::new(bench.secrets.iter().cloned()));
    Ok(bench)
}

/// Reads the bench and the project file and runs a command on them; reports an error if they can't be read.
pub(crate) fn on_project<T>(
    bench: &BenchArgs,
    project: &ProjectArgs,
    images: &[ImageOverride],
    command: impl AsyncFnOnce(Bench) -> Result<T, ExitCode>,
) -> Result<T, ExitCode> {
    on(with_project(choose(bench.bench.clone())?, project, images)?, command)
}

/// The bench with the firmware of the project file and other images, and its secrets hidden; reports an error if they
/// don't fit.
pub(crate) fn with_project(bench: Bench, project: &ProjectArgs, images: &[ImageOverride]) -> Result<Bench, ExitCode> {
    let bench = project::on(bench, project, images).map_err(|error| set_up_failed(&error, None))?;
    hide(Mask::new(bench.secrets.iter().cloned()));
    Ok(bench)
}

/// Runs a command on a bench.
pub(crate) fn on<T>(bench: Bench, command: impl AsyncFnOnce(Bench) -> Result<T, ExitCode>) -> Result<T, ExitCode> {
    on_runtime(command(bench))
}

/// Runs a command that needs no bench.
pub(crate) fn on_runtime<T>(command: impl Future<Output = Result<T, ExitCode>>) -> Result<T, ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| set_up_failed(&error, None))?;
    let result = runtime.block_on(command);
    // Does not wait for threads that flash or read standard input: they may block for long.
    runtime.shutdown_background();
    result
}

/// Reports an error if this part of the bench file uses an environment variable that is not set.
pub(crate) fn check_set(bench: &Bench, part: Part<'_>) -> Result<(), ExitCode> {
    bench.check_set(part).map_err(|error| set_up_failed(&error, None))
}

/// Reports an error if the firmware's files show that it can't run on the board.
pub(crate) fn check_firmware(bench: &Bench, board: &str, firmware: &str) -> Result<(), ExitCode> {
    check_set(bench, Part::Firmware(firmware))?;
    hil_bench::check_firmware(bench, board, firmware).map_err(|error| set_up_failed(&error, error.hint()))
}

/// Reports that the bench has no such board, and lists the boards it has.
pub(crate) fn no_such_board(bench: &Bench, name: &str) -> ExitCode {
    let error = Message(format!("{} has no board `{name}`", bench.title()));
    set_up_failed(&error, Some(listed("board", bench.boards.keys().map(BoardName::as_str))))
}

/// A hint with the names that a bench has.
pub(crate) fn listed<'a>(what: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<_> = known.map(|name| format!("`{name}`")).collect();
    match known.as_slice() {
        [] => format!("it has no {what} at all"),
        [only] => format!("its only {what} is {only}"),
        several => format!("it has {}", several.join(", ")),
    }
}

/// Reports an error if the board is a program or an emulator: only scenarios and `hil flash` start it, so it has no power
/// to switch.
pub(crate) fn refuse_program(board: &Board) -> Result<(), ExitCode> {
    let what = match board.kind {
        BoardKind::Process => "a program",
        BoardKind::Emulator => "played by an emulator",
        BoardKind::Esp | BoardKind::Virtual => return Ok(()),
    };
    let message = Message(format!("`{}` is {what}: outside a run it has no power, reset or console", board.name));
    let hint = format!("`hil flash {}` starts it once; `hil run -vv` shows its output", board.name);
    Err(set_up_failed(&message, Some(hint)))
}

/// Locks and opens the boards; waits for those in use until a signal arrives.
pub(crate) async fn open(
    bench: Bench,
    timeline: &Timeline,
    limits: Limits,
    abort: watch::Receiver<bool>,
    claim: Claim,
) -> Result<Arc<RunContext>, ExitCode> {
    check_set(&bench, Part::Tap)?;
    if hil_scenario::uses_access_point(&bench, &claim) {
        check_set(&bench, Part::AccessPoint)?;
    }
    for board in bench.boards.keys().filter(|name| claim.boards.as_ref().is_none_or(|all| all.contains(name.as_str())))
    {
        check_set(&bench, Part::Board(board.as_str()))?;
    }
    let mut aborted = abort.clone();
    let opened = tokio::select! {
        opened = RunContext::open(bench, timeline.clone(), limits, abort, claim) => opened,
        _ = aborted.wait_for(|abort| *abort) => return Err(ExitCode::Aborted),
    };
    let context = opened.map(Arc::new).map_err(|error| set_up_failed(&error, error.hint()))?;
    warn_of_rails_left_unsafe(context.bench());
    Ok(context)
}

/// One board, locked for a command, without broker and tap.
pub(crate) struct OneBoard {
    pub(crate) bench: hil_bench::Bench,
    pub(crate) timeline: Timeline,
    /// Turns true when the command must end.
    pub(crate) abort: watch::Receiver<bool>,
}

impl OneBoard {
    /// Locks and opens the board; waits for it if it is in use, until a signal arrives.
    pub(crate) async fn open(bench: Bench, board: &str, what: &str, wait: &WaitArgs) -> Result<Self, ExitCode> {
        let claim = claim(Some([board.to_owned()].into()), what, wait);
        Self::claimed(bench, board, claim).await
    }

    /// Opens a board that a detached keeper holds, beside the keeper.
    pub(crate) async fn join(bench: Bench, board: &str) -> Result<Self, ExitCode> {
        let claim = Claim { boards: Some([board.to_owned()].into()), joins: true, ..Claim::default() };
        Self::claimed(bench, board, claim).await
    }

    async fn claimed(bench: Bench, board: &str, claim: Claim) -> Result<Self, ExitCode> {
        check_set(&bench, Part::Board(board))?;
        let mut abort = signals::abort_on_signals(None).map_err(|error| set_up_failed(&error, None))?;
        let timeline = Timeline::in_memory(Epoch::start());
        // A console may be shown for hours, and older events are not used.
        timeline.forget_after(10_000);
        let opened = tokio::select! {
            opened = hil_bench::Bench::open(bench, &timeline, claim) => opened,
            _ = abort.wait_for(|abort| *abort) => return Err(ExitCode::Aborted),
        };
        let bench = opened.map_err(|error| set_up_failed(&error, error.hint()))?;
        warn_of_rails_left_unsafe(&bench);
        Ok(Self { bench, timeline, abort })
    }

    /// Waits until the command must end.
    pub(crate) async fn aborted(&self) {
        // Never an error: the sender lives as long as the program.
        let _ = self.abort.clone().wait_for(|abort| *abort).await;
    }

    /// Runs an action on the board, until it is done or the command must end.
    pub(crate) async fn work(&self, work: impl Future<Output = Result<(), BenchError>>) -> ExitCode {
        tokio::select! {
            worked = work => match worked {
                Ok(()) => ExitCode::Passed,
                Err(error) => {
                    set_up_failed(&error, error.hint());
                    ExitCode::Errored
                }
            },
            () = self.aborted() => ExitCode::Aborted,
            // The board is not touched any more: another process may have locked it.
            () = self.bench.keeper_lost() => {
                warn(KEEPER_EXITED);
                ExitCode::Errored
            }
        }
    }

    /// Closes the board and releases its lock.
    pub(crate) async fn close(&self, code: ExitCode) -> ExitCode {
        let failures = self.bench.close().await;
        warn_of_unsafe_rails(&failures);
        if failures.is_empty() || code != ExitCode::Passed { code } else { ExitCode::Errored }
    }
}

/// Reports rails that may still be on.
pub(crate) fn warn_of_unsafe_rails(failures: &[(String, String)]) {
    for (board, reason) in failures {
        let message = Message(format!("the rails of board `{board}` could not be made safe: {reason}"));
        set_up_failed(&message, Some("check the board: it may still have power".to_owned()));
    }
}

/// Warns about boards that their last users did not leave in a safe state.
pub(crate) fn warn_of_rails_left_unsafe(bench: &hil_bench::Bench) {
    for (board, left) in bench.left_unsafe() {
        let left = escaped(left);
        warn(format!("warning: the last user of board `{board}` could not leave it safe: {left}"));
    }
}

/// The claim of a command on these boards, or on all.
pub(crate) fn claim(boards: Option<BTreeSet<String>>, what: &str, wait: &WaitArgs) -> Claim {
    let waiting = |board: &str, holder: Option<&Holder>| {
        let by = holder.map(|holder| format!(" by {}", escaped(&holder.to_string()))).unwrap_or_default();
        warn(format!("waiting for board `{board}`: in use{by}"));
        if holder.is_some_and(|holder| holder.detached) {
            warn(format!("hint: `hil power {board} off` switches it off and releases it"));
        }
    };
    let at_terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let ask_person = at_terminal.then(|| Arc::new(ask_person) as AskPerson);
    Claim {
        boards,
        wait: !wait.no_wait,
        what: what.to_owned(),
        waiting: Arc::new(waiting),
        ask_person,
        ..Claim::default()
    }
}

/// Asks the user to do something; true once Enter is pressed. Does not wait if the question can't be shown.
fn ask_person(question: String) -> bool {
    output::ask(format!("\n>>> {question}"))
        && std::io::stdin().read_line(&mut String::new()).is_ok_and(|length| length > 0)
}

/// The feature paths from the command line, or the default folder.
pub(crate) fn feature_paths(asked: &[PathBuf]) -> Vec<PathBuf> {
    if asked.is_empty() { vec![PathBuf::from("features")] } else { asked.to_vec() }
}

/// Parses the tag expression and the name filter.
pub(crate) fn filter(args: &SelectArgs) -> Result<Filter, Message> {
    let tags = args.tags.as_ref().map(|text| {
        Filter::parse_tags(text)
            .map_err(|_| Message(format!("`{text}` is not a tag expression; an example: `@a and not @b`")))
    });
    let name = args
        .name
        .as_ref()
        .map(|text| regex::Regex::new(text).map_err(|_| Message(format!("`{text}` is not a regular expression"))));
    Ok(Filter { paths_named: !args.features.is_empty(), tags: tags.transpose()?, name: name.transpose()? })
}

/// Prints the warnings about features.
pub(crate) fn warn_of(plan: &Plan) {
    for problem in plan.warnings() {
        warn(Line::new().paint(Style::new().yellow().bold(), "warning:").text(format!(" {problem}")));
    }
}

/// Reports that no scenario matches, and which option left none.
pub(crate) fn nothing_matches(why: Option<&str>) -> ExitCode {
    let hint = "`hil run --list` lists the scenarios that run by default; select those tagged @opt-in by path or tag";
    let why = why.map_or(String::new(), |why| format!("; {}", escaped(why)));
    set_up_failed(&Message(format!("no scenario matches: nothing ran{why}")), Some(hint.to_owned()));
    ExitCode::NothingRan
}
