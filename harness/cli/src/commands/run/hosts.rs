//! `hil run --hosts`: the scenarios run on the boards of other hosts.

mod check;
mod lab;
mod project;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use hil_agent::HostSpec;
use hil_agent::head::{self, Connecting, Dispatched, Host, HostEnd, HostError, Notice, Planned, Running};
use hil_config::Fleet;
use hil_labgrid::CoordinatorAddress;
use hil_report::{CapturePart, RunSummary, inert, join_captures};
use hil_timeline::{Choice, Cursor, Epoch, HostName, Mask, SCHEMA, ScenarioInfo, Timeline, What};
use tokio::sync::{mpsc, oneshot, watch};

use self::lab::Lab;
pub(super) use self::project::{ProjectFiles, gather};
use super::{FinishedRun, RunSettings, conclude, finish};
use crate::args::{HostsArgs, ProjectArgs};
use crate::choice::{self, Chosen};
use crate::commands;
use crate::exit_code::{ExitCode, RunEnd};
use crate::folder;
use crate::output::{Message, hide, set_up_failed, warn};
use crate::reporter::Reporter;
use crate::{host_names, provenance, session, signals};

/// Where the hosts of a run come from.
pub(super) enum Hosts {
    /// `--hosts` names them.
    Named(Vec<HostSpec>),
    /// Those of a lab whose boards the run gets from this coordinator.
    Lab(Fleet, CoordinatorAddress),
}

/// The hosts that the command line names, or the lab of the project.
pub(super) fn chosen(args: &HostsArgs, project: &ProjectArgs) -> Result<Hosts, ExitCode> {
    if args.fleet {
        let (fleet, coordinator) = commands::fleet::of_project(project)?;
        return Ok(Hosts::Lab(fleet, coordinator));
    }
    host_names::named(&args.hosts).map(Hosts::Named)
}

/// What runs on which hosts.
pub(super) struct OnHosts<'a> {
    pub(super) hosts: Hosts,
    pub(super) chosen: Chosen,
    /// Only scenarios that name one of these boards.
    pub(super) boards: &'a [String],
    pub(super) project: ProjectFiles,
}

/// Runs a plan on hosts, writes the run folder and prints a summary.
pub(super) fn execute(
    work: OnHosts<'_>,
    settings: &RunSettings,
    is_shown: bool,
) -> Result<(RunSummary, ExitCode), ExitCode> {
    let done = session::on_runtime(execute_in(work, settings))?;
    // Outside the runtime, because this may block until its output is read.
    if is_shown {
        conclude(&done);
    }
    done.code.map(|code| (done.read.run, code))
}

async fn execute_in(work: OnHosts<'_>, settings: &RunSettings) -> Result<FinishedRun, ExitCode> {
    let mut abort = signals::abort_on_signals(settings.deadline).map_err(|error| set_up_failed(&error, None))?;
    let provenance = provenance::of_run(&settings.provenance).await;
    let mask = Mask::new(work.project.bench.secrets.iter().cloned().chain(work.chosen.plan.secrets()));
    hide(mask.clone());
    let (timeline, started) = (Timeline::in_memory(Epoch::start()), folder::now());
    let connecting = Connecting {
        ssh: std::env::var(hil_config::HIL_SSH).ok().filter(|ssh| !ssh.trim().is_empty()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        epoch: timeline.epoch(),
        notices: Arc::new(show),
    };
    let OnHosts { hosts, chosen, boards, project } = work;
    let joins_within = match &hosts {
        Hosts::Named(_) => Duration::ZERO,
        Hosts::Lab(fleet, _) => fleet.wait,
    };
    // What the lab has given is given back, however the preparation ends.
    let mut lab = match &hosts {
        Hosts::Named(_) => None,
        Hosts::Lab(fleet, coordinator) => {
            let work = (project.work(&chosen, settings), project.files.clone());
            Some(Lab::begin((fleet, coordinator), connecting.clone(), work, &folder::new_name()).await?)
        }
    };
    let source = match hosts {
        Hosts::Named(specs) => Source::Named(specs),
        Hosts::Lab(..) => Source::Lab(&mut lab, joins_within),
    };
    // Boards first: a run that can't start leaves no folder behind.
    let ready = tokio::select! {
        ready = prepared((source, &connecting), (&chosen, boards), &project, settings) => ready,
        _ = abort.wait_for(|abort| *abort) => Err(ExitCode::Aborted),
    };
    let made = match ready {
        Ok(ready) => match super::record_folder(settings, &timeline, &mask) {
            Ok(folder) => Ok((ready, folder)),
            Err(code) => Err(left(ready.hosts, code).await),
        },
        Err(code) => Err(code),
    };
    let (Ready { hosts, planned }, folder) = match made {
        Ok(made) => made,
        Err(code) => {
            if let Some(lab) = lab {
                lab.end().await;
            }
            return Err(code);
        }
    };
    let mut plan: Vec<_> = planned.iter().map(|planned| planned.info.clone()).collect();
    for scenario in &mut plan {
        scenario.quarantine = settings.quarantined.get(&scenario.key()).cloned();
    }
    timeline.record(
        None,
        What::RunStarted {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            unix_ms: u64::try_from(started.as_millis()).unwrap_or(u64::MAX),
            bench: each(hosts.iter().map(|host| format!("{}: {}", host.name(), host.hello().bench))),
            project: project.bench.project.as_ref().map(|project| project.name.clone()),
            broker: each(hosts.iter().map(|host| host.hello().broker.clone())),
            boards: hosts.iter().flat_map(Host::boards).collect(),
            provenance,
            plan,
            choice: settings.choice.clone(),
        },
    );
    let reporter = tokio::spawn(Reporter::new(settings.detail).follow(timeline.follow(Cursor::default())));
    // Boards of a lab come and go while the run goes on.
    let ((join, joining), (leave, leaving)) = (mpsc::channel(1), mpsc::channel(1));
    let (over, is_over) = oneshot::channel();
    let (lost, losses) = mpsc::unbounded_channel();
    let following = lab.map(|lab| tokio::spawn(lab.follow(planned.as_slice().into(), (join, leave), losses, is_over)));
    let running = Running {
        timeline: timeline.clone(),
        folder: folder.clone(),
        max_record: settings.max_record,
        options: settings.options.clone(),
        abort: abort.clone(),
        joining,
        joins_within,
        leaving,
        lost,
    };
    let dispatched = head::run(hosts, planned, running).await;
    drop(over);
    if let Some(following) = following {
        // If it panicked, the agents and later runs give back what it had.
        let _ = following.await;
    }
    let done = end(&folder, &timeline, &abort, &dispatched, settings);
    signals::settle(done.as_ref().map_or_else(|code| *code, |done| done.code.unwrap_or_else(|code| code)));
    // The reporter ends with the last event. If it panicked, the reports are still valid.
    let _ = reporter.await;
    warn_of(&dispatched, settings);
    done
}

/// Hosts with open boards, and what runs on them.
struct Ready {
    hosts: Vec<Host>,
    planned: Vec<Planned>,
}

/// Where hosts come from while a run is prepared.
enum Source<'a> {
    Named(Vec<HostSpec>),
    /// A lab, and how long to wait for it.
    Lab(&'a mut Option<Lab>, Duration),
}

/// Connects to the hosts, sends them the project, finds what can't run before any board is touched, and opens the boards.
async fn prepared(
    (source, connecting): (Source<'_>, &Connecting),
    (chosen, boards): (&Chosen, &[String]),
    project: &ProjectFiles,
    settings: &RunSettings,
) -> Result<Ready, ExitCode> {
    let specs = match source {
        Source::Named(specs) => specs,
        Source::Lab(lab, wait) => match lab {
            Some(lab) => return prepared_in_lab(lab, wait, (chosen, boards), settings).await,
            None => Vec::new(),
        },
    };
    let mut hosts = connected(specs, connecting).await?;
    let work = project.work(chosen, settings);
    let asked = join_all(hosts.iter_mut().map(|host| host.prepare(work.clone(), &project.files))).await;
    hosts = all(asked, hosts).await?;
    let planned = match planned(&hosts, (chosen, boards), settings) {
        Ok(planned) => planned,
        Err(code) => return Err(left(hosts, code).await),
    };
    let opened = opened_in_order(&mut hosts, &planned).await;
    let hosts = all(opened, hosts).await?;
    Ok(Ready { hosts, planned })
}

/// Opens the boards, one host after the other, in an order that is the same for every run: two runs that each had a host
/// while they wait for the other's would wait for ever.
async fn opened_in_order(hosts: &mut [Host], planned: &[Planned]) -> Vec<Result<(), HostError>> {
    let mut ordered: Vec<&mut Host> = hosts.iter_mut().collect();
    ordered.sort_by_key(|host| (host.hello().host.clone(), host.hello().bench_hash.clone(), host.name().clone()));
    let mut opened = Vec::new();
    for host in ordered {
        let boards = head::boards_needed(host, planned);
        opened.push(host.open(boards).await);
        if opened.last().is_some_and(Result::is_err) {
            break;
        }
    }
    opened
}

/// The same with hosts of a lab: those that can't be used are left, and others are tried.
async fn prepared_in_lab(
    lab: &mut Lab,
    wait: Duration,
    (chosen, boards): (&Chosen, &[String]),
    settings: &RunSettings,
) -> Result<Ready, ExitCode> {
    loop {
        let hosts = lab.hosts().await?.ok_or_else(|| none_usable(wait))?;
        let begin = tokio::time::Instant::now();
        let planned = match planned(&hosts, (chosen, boards), settings) {
            Ok(planned) => planned,
            Err(code) => return Err(left(hosts, code).await),
        };
        let hosts = lab.opened(hosts, &planned).await;
        if !hosts.is_empty() {
            return Ok(Ready { hosts, planned });
        }
        lab.tried(begin);
    }
}

fn none_usable(wait: Duration) -> ExitCode {
    let seconds = wait.as_secs();
    let message = Message(format!("no host of the lab could be used within {seconds} s; the warnings say why"));
    set_up_failed(&message, Some("`hil fleet` lists its boards; `hil doctor --hosts HOST` checks one".to_owned()))
}

/// The scenarios that some host can run, in the order of the run.
fn planned(
    hosts: &[Host],
    (chosen, boards): (&Chosen, &[String]),
    settings: &RunSettings,
) -> Result<Vec<Planned>, ExitCode> {
    let scenarios = check::planned(hosts, chosen.list(None), boards)?;
    let expected = &settings.options.expected;
    let planned = |info: ScenarioInfo| Planned { expected: expected.get(&info.key()).copied(), info };
    Ok(choice::in_order(scenarios, &settings.choice).into_iter().map(planned).collect())
}

/// The hosts, if each has done what it was to do; otherwise reports each that could not, and leaves the others.
async fn all(results: Vec<Result<(), HostError>>, hosts: Vec<Host>) -> Result<Vec<Host>, ExitCode> {
    let errors: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    if errors.is_empty() {
        return Ok(hosts);
    }
    for error in &errors {
        set_up_failed(error, error.hint());
    }
    Err(left(hosts, ExitCode::Setup).await)
}

/// Connects to all hosts.
async fn connected(specs: Vec<HostSpec>, connecting: &Connecting) -> Result<Vec<Host>, ExitCode> {
    let (mut hosts, mut results) = (Vec::new(), Vec::new());
    for result in join_all(specs.into_iter().map(|spec| Host::connect(spec, connecting))).await {
        results.push(result.map(|host| hosts.push(host)));
    }
    all(results, hosts).await
}

/// Leaves hosts: none of them holds a board afterwards.
async fn left(hosts: Vec<Host>, code: ExitCode) -> ExitCode {
    join_all(hosts.into_iter().map(Host::leave)).await;
    code
}

/// Ends the record and writes the reports.
fn end(
    folder: &Path,
    timeline: &Timeline,
    abort: &watch::Receiver<bool>,
    dispatched: &Dispatched,
    settings: &RunSettings,
) -> Result<FinishedRun, ExitCode> {
    let so_far = RunSummary::of(timeline.since(Cursor::default()));
    let is_unsafe = unsafe_rails(dispatched).next().is_some();
    let is_aborted = *abort.borrow();
    let run_end = RunEnd { counts: so_far.counts(), is_aborted, is_unsafe, flaky: settings.flaky };
    for (host, board, reason) in unsafe_rails(dispatched) {
        let note = format!("its rails could not be made safe: {reason}");
        let origin = hil_timeline::Origin { host: host.clone(), at: timeline.epoch().now() };
        timeline.record_of(origin, None, What::Bench { board: board.to_owned(), note });
    }
    timeline.record(None, What::RunFinished { exit_code: run_end.recorded().code() });
    let part = |(host, path, shift_us): &(HostName, std::path::PathBuf, i64)| CapturePart {
        path: path.clone(),
        host: Some(host.to_string()),
        shift_us: *shift_us,
    };
    let joined =
        join_captures(&dispatched.captures.iter().map(part).collect::<Vec<_>>(), &folder.join("traffic.pcapng"));
    let joined = joined.map_err(|error| Message(format!("can't write `traffic.pcapng`: {error}")));
    if joined.is_ok() {
        // The whole has everything.
        dispatched.captures.iter().for_each(|(_, path, _)| drop(std::fs::remove_file(path)));
    }
    let failure = incomplete(dispatched).map(Message).or(joined.err());
    finish(folder, timeline, failure.map(Into::into), &run_end, settings)
}

/// Why the record of a host that ended in order is not complete.
fn incomplete(dispatched: &Dispatched) -> Option<String> {
    let of_host = |(host, end): &(HostName, HostEnd)| match end {
        HostEnd::Finished(finished) => {
            finished.record_failure.as_ref().map(|failure| format!("host `{host}`: {}", inert(failure)))
        }
        HostEnd::Lost { .. } => None,
    };
    dispatched.failure.clone().or_else(|| dispatched.hosts.iter().find_map(of_host))
}

fn unsafe_rails(dispatched: &Dispatched) -> impl Iterator<Item = (&HostName, &str, &str)> {
    dispatched.hosts.iter().flat_map(|(host, end)| {
        end.unsafe_rails().iter().map(move |(board, reason)| (host, board.as_str(), reason.as_str()))
    })
}

/// Says what the reports say as well, but what must not be overlooked.
fn warn_of(dispatched: &Dispatched, settings: &RunSettings) {
    for (host, end) in &dispatched.hosts {
        match end {
            HostEnd::Lost { why, .. } => warn(format!("warning: host `{host}` was lost: {}", inert(why))),
            HostEnd::Finished(finished) if finished.capture_cut => {
                let mib = settings.max_record >> 20;
                warn(format!("warning: the capture of host `{host}` reached {mib} MiB; later packets are not in it"));
            }
            HostEnd::Finished(_) => {}
        }
    }
    for (host, board, reason) in unsafe_rails(dispatched) {
        let message =
            format!("the rails of board `{board}` of host `{host}` could not be made safe: {}", inert(reason));
        set_up_failed(&Message(message), Some("check the board: it may still have power".to_owned()));
    }
}

/// Each text once, in the order in which they come.
fn each(texts: impl Iterator<Item = String>) -> String {
    let mut seen = BTreeSet::new();
    texts.filter(|text| seen.insert(text.clone())).collect::<Vec<_>>().join(", ")
}

/// Shows what a user should know of a host at once.
fn show(notice: Notice) {
    match notice {
        Notice::Waiting { host, board, holder } => {
            let by = holder.map(|holder| format!(" by {}", inert(&holder))).unwrap_or_default();
            warn(format!("waiting for board `{}` of host `{host}`: in use{by}", inert(&board)));
        }
        Notice::Said { host, line } => warn(format!("{host}: {}", inert(&line))),
    }
}

/// What a choice of scenarios needs to know of boards, which only their hosts know.
pub(super) fn refuse(boards: &[String], choice: &Choice) -> Result<(), ExitCode> {
    if boards.is_empty() || choice.shard.is_none() {
        return Ok(());
    }
    let message =
        Message("`--board` with `--hosts` can't choose parts: each part would be of another whole".to_owned());
    Err(set_up_failed(&message, Some("choose the parts by `--shard` alone".to_owned())))
}
