//! What running commands share: signals, bench, plan.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use console::Style;
use hil_bench::keeper::Holder;
use hil_bench::power::AskPerson;
use hil_bench::{BenchError, Claim};
use hil_config::{Bench, Board, BoardKind, Part};
use hil_scenario::{Filter, Limits, Plan, RunContext, SetupError};
use hil_timeline::{Epoch, Mask, Timeline, escaped};
use tokio::sync::watch;

use crate::args::{SelectArgs, WaitArgs};
use crate::exit_code::ExitCode;
use crate::output::{self, Line, Message, hide, set_up_failed, warn};
use crate::signals;

/// Reads the bench and runs a command on it; tells why where it can't.
pub(crate) fn on_bench<T>(
    bench: Option<PathBuf>,
    command: impl AsyncFnOnce(Bench) -> Result<T, ExitCode>,
) -> Result<T, ExitCode> {
    on(choose(bench)?, command)
}

/// Reads the bench, and hides its secrets; tells why where it can't.
pub(crate) fn choose(bench: Option<PathBuf>) -> Result<Bench, ExitCode> {
    let bench = Bench::choose(bench, &hil_scenario::kinds()).map_err(|error| set_up_failed(&error, None))?;
    hide(Mask::new(bench.secrets.iter().cloned()));
    Ok(bench)
}

/// Runs a command on a bench.
pub(crate) fn on<T>(bench: Bench, command: impl AsyncFnOnce(Bench) -> Result<T, ExitCode>) -> Result<T, ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| set_up_failed(&error, None))?;
    let result = runtime.block_on(command(bench));
    // Threads that flash or wait for standard input may block for long; nothing waits for them.
    runtime.shutdown_background();
    result
}

/// Refuses to go on where the bench file names a variable for this part that is not set.
pub(crate) fn check_set(bench: &Bench, part: Part<'_>) -> Result<(), ExitCode> {
    bench.check_set(part).map_err(|error| set_up_failed(&error, None))
}

/// Refuses a firmware that can't run on its board, as far as its files tell.
pub(crate) fn check_firmware(bench: &Bench, board: &str, firmware: &str) -> Result<(), ExitCode> {
    check_set(bench, Part::Firmware(firmware))?;
    hil_bench::check_firmware(bench, board, firmware).map_err(|error| set_up_failed(&error, error.hint()))
}

/// Tells that the bench has no such board, and which ones it has.
pub(crate) fn no_such_board(bench: &Bench, name: &str) -> ExitCode {
    let known: Vec<_> = bench.boards.keys().map(|board| format!("`{board}`")).collect();
    let hint =
        if known.is_empty() { "this bench has no board".to_owned() } else { format!("there are {}", known.join(", ")) };
    set_up_failed(&Message(format!("there is no board `{name}` on this bench")), Some(hint))
}

/// A program is started by scenarios and by `hil flash` alone: it has no power of its own to be switched by hand.
pub(crate) fn refuse_program(board: &Board) -> Result<(), ExitCode> {
    if board.kind != BoardKind::Process {
        return Ok(());
    }
    let message =
        Message(format!("`{}` is a program: there is nothing to switch or to listen to without a run", board.name));
    let hint = format!("`hil flash {}` starts it once; `hil run -vv` shows what it says", board.name);
    Err(set_up_failed(&message, Some(hint)))
}

/// Takes the boards and opens them; a signal ends the waiting for them.
pub(crate) async fn open(
    bench: Bench,
    timeline: &Timeline,
    limits: Limits,
    abort: watch::Receiver<bool>,
    claim: Claim,
) -> Result<Arc<RunContext>, ExitCode> {
    for board in bench.boards.keys().filter(|name| claim.boards.as_ref().is_none_or(|all| all.contains(name.as_str())))
    {
        check_set(&bench, Part::Board(board.as_str()))?;
    }
    let mut aborted = abort.clone();
    let opened = tokio::select! {
        opened = RunContext::open(bench, timeline.clone(), limits, abort, claim) => opened,
        _ = aborted.wait_for(|abort| *abort) => return Err(ExitCode::Aborted),
    };
    let context = opened.map(Arc::new).map_err(|error| set_up_failed(&error, hint(&error)))?;
    warn_of_rails_left_unsafe(context.bench());
    Ok(context)
}

/// One board that a command has to itself, without a broker and a tap.
pub(crate) struct OneBoard {
    pub(crate) bench: hil_bench::Bench,
    pub(crate) timeline: Timeline,
    /// Turns true when the command shall end.
    pub(crate) abort: watch::Receiver<bool>,
}

impl OneBoard {
    /// Takes the board, waiting for it if need be; a signal ends the waiting.
    pub(crate) async fn open(bench: Bench, board: &str, what: &str, wait: &WaitArgs) -> Result<Self, ExitCode> {
        check_set(&bench, Part::Board(board))?;
        let mut abort = signals::abort_on_signals(None).map_err(|error| set_up_failed(&error, None))?;
        let timeline = Timeline::in_memory(Epoch::start());
        // A console may be watched for hours, and nobody looks back.
        timeline.forget_after(10_000);
        let claim = claim(Some([board.to_owned()].into()), what, wait);
        let opened = tokio::select! {
            opened = hil_bench::Bench::open(bench, &timeline, claim) => opened,
            _ = abort.wait_for(|abort| *abort) => return Err(ExitCode::Aborted),
        };
        let bench = opened.map_err(|error| set_up_failed(&error, error.hint()))?;
        warn_of_rails_left_unsafe(&bench);
        Ok(Self { bench, timeline, abort })
    }

    /// Waits until the command shall end.
    pub(crate) async fn aborted(&self) {
        // The sender lives as long as the program.
        let _ = self.abort.clone().wait_for(|abort| *abort).await;
    }

    /// Does something with the board, unless the command shall end before it is done.
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
            // Its rails are off and others may have the board.
            () = self.bench.keeper_lost() => {
                warn("error: the power keeper exited; the power state of the boards is unknown");
                ExitCode::Errored
            }
        }
    }

    /// Gives the board back.
    pub(crate) async fn close(&self, code: ExitCode) -> ExitCode {
        let failures = self.bench.close().await;
        warn_of_unsafe_rails(&failures);
        if failures.is_empty() || code != ExitCode::Passed { code } else { ExitCode::Errored }
    }
}

/// Tells of rails that may be on.
pub(crate) fn warn_of_unsafe_rails(failures: &[(String, String)]) {
    for (board, reason) in failures {
        let message = Message(format!("the rails of board `{board}` could not be made safe: {reason}"));
        set_up_failed(&message, Some("look at the board: it may still have power".to_owned()));
    }
}

/// Tells what the last users of these boards left behind.
pub(crate) fn warn_of_rails_left_unsafe(bench: &hil_bench::Bench) {
    for (board, left) in bench.left_unsafe() {
        let left = escaped(left);
        warn(format!("warning: the last user of board `{board}` could not leave it safe: {left}"));
    }
}

/// What of a bench a command wants: these boards, or all.
pub(crate) fn claim(boards: Option<BTreeSet<String>>, what: &str, wait: &WaitArgs) -> Claim {
    let waiting = |board: &str, holder: Option<&Holder>| {
        let by = holder.map(|holder| format!(" by {}", escaped(&holder.to_string()))).unwrap_or_default();
        warn(format!("waiting for board `{board}`: in use{by}"));
        if holder.is_some_and(|holder| holder.detached) {
            warn(format!("`hil power {board} off` ends it"));
        }
    };
    let at_terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let ask_person = at_terminal.then(|| Arc::new(ask_person) as AskPerson);
    Claim { boards, wait: !wait.no_wait, what: what.to_owned(), waiting: Arc::new(waiting), ask_person }
}

/// Asks for a hand; true once Enter is pressed. A question that is not shown is not waited for.
fn ask_person(question: String) -> bool {
    output::ask(format!("\n>>> {question}"))
        && std::io::stdin().read_line(&mut String::new()).is_ok_and(|length| length > 0)
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

/// Tells of what is odd about features.
pub(crate) fn warn_of(plan: &Plan) {
    for problem in plan.warnings() {
        warn(Line::new().paint(Style::new().yellow().bold(), "warning:").text(format!(" {problem}")));
    }
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
        SetupError::Tls(error) => Some(error.hint()),
        SetupError::Observer(_) => Some("`broker.user` and `broker.password` are what the harness says".to_owned()),
        SetupError::Certificates(_) => Some("is there space for temporary files?".to_owned()),
    }
}
