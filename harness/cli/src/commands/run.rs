//! `hil run`.

mod hosts;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hil_bench::Claim;
use hil_capture::Capture;
use hil_config::{Bench, Part};
use hil_report::{
    Comparison, History, ReadRun, Record, RunSummary, Trend, WriteError, annotations, compare, host_lines, inert,
    quarantine_lines, read_run, repetition_lines, set_aside_lines, skip_lines, summary_line,
};
use hil_scenario::{Limits, Plan, Retries, RunContext, RunOptions};
use hil_timeline::{Choice, Cursor, Epoch, Mask, SCHEMA, Timeline, What};

use crate::args::{FailOn, Flaky, Format, ProvenanceArgs, RunArgs, WaitArgs};
use crate::choice::{self, Chosen};
use crate::commands::{dry_run, watch};
use crate::exit_code::{Demands, ExitCode, RunEnd};
use crate::folder;
use crate::output::{Line, Message, hide, say, say_json, set_up_failed, warn};
use crate::quarantine::{self, Quarantined};
use crate::records::{self, Baseline};
use crate::reporter::{Detail, Reporter};
use crate::{project, provenance, session, signals};

pub(crate) fn run(args: RunArgs) -> ExitCode {
    if args.watch {
        return watch::refused(&args).unwrap_or_else(|| watch::watch(&args));
    }
    // Listing scenarios does not need a bench, unless its boards select them.
    let has_hosts = !args.hosts.hosts.is_empty() || args.hosts.fleet;
    if args.list {
        let bench = (!args.choose.board.is_empty() && !has_hosts)
            .then(|| session::choose(args.bench.bench.clone()))
            .transpose();
        return match bench.and_then(|bench| read_plan(&args, bench.as_ref())) {
            Ok(chosen) => list(&chosen, args.format.format),
            Err(code) => {
                if code == ExitCode::NothingRan && args.format.format == Format::Json {
                    say_json(&serde_json::json!([]));
                }
                code
            }
        };
    }
    if has_hosts {
        return on_hosts(args).unwrap_or_else(|code| code);
    }
    let read = session::choose(args.bench.bench.clone())
        .and_then(|bench| session::with_project(bench, &args.project, &args.firmware))
        .and_then(|bench| Ok((read_plan(&args, Some(&bench))?, bench)));
    let (chosen, bench) = match read {
        Ok(read) => read,
        Err(code) => return code,
    };
    if args.dry_run {
        return dry_run::dry_run(&chosen, &bench, &records::history(args.history.as_ref()), args.format.format);
    }
    if args.verbose > 0 && args.format.format == Format::Text {
        project::notes(&bench).iter().for_each(|(what, how)| say(inert(&format!("{what} {how}"))));
    }
    let settings = match settings(&args, &chosen) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    shown(&args, &settings, |is_shown| execute(chosen.plan, bench, &settings, is_shown)).unwrap_or_else(|code| code)
}

/// Runs on other hosts.
fn on_hosts(mut args: RunArgs) -> Result<ExitCode, ExitCode> {
    let hosts = hosts::chosen(&args.hosts, &args.project)?;
    // Which boards there are is known only when the hosts have answered.
    let boards = std::mem::take(&mut args.choose.board);
    let chosen = read_plan(&args, None)?;
    hosts::refuse(&boards, &chosen.choice)?;
    let project = hosts::gather(&chosen.plan, &args.project, &args.firmware)?;
    let settings = settings(&args, &chosen)?;
    let work = hosts::OnHosts { hosts, chosen, boards: &boards, project };
    shown(&args, &settings, |is_shown| hosts::execute(work, &settings, is_shown))
}

/// Runs, and prints the run if it is to be printed as JSON.
fn shown(
    args: &RunArgs,
    settings: &RunSettings,
    run: impl FnOnce(bool) -> Result<(RunSummary, ExitCode), ExitCode>,
) -> Result<ExitCode, ExitCode> {
    let json = args.format.format == Format::Json;
    if !json {
        choice::say_choice(&settings.choice);
    }
    let (run, code) = run(!json)?;
    if json {
        say_json(&run);
    }
    Ok(code)
}

/// How to run what is chosen; reads the files that the options name.
fn settings(args: &RunArgs, chosen: &Chosen) -> Result<RunSettings, ExitCode> {
    let quarantined = quarantine::of(&chosen.plan, &args.select.features, args.choose.quarantine.as_deref())?;
    let baseline = args.baseline.as_deref().map(Baseline::read).transpose()?;
    let history = records::history(args.history.as_ref());
    // Checked before the run, so that a wrong file is not reported only after hours.
    if records::is_history_given(args.history.as_ref())
        && let Err(error) = history.check()
    {
        return Err(set_up_failed(&error, Some("name another file with `--history` or `HIL_HISTORY`".to_owned())));
    }
    let named = args.select.features.iter().map(|path| format!(" {}", path.display()));
    let retries = Retries { bench: args.bench_retries, product: args.retries };
    Ok(RunSettings {
        what: format!("hil run{}", named.collect::<String>()),
        wait: args.wait.clone(),
        out: args.out.clone(),
        unmask: args.unmask,
        max_record: args.max_record << 20,
        limits: Limits { step: args.step_deadline, scenario: args.scenario_deadline },
        deadline: args.deadline,
        options: chosen.options(&args.choose, &quarantined, (retries, &history)),
        quarantined,
        choice: chosen.choice.clone(),
        flaky: args.flaky,
        provenance: args.provenance.clone(),
        strict: args.strict,
        baseline,
        fail_on: args.fail_on,
        history,
        detail: if args.format.format == Format::Json { Detail::Quiet } else { Detail::of(args.quiet, args.verbose) },
    })
}

fn read_plan(args: &RunArgs, bench: Option<&Bench>) -> Result<Chosen, ExitCode> {
    let filter = session::filter(&args.select).map_err(|error| set_up_failed(&error, None))?;
    let plan = Plan::read(&session::feature_paths(&args.select.features), &filter, bench);
    let plan = plan.map_err(|error| {
        let hint = args
            .select
            .features
            .is_empty()
            .then(|| "run `hil` in the folder that contains `features`, or name a folder".to_owned());
        let unreadable = matches!(error, hil_scenario::PlanError::Unreadable { .. });
        set_up_failed(&error, hint.filter(|_| unreadable))
    })?;
    session::warn_of(&plan);
    choice::choose(plan, bench, (&args.select, &args.choose), args.out.as_deref())
}

fn list(chosen: &Chosen, format: Format) -> ExitCode {
    match format {
        Format::Json => say_json(&chosen.list(None)),
        Format::Text => {
            for scenario in chosen.list(None) {
                say(inert(&format!("{}:{}  {}", scenario.path, scenario.line, scenario.name)));
            }
        }
    }
    ExitCode::Passed
}

/// How to run a plan.
pub(crate) struct RunSettings {
    /// What a process that waits for one of the boards displays.
    pub(crate) what: String,
    pub(crate) wait: WaitArgs,
    pub(crate) out: Option<PathBuf>,
    /// Do not mask passwords in the capture.
    pub(crate) unmask: bool,
    /// In bytes.
    pub(crate) max_record: u64,
    pub(crate) limits: Limits,
    pub(crate) deadline: Option<Duration>,
    pub(crate) options: RunOptions,
    /// Scenarios that may fail.
    pub(crate) quarantined: Quarantined,
    /// What is recorded about the choice of scenarios.
    pub(crate) choice: Choice,
    pub(crate) flaky: Flaky,
    pub(crate) provenance: ProvenanceArgs,
    /// Treat a skipped scenario as a bench fault.
    pub(crate) strict: bool,
    pub(crate) baseline: Option<Baseline>,
    pub(crate) fail_on: Option<FailOn>,
    pub(crate) history: History,
    pub(crate) detail: Detail,
}

/// Runs a plan on a bench, writes the run folder and prints a summary.
pub(crate) fn execute(
    plan: Plan,
    bench: Bench,
    settings: &RunSettings,
    is_shown: bool,
) -> Result<(RunSummary, ExitCode), ExitCode> {
    let done = session::on(bench, async |bench| execute_in(plan, bench, settings).await)?;
    // Outside the runtime, because this may block until its output is read.
    if is_shown {
        conclude(&done);
    }
    match done.code {
        Err(code) => Err(code),
        Ok(code) => Ok((done.read.run, code)),
    }
}

/// A run whose boards are safe and whose reports are written.
struct FinishedRun {
    read: ReadRun,
    comparison: Option<Comparison>,
    folder: PathBuf,
    /// An error if not everything could be recorded.
    code: Result<ExitCode, ExitCode>,
}

async fn execute_in(plan: Plan, bench: Bench, settings: &RunSettings) -> Result<FinishedRun, ExitCode> {
    // Finds what can't run before any board is touched. Checks only what the plan uses.
    for (board, firmware) in hil_scenario::firmware_of(&plan, &bench) {
        session::check_firmware(&bench, &board, &firmware)?;
    }
    session::check_set(&bench, Part::Broker)?;
    plan.check_passwords(&bench).map_err(|error| set_up_failed(&error, None))?;
    let abort = signals::abort_on_signals(settings.deadline).map_err(|error| set_up_failed(&error, None))?;
    let provenance = provenance::of_run(&settings.provenance).await;
    let (name, broker) = (bench.name.clone(), bench.broker.kind.word.to_owned());
    let project = bench.project.as_ref().map(|project| project.name.clone());
    let mask = Mask::new(bench.secrets.iter().cloned().chain(plan.secrets()));
    hide(mask.clone());
    let (timeline, started) = (Timeline::in_memory(Epoch::start()), folder::now());
    // Ports and boards first: a run that can't start leaves no folder behind.
    let claim = session::claim(Some(hil_scenario::boards_of(&plan, &bench)), &settings.what, &settings.wait);
    let claim = Claim { access_point: Some(Arc::new(|what| warn(format!("waiting for {what}")))), ..claim };
    let context = session::open(bench, &timeline, settings.limits, abort, claim).await?;
    let mut planned = choice::in_order(plan.list(Some(context.bench().config())), &settings.choice);
    for scenario in &mut planned {
        scenario.quarantine = settings.quarantined.get(&scenario.key()).cloned();
    }
    let folder = match open_folder(settings, &timeline, &mask, started) {
        Ok((folder, capture)) => {
            context.capture_to(capture);
            context.hide(mask.clone());
            folder
        }
        Err(code) => {
            context.close().await;
            return Err(code);
        }
    };
    timeline.record(
        None,
        What::RunStarted {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            unix_ms: u64::try_from(started.as_millis()).unwrap_or(u64::MAX),
            bench: name,
            project,
            broker,
            boards: context.bench().infos(),
            provenance,
            plan: planned,
            choice: settings.choice.clone(),
        },
    );
    let reporter = tokio::spawn(Reporter::new(settings.detail).follow(timeline.follow(Cursor::default())));
    run_to_the_end(&context, plan, settings.options.clone()).await;
    let so_far = RunSummary::of(timeline.since(Cursor::default()));
    let is_aborted = context.is_aborted();
    let failures = context.close().await;
    let end = RunEnd { counts: so_far.counts(), is_aborted, is_unsafe: !failures.is_empty(), flaky: settings.flaky };
    for (board, reason) in &failures {
        let note = format!("its rails could not be made safe: {reason}");
        timeline.record(None, What::Bench { board: board.clone(), note });
    }
    timeline.record(None, What::RunFinished { exit_code: end.recorded().code() });
    if context.capture().is_some_and(Capture::is_cut) {
        let mib = settings.max_record >> 20;
        warn(format!("warning: `traffic.pcapng` reached {mib} MiB; later packets are not in it"));
    }
    let done = finish(&folder, &timeline, context.capture().and_then(Capture::failure).map(Into::into), &end, settings);
    signals::settle(done.as_ref().map_or_else(|code| *code, |done| done.code.unwrap_or_else(|code| code)));
    // The reporter ends with that event. If it panicked, the reports are still valid.
    let _ = reporter.await;
    session::warn_of_unsafe_rails(&failures);
    done
}

fn open_folder(
    settings: &RunSettings,
    timeline: &Timeline,
    mask: &Mask,
    started: Duration,
) -> Result<(PathBuf, Capture), ExitCode> {
    let folder = record_folder(settings, timeline, mask)?;
    let unix_us = u64::try_from(started.as_micros()).unwrap_or(u64::MAX);
    let mask = (!settings.unmask).then(|| mask.clone());
    let capture = Capture::create(&folder.join("traffic.pcapng"), unix_us, mask, settings.max_record);
    let hint = || "choose another folder with `--out`".to_owned();
    let capture = capture.map_err(|error| set_up_failed(&error, Some(hint())))?;
    Ok((folder, capture))
}

/// Makes the run folder, and records in it from now on.
fn record_folder(settings: &RunSettings, timeline: &Timeline, mask: &Mask) -> Result<PathBuf, ExitCode> {
    let failed = |what: String, error: std::io::Error| {
        let hint = "choose another folder with `--out`".to_owned();
        set_up_failed(&Message(format!("{what}: {error}")), Some(hint))
    };
    let folder = folder::create(settings.out.as_deref())
        .map_err(|error| failed("can't create the run folder".to_owned(), error))?;
    let log = folder.join("events.jsonl");
    timeline
        .write_to(&log, mask.clone(), settings.max_record)
        .map_err(|error| failed(format!("can't write `{}`", log.display()), error))?;
    Ok(folder)
}

/// Runs the plan. After an abort, running scenarios get a grace period; then the boards are made safe regardless.
async fn run_to_the_end(context: &Arc<RunContext>, plan: Plan, options: RunOptions) {
    const GRACE: Duration = Duration::from_millis(1500);
    let expired = async {
        context.aborted().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = hil_scenario::run_with_retries(Arc::clone(context), plan, options) => {}
        () = expired => {
            // Bounded, because a driver may hang; the keeper then makes its rails safe.
            let _ = tokio::time::timeout(Duration::from_millis(300), context.bench().make_safe()).await;
        }
    }
}

/// Writes the reports. Their errors are printed before waiting for the reporter.
fn finish(
    folder: &Path,
    timeline: &Timeline,
    incomplete: Option<Box<dyn Error>>,
    end: &RunEnd,
    settings: &RunSettings,
) -> Result<FinishedRun, ExitCode> {
    let failed = |error: WriteError| set_up_failed(&error, error.hint().map(str::to_owned));
    let mut read = read_run(folder).map_err(failed)?;
    let past = records::past(&settings.history);
    let comparison = compared(&read, past.as_deref().map_err(|code| *code), settings);
    let known = comparison.as_ref().and_then(|it| it.as_ref().ok());
    read.record.regressed = known.is_some_and(|comparison| comparison.regression);
    let mut all = past.unwrap_or_default();
    all.push(read.record.clone());
    read.keep_trend(&Trend::of(&all)).map_err(failed)?;
    if let Some(comparison) = known {
        read.keep_comparison(comparison).map_err(failed)?;
    }
    read.write_reports().map_err(failed)?;
    // The reports are valid even if the history can't be written.
    if let Err(error) = settings.history.append(&read.record) {
        set_up_failed(&error, Some("name another file with `--history` or `HIL_HISTORY`".to_owned()));
    }
    let is_worse = |comparison: &Result<Comparison, ExitCode>| match comparison {
        Ok(comparison) => Ok(comparison.regression),
        Err(code) => Err(*code),
    };
    let regression = settings.fail_on.and_then(|FailOn::Regression| comparison.as_ref().map(is_worse));
    let code = end.code(Demands { strict: settings.strict, regression });
    let code = recorded(timeline, incomplete).map(|()| code);
    Ok(FinishedRun { read, comparison: comparison.and_then(Result::ok), folder: folder.to_owned(), code })
}

/// Reports an error if not everything could be recorded.
fn recorded(timeline: &Timeline, incomplete: Option<Box<dyn Error>>) -> Result<(), ExitCode> {
    let hint = || Some("check whether the disk is full".to_owned());
    if let Some(failure) = incomplete {
        return Err(set_up_failed(failure.as_ref(), hint()));
    }
    if let Some(failure) = timeline.write_failure() {
        let message = Message(format!("the events of this run could not be written: {failure}"));
        return Err(set_up_failed(&message, hint()));
    }
    Ok(())
}

/// The comparison with the baseline; `None` without a baseline, or if the history has no good run yet.
fn compared(
    read: &ReadRun,
    past: Result<&[Record], ExitCode>,
    settings: &RunSettings,
) -> Option<Result<Comparison, ExitCode>> {
    let baseline = settings.baseline.as_ref()?;
    let past = match past {
        Ok(past) => past,
        Err(code) => return Some(Err(code)),
    };
    let base = baseline.records(past, &read.record);
    if base.is_empty() {
        records::warn_no_good_run(&settings.history);
        return None;
    }
    let head = records::head(&read.record, &base, past);
    Some(compare(&base, &head).map_err(|error| set_up_failed(&error, None)))
}

fn conclude(done: &FinishedRun) {
    let run = &done.read.run;
    say("");
    say(summary_line(run));
    host_lines(run).iter().for_each(say);
    skip_lines(run).iter().for_each(say);
    repetition_lines(run).iter().for_each(say);
    set_aside_lines(run).iter().for_each(say);
    quarantine_lines(run).iter().for_each(say);
    if let Some(comparison) = &done.comparison {
        say("");
        say(comparison.text());
    }
    say(format!("reports: {}", done.folder.display()));
    if std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true") {
        annotations(run, &path_in_checkout()).iter().for_each(|command| say(Line::command(command)));
    }
}

/// The working folder, relative to the root of GitHub's checkout.
fn path_in_checkout() -> PathBuf {
    let (root, here) = (std::env::var_os("GITHUB_WORKSPACE"), std::env::current_dir());
    let below = root.zip(here.ok()).and_then(|(root, here)| {
        let root = Path::new(&root).canonicalize().ok()?;
        Some(here.canonicalize().ok()?.strip_prefix(root).ok()?.to_owned())
    });
    below.unwrap_or_default()
}
