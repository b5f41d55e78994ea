//! Which scenario runs on which boards, and when: the scheduler, and the scenarios that wait for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hil_config::Bench;
use hil_schedule::{Assignment, CannotRun, Host, Job, JobId, Outcome, Place, PlaceId, Scheduler};
use hil_timeline::{Recorder, ScenarioKey, What};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::binding::Binding;
use crate::error::StepError;
use crate::wanted::Wanted;

/// The boards of a run, and the scenarios that wait for them.
#[derive(Debug)]
pub(crate) struct Turns {
    state: Mutex<State>,
    recorder: Recorder,
}

#[derive(Debug)]
struct State {
    scheduler: Scheduler,
    boards: BTreeMap<String, PlaceId>,
    waiting: BTreeMap<JobId, Waiting>,
    /// The boards that share a role with another board.
    pooled: BTreeSet<PlaceId>,
    /// What the bench failed at on each board.
    faults: BTreeMap<PlaceId, Vec<String>>,
}

#[derive(Debug)]
struct Waiting {
    wanted: Vec<Wanted>,
    turn: oneshot::Sender<Result<Turn, StepError>>,
}

/// A scenario that is to run.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: ScenarioKey,
    pub(crate) wanted: Vec<Wanted>,
    /// How long it took before.
    pub(crate) expected: Option<Duration>,
    /// Boards on which the bench failed it.
    pub(crate) avoids: BTreeSet<String>,
}

/// Where the turn of a scenario, or the reason why it never has one, arrives.
pub(crate) type Ticket = oneshot::Receiver<Result<Turn, StepError>>;

/// The right of a scenario to use its boards. Held until the scenario's last record: scenarios on one board never
/// overlap in the timeline.
#[derive(Debug)]
pub(crate) struct Turn {
    /// None once the scenario that waited for it is gone.
    turns: Option<Arc<Turns>>,
    job: JobId,
    /// The board of each name in its steps.
    bound: Vec<(String, String)>,
    /// Those of its boards that another board could have replaced.
    replaceable: BTreeSet<String>,
    fault: Option<Fault>,
}

/// A failure of the bench.
#[derive(Debug)]
struct Fault {
    suspects: Vec<String>,
    what: String,
}

impl Turns {
    /// The boards of a bench. The seed decides between boards that are equally good; scenarios that keep their order
    /// start as they come, others the longest first.
    pub(crate) fn new(bench: &Bench, seed: u32, keeps_order: bool, recorder: Recorder) -> Self {
        let mut scheduler = Scheduler::new(seed.into());
        if keeps_order {
            scheduler = scheduler.in_order();
        }
        // Limits scenarios that name no board: they would all run at once.
        let without_boards = std::thread::available_parallelism().map_or(2, usize::from) * 2;
        scheduler.add_host(Host { name: String::new(), without_boards, one_at_a_time: bench.broker.is_shared() });
        let place =
            |board: &hil_config::BoardName| (board.to_string(), scheduler.add_place(Place::new("", board.as_str())));
        let boards = bench.boards.keys().map(place).collect();
        let state =
            State { scheduler, boards, waiting: BTreeMap::new(), pooled: BTreeSet::new(), faults: BTreeMap::new() };
        Self { state: Mutex::new(state), recorder }
    }

    /// Lets scenarios wait for their turns; those that can start have theirs at once.
    pub(crate) fn queue(self: &Arc<Self>, entries: Vec<Entry>) -> BTreeMap<ScenarioKey, Ticket> {
        let tickets = {
            let mut state = self.state.lock();
            entries.into_iter().map(|entry| state.queue(entry)).collect()
        };
        self.hand_out();
        tickets
    }

    /// Hands out every turn that can begin now.
    fn hand_out(self: &Arc<Self>) {
        loop {
            let mut state = self.state.lock();
            for (job, reason) in state.scheduler.cannot_run() {
                if let Some(waiting) = state.waiting.remove(&job) {
                    // A scenario that no longer waits need not know.
                    let _ = waiting.turn.send(Err(state.no_turn(&reason)));
                }
            }
            let Some(Assignment { job, places, .. }) = state.scheduler.next_assignment() else { return };
            let Some(Waiting { wanted, turn: to }) = state.waiting.remove(&job) else { continue };
            let bound = wanted.iter().zip(places);
            let bound = bound.map(|(wanted, place)| (wanted.name.clone(), state.scheduler.place(place).board.clone()));
            let bound: Vec<_> = bound.collect();
            let is_replaceable = |(wanted, _): &(&Wanted, &(String, String))| wanted.boards.len() > 1;
            let replaceable = wanted.iter().zip(&bound).filter(is_replaceable).map(|(_, (_, board))| board.clone());
            let replaceable = replaceable.collect();
            let turn = Turn { turns: Some(Arc::clone(self)), job, bound, replaceable, fault: None };
            if let Err(Ok(mut unwanted)) = to.send(Ok(turn)) {
                // The scenario was ended while it waited: here, not by its drop, which would lock again.
                unwanted.turns = None;
                state.scheduler.release(job, &Outcome::Done);
            }
        }
    }

    /// Ends a turn. A board that is set aside because of it is recorded before another scenario begins.
    fn end(self: &Arc<Self>, job: JobId, fault: Option<&Fault>) {
        {
            let mut state = self.state.lock();
            let outcome = match fault {
                Some(fault) => state.note(fault),
                None => Outcome::Done,
            };
            for place in state.scheduler.release(job, &outcome) {
                if state.pooled.contains(&place) {
                    let board = state.scheduler.place(place).board.clone();
                    let reasons = state.faults.get(&place).cloned().unwrap_or_default();
                    self.recorder.record(What::SetAside { board, reasons });
                }
            }
        }
        self.hand_out();
    }
}

impl State {
    fn queue(&mut self, entry: Entry) -> (ScenarioKey, Ticket) {
        let (turn, ticket) = oneshot::channel();
        let places = |boards: &[String]| -> Vec<PlaceId> {
            boards.iter().filter_map(|board| self.boards.get(board)).copied().collect()
        };
        let avoids: Vec<_> = entry.avoids.iter().cloned().collect();
        let mut job = Job::new().expected(entry.expected).avoiding(places(&avoids));
        let fits: Vec<_> = entry.wanted.iter().map(|wanted| (wanted, places(&wanted.boards))).collect();
        for (wanted, fits) in fits {
            if fits.len() > 1 {
                self.pooled.extend(&fits);
            }
            job = job.role(&wanted.name, fits);
        }
        self.waiting.insert(self.scheduler.add_job(job), Waiting { wanted: entry.wanted, turn });
        (entry.key, ticket)
    }

    /// Why a scenario never has its turn, with what the bench failed at on the boards that are set aside.
    fn no_turn(&self, reason: &CannotRun) -> StepError {
        let error = StepError::errored(reason.to_string());
        let CannotRun::Gone { set_aside, .. } = reason else { return error };
        let faults = |place: &Place| {
            let faults = self.faults.get(self.boards.get(&place.board)?)?;
            Some(format!("`{place}`: {}", faults.join("; ")))
        };
        error.with_details(set_aside.iter().filter_map(faults))
    }

    /// Remembers what the bench failed at.
    fn note(&mut self, Fault { suspects, what }: &Fault) -> Outcome {
        let suspects: Vec<_> = suspects.iter().filter_map(|board| self.boards.get(board)).copied().collect();
        for place in &suspects {
            self.faults.entry(*place).or_default().push(what.clone());
        }
        Outcome::BenchFault(suspects)
    }
}

impl Turn {
    /// The boards.
    pub(crate) fn boards(&self) -> Vec<String> {
        let mut boards: Vec<_> = self.bound.iter().map(|(_, board)| board.clone()).collect();
        boards.sort();
        boards
    }

    /// Which board plays each role.
    pub(crate) fn binding(&self) -> Binding {
        Binding::of(self.bound.iter().cloned())
    }

    /// Whether another board could have been used in place of this one.
    pub(crate) fn is_replaceable(&self, board: &str) -> bool {
        self.replaceable.contains(board)
    }

    /// Notes that the bench failed, and which boards may be the cause.
    pub(crate) fn failed_on(&mut self, suspects: Vec<String>, what: String) {
        self.fault = Some(Fault { suspects, what });
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.turns.take() {
            turns.end(self.job, self.fault.as_ref());
        }
    }
}
