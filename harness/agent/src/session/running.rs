//! Opens the boards, runs what the head hands out, and ends in order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use hil_bench::Claim;
use hil_capture::Capture;
use hil_config::{Bench, Part};
use hil_report::{RunSummary, read_run};
use hil_scenario::{Attempt, AttemptEnd, Limits, RunContext, run_one};
use hil_timeline::{Choice, Cursor, Mask, Provenance, SCHEMA, ScenarioId, ScenarioKey, Timeline, What};
use tokio::sync::watch;

use super::check::Plans;
use super::{Ending, Session, refused, unexpected};
use crate::lifeline::STANDS_STILL;
use crate::protocol::{Assignment, Finished, Opened, Refusal, ToAgent, ToHead, Work};

/// How long running scenarios have to end in order.
const GRACE: Duration = Duration::from_millis(1500);

/// A scenario that runs.
type Running<'a> = FuturesUnordered<LocalBoxFuture<'a, (ScenarioId, AttemptEnd)>>;

impl Session {
    /// Runs on these boards until the head has nothing else to run.
    pub(super) async fn run_on(
        mut self,
        bench: Bench,
        boards: BTreeSet<String>,
        (work, plans): (Work, Plans),
        mask: Mask,
    ) -> Result<(), Ending> {
        let timeline = Timeline::in_memory(self.clock.epoch);
        let (abort, aborted) = watch::channel(false);
        let (name, broker) = (bench.name.clone(), bench.broker.kind.word.to_owned());
        let project = bench.project.as_ref().map(|project| project.name.clone());
        let context = self.open(bench, boards, &timeline, (&work, aborted)).await?;
        let folder = match self.record_in_folder(&timeline, &context, (&work, &mask)) {
            Ok(folder) => folder,
            Err(ending) => {
                context.close().await;
                return Err(ending);
            }
        };
        timeline.record(
            None,
            What::RunStarted {
                schema: SCHEMA,
                version: self.agent.version.clone(),
                unix_ms: u64::try_from(self.clock.began.as_millis()).unwrap_or(u64::MAX),
                bench: name,
                project,
                broker,
                boards: context.bench().infos(),
                provenance: Provenance { host: Some(self.agent.host.clone()), ..Provenance::default() },
                // The head decides it while the run goes on.
                plan: Vec::new(),
                choice: Choice::default(),
            },
        );
        self.out.send(&ToHead::Opened(Opened {
            boards: context.bench().infos(),
            unix_us: u64::try_from(self.clock.began.as_micros()).unwrap_or(u64::MAX),
            folder: folder.display().to_string(),
        }));
        let worked = self.work_off(&context, &plans, &abort).await;
        self.end(&context, &timeline, &folder, worked.is_err()).await;
        worked
    }

    /// Claims the boards, and opens them; tells the head which it waits for.
    async fn open(
        &mut self,
        bench: Bench,
        boards: BTreeSet<String>,
        timeline: &Timeline,
        (work, aborted): (&Work, watch::Receiver<bool>),
    ) -> Result<Arc<RunContext>, Ending> {
        let unset = |error: hil_config::ConfigError| Refusal { what: error.to_string(), hint: None };
        bench.check_set(Part::Tap).map_err(unset)?;
        for board in &boards {
            bench.check_set(Part::Board(board)).map_err(unset)?;
        }
        let out = self.out.clone();
        let waiting = move |board: &str, holder: Option<&hil_bench::keeper::Holder>| {
            out.send(&ToHead::Waiting { board: board.to_owned(), holder: holder.map(ToString::to_string) });
        };
        let claim = Claim {
            boards: Some(boards),
            wait: work.wait,
            what: work.what.clone(),
            waiting: Arc::new(waiting),
            silence: Some(STANDS_STILL),
            access_point: Some(Arc::new(|_| {})),
            ..Claim::default()
        };
        if hil_scenario::uses_access_point(&bench, &claim) {
            bench.check_set(Part::AccessPoint).map_err(unset)?;
        }
        let limits =
            Limits { step: Duration::from_millis(work.step_ms), scenario: Duration::from_millis(work.scenario_ms) };
        let opening = RunContext::open(bench, timeline.clone(), limits, aborted, claim);
        let opened = tokio::select! {
            opened = opening => opened,
            next = self.next() => return Err(next.map_or_else(|ending| ending, |message| unexpected(&message))),
        };
        let context = opened.map(Arc::new).map_err(|error| {
            let what = std::iter::successors(std::error::Error::source(&error), |cause| cause.source())
                .fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
            Refusal { what, hint: error.hint() }
        })?;
        for (board, left) in context.bench().left_unsafe() {
            let left = hil_timeline::escaped(left);
            self.agent.surroundings.warn(&format!("the last user of board `{board}` could not leave it safe: {left}"));
        }
        Ok(context)
    }

    /// Records in a run folder of this host from now on, and sends what is recorded.
    fn record_in_folder(
        &self,
        timeline: &Timeline,
        context: &RunContext,
        (work, mask): (&Work, &Mask),
    ) -> Result<PathBuf, Ending> {
        let folder = self.agent.surroundings.run_folder().map_err(refused("can't make a run folder"))?;
        let log = folder.join("events.jsonl");
        timeline.write_to(&log, mask.clone(), work.max_record).map_err(refused("can't write the events"))?;
        let path = folder.join("traffic.pcapng");
        let unix_us = u64::try_from(self.clock.began.as_micros()).unwrap_or(u64::MAX);
        let shown = (!work.unmask).then(|| mask.clone());
        let capture = Capture::create(&path, unix_us, shown, work.max_record);
        context.capture_to(capture.map_err(|error| Refusal { what: error.to_string(), hint: None })?);
        context.hide(mask.clone());
        if let Some(lines) = timeline.lines().map_err(refused("can't read the events"))? {
            self.out.follow(lines, path);
        }
        Ok(folder)
    }

    /// Runs what the head hands out, until it has nothing else or the session is over.
    async fn work_off(
        &mut self,
        context: &Arc<RunContext>,
        plans: &Plans,
        abort: &watch::Sender<bool>,
    ) -> Result<(), Ending> {
        let mut running: Running<'_> = FuturesUnordered::new();
        let (mut finishing, mut used) = (false, Used::new());
        let ending = loop {
            if finishing && running.is_empty() {
                return Ok(());
            }
            tokio::select! {
                Some((id, end)) = running.next(), if !running.is_empty() => self.done(id, end),
                next = self.next() => match next {
                    Ok(ToAgent::Run(assignment)) => match start(context, plans, &mut used, assignment) {
                        Ok(started) => running.push(started),
                        Err(ending) => break ending,
                    },
                    Ok(ToAgent::Finish) => finishing = true,
                    Ok(other) => break unexpected(&other),
                    Err(ending) => break ending,
                },
            }
        };
        abort.send_replace(true);
        let rest = async {
            while let Some((id, end)) = running.next().await {
                self.done(id, end);
            }
        };
        if tokio::time::timeout(GRACE, rest).await.is_err() {
            // Bounded, because a driver may hang; the keeper then makes its rails safe.
            let _ = tokio::time::timeout(Duration::from_millis(300), context.bench().make_safe()).await;
        }
        Err(ending)
    }

    fn done(&self, id: ScenarioId, AttemptEnd { verdict, transient, suspects }: AttemptEnd) {
        self.out.send_after_record(&ToHead::Done { id, verdict, transient, suspects });
    }

    /// Makes the boards safe, releases them, and writes the reports of this host.
    async fn end(&self, context: &RunContext, timeline: &Timeline, folder: &Path, is_aborted: bool) {
        let counts = RunSummary::of(timeline.since(Cursor::default())).counts();
        let unsafe_rails = context.close().await;
        for (board, reason) in &unsafe_rails {
            let note = format!("its rails could not be made safe: {reason}");
            timeline.record(None, What::Bench { board: board.clone(), note });
        }
        let exit_code = self.agent.surroundings.exit_code(counts, is_aborted, !unsafe_rails.is_empty());
        timeline.record(None, What::RunFinished { exit_code });
        let capture = context.capture();
        let failure = capture.and_then(Capture::failure).map(|error| error.to_string());
        let record_failure = failure.or_else(|| timeline.write_failure());
        let capture_cut = capture.is_some_and(Capture::is_cut);
        self.out.send_after_record(&ToHead::Finished(Finished { unsafe_rails, record_failure, capture_cut }));
        // The head makes the reports of the whole; these are for users of this host.
        if let Err(error) = read_run(folder).and_then(|run| run.write_reports()) {
            self.agent.surroundings.warn(&format!("the reports on this host could not be written: {error}"));
        }
    }
}

/// The boards that each scenario used last.
type Used = BTreeMap<ScenarioKey, BTreeSet<String>>;

/// Starts a scenario. It waits for its boards, which the head hands out one at a time.
fn start<'a>(
    context: &'a Arc<RunContext>,
    plans: &Plans,
    used: &mut Used,
    Assignment { id, key, attempt, repetition, bound }: Assignment,
) -> Result<LocalBoxFuture<'a, (ScenarioId, AttemptEnd)>, Ending> {
    let Some(plan) = plans.get(&key).cloned() else {
        return Err(Ending::Over("the head handed out a scenario that it did not send".to_owned()));
    };
    let boards: BTreeSet<_> = bound.values().cloned().collect();
    let before = used.insert(key, boards.clone()).unwrap_or_default();
    let recovers = attempt > 1 && !before.is_disjoint(&boards);
    let attempt = Attempt { id, attempt, repetition, bound, recovers };
    Ok(Box::pin(async move { (id, run_one(context, plan, attempt).await) }))
}
