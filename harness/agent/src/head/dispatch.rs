//! Hands out the scenarios of a run to its hosts.

mod board_choice;
mod course;
mod members;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use hil_scenario::{AttemptEnd, Course, RunOptions};
use hil_schedule::{JobId, PlaceId, Scheduler};
use hil_timeline::{HostName, ScenarioId, ScenarioInfo, Timeline, What};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use self::members::Member;
use super::connection::FromHost;
use super::host::{Host, HostEnd};
use crate::protocol::{Finished, ToAgent, ToHead};

/// A scenario that is to run.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Its name and place.
    pub info: ScenarioInfo,
    /// How long it took last.
    pub expected: Option<Duration>,
}

/// What a run on hosts needs besides them.
pub struct Running {
    /// The record of the whole.
    pub timeline: Timeline,
    /// The run folder.
    pub folder: PathBuf,
    /// Bytes of a host's capture.
    pub max_record: u64,
    /// How often scenarios run, and when the run stops early.
    pub options: RunOptions,
    /// Turns true to end the run.
    pub abort: watch::Receiver<bool>,
    /// Hosts that join while the run goes on.
    pub joining: mpsc::Receiver<Joining>,
    /// How long scenarios that no board fits wait for a host that joins, while nothing else can run. What a host needs to
    /// be connected has limits of its own.
    pub joins_within: Duration,
    /// Boards that leave the run while it goes on: what runs on them ends, and nothing else begins there.
    pub leaving: mpsc::Receiver<Leaving>,
    /// Takes the hosts that are lost while the run goes on, and why.
    pub lost: mpsc::UnboundedSender<(HostName, String)>,
}

/// News of hosts that join a run.
pub enum Joining {
    /// Hosts are being connected.
    Busy,
    /// One can be used now.
    Host(Box<Host>),
    /// No host is being connected any more.
    Idle,
}

/// A board that a run may not use any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// Its host.
    pub host: HostName,
    /// The board there.
    pub board: String,
    /// Why.
    pub why: String,
}

/// How a run on hosts ended.
#[derive(Debug, Default)]
pub struct Dispatched {
    /// The hosts, and how each ended.
    pub hosts: Vec<(HostName, HostEnd)>,
    /// The captures of the hosts: whose they are, and how many microseconds later their times are on the clock of the
    /// whole.
    pub captures: Vec<(HostName, PathBuf, i64)>,
    /// What could not be written here.
    pub failure: Option<String>,
}

/// The role of scenarios that name no board, but that not every host can run.
const ANY_HOST_THAT_FITS: &str = "a host that fits";

/// A scenario that was handed to a host.
#[derive(Debug)]
struct Handed {
    job: JobId,
    member: usize,
    /// Its boards.
    places: Vec<PlaceId>,
    entry: Entry,
}

/// A scenario that waits for its boards.
#[derive(Debug, Clone)]
struct Entry {
    /// Its place in the plan.
    scenario: usize,
    attempt: u32,
    /// Boards on which it met a fault.
    avoids: Vec<PlaceId>,
    /// What its steps call its boards, in the order of the scheduler's roles.
    roles: Vec<String>,
}

/// Runs scenarios on hosts whose boards are open. All of them have left when it returns.
pub async fn run(hosts: Vec<Host>, planned: Vec<Planned>, running: Running) -> Dispatched {
    let (events, from) = mpsc::channel(256);
    let scheduler = Scheduler::new(running.options.seed.into());
    // The order of a seed is the order of the run; otherwise the longest start first.
    let scheduler = if running.options.shuffle.is_some() { scheduler.in_order() } else { scheduler };
    let mut dispatch = Dispatch {
        course: Course::new(running.options.clone()),
        running,
        planned,
        scheduler,
        members: Vec::new(),
        waiting: BTreeMap::new(),
        parked: Vec::new(),
        may_join: true,
        is_joining_open: true,
        is_connecting: false,
        handed: BTreeMap::new(),
        lost: BTreeMap::new(),
        gone: Vec::new(),
        repetition: None,
        next_id: 1,
        events,
    };
    for host in hosts {
        dispatch.join(host);
    }
    dispatch.run(from).await
}

struct Dispatch {
    running: Running,
    course: Course,
    planned: Vec<Planned>,
    scheduler: Scheduler,
    members: Vec<Member>,
    waiting: BTreeMap<JobId, Entry>,
    /// Scenarios that no board fits: one may join.
    parked: Vec<Entry>,
    may_join: bool,
    /// Whether there is anything that lets hosts join.
    is_joining_open: bool,
    /// Hosts are about to join.
    is_connecting: bool,
    handed: BTreeMap<ScenarioId, Handed>,
    /// Hosts that were lost, and why.
    lost: BTreeMap<HostName, String>,
    /// Boards that have left.
    gone: Vec<Leaving>,
    repetition: Option<u32>,
    next_id: u32,
    events: mpsc::Sender<(usize, FromHost)>,
}

/// What ends a part of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// All that was to run has run.
    Done,
    /// The user ends the run.
    Aborted,
}

impl Dispatch {
    async fn run(mut self, mut from: mpsc::Receiver<(usize, FromHost)>) -> Dispatched {
        let options = self.running.options.clone();
        for repetition in 1..=options.repeat.unwrap_or(1) {
            self.course.begin_repetition();
            self.repetition = options.repeat.map(|_| repetition);
            for scenario in 0..self.planned.len() {
                self.add(Entry { scenario, attempt: 1, avoids: Vec::new(), roles: Vec::new() });
            }
            if self.work_off(&mut from).await == Over::Aborted {
                return self.end(from, ToAgent::Abort).await;
            }
            if self.course.is_last_repetition() {
                break;
            }
        }
        self.end(from, ToAgent::Finish).await
    }

    /// Hands out scenarios until none is left.
    async fn work_off(&mut self, from: &mut mpsc::Receiver<(usize, FromHost)>) -> Over {
        let mut abort = self.running.abort.clone();
        let mut may_leave = true;
        self.may_join = self.is_joining_open;
        // For how long it goes on while only parked scenarios are left.
        let mut patience = self.running.joins_within;
        loop {
            self.retire().await;
            self.hand_out().await;
            let is_idle = self.waiting.is_empty() && self.handed.is_empty();
            if is_idle && self.parked.is_empty() {
                return Over::Done;
            }
            let (begin, is_counted) = (Instant::now(), is_idle && !self.is_connecting);
            tokio::select! {
                biased;
                // An error is never the reason: the sender lives as long as the program.
                Ok(_) = abort.wait_for(|abort| *abort) => return Over::Aborted,
                joined = self.running.joining.recv(), if self.is_joining_open => self.take_joining(joined),
                () = tokio::time::sleep(patience), if is_counted => self.wait_for_no_host(),
                leaving = self.running.leaving.recv(), if may_leave => match leaving {
                    Some(leaving) => self.leave(&leaving),
                    None => may_leave = false,
                },
                Some((member, event)) = from.recv() => self.take(member, event),
            }
            if is_counted {
                patience = patience.saturating_sub(begin.elapsed());
            } else if !is_idle {
                patience = self.running.joins_within;
            }
        }
    }

    /// Hands out what can start now, and gives up what never can.
    async fn hand_out(&mut self) {
        if self.course.is_stopped() {
            self.skip_the_rest();
        }
        self.give_up();
        while let Some(assignment) = self.scheduler.next_assignment() {
            let Some(entry) = self.waiting.remove(&assignment.job) else { continue };
            let member = self.members.iter().position(|member| member.name.as_str() == assignment.host);
            // A host that was lost has no board that the scheduler knows.
            let Some(member) = member else { continue };
            let id = ScenarioId(self.next_id);
            self.next_id += 1;
            let key = self.planned[entry.scenario].info.key();
            let board = |place: &PlaceId| self.scheduler.place(*place).board.clone();
            let bound = entry.roles.iter().cloned().zip(assignment.places.iter().map(board));
            let bound = bound.filter(|(name, _)| name != ANY_HOST_THAT_FITS).collect();
            let (attempt, repetition) = (entry.attempt, self.repetition);
            let order = crate::protocol::Assignment { id, key, attempt, repetition, bound };
            let info = self.planned[entry.scenario].info.clone();
            self.members[member].record.hand(id, (info, attempt, repetition));
            self.handed.insert(id, Handed { job: assignment.job, member, places: assignment.places, entry });
            self.members[member].send(ToAgent::Run(order)).await;
        }
    }

    /// Takes what comes from a host.
    fn take(&mut self, member: usize, event: FromHost) {
        match event {
            FromHost::Message(ToHead::Event(event)) => {
                let may_abort = self.may_abort(member);
                self.members[member].record.take(*event, may_abort);
            }
            FromHost::Message(ToHead::Done { id, verdict, transient, suspects }) => {
                self.done(member, id, AttemptEnd { verdict, transient, suspects });
            }
            FromHost::Message(ToHead::Capture(chunk)) => self.members[member].record.capture(&chunk),
            FromHost::Message(ToHead::Finished(finished)) => self.finished(member, finished),
            FromHost::Message(ToHead::Refused(refusal)) => self.lose(member, &refusal.what),
            // Answers to what was asked before the run.
            FromHost::Message(_) => {}
            FromHost::Clock(offset) => self.members[member].measured(offset),
            FromHost::Said(line) => self.members[member].says(line),
            FromHost::Gone(gone) => self.lose(member, &gone.to_string()),
        }
    }

    /// The agent says that it has ended in order, before the connection does.
    fn finished(&mut self, member: usize, finished: Finished) {
        // One that ends by itself, because of a signal, leaves scenarios behind.
        if !self.members[member].is_ending {
            self.lose(member, "its agent ended the run: it was sent a signal, or heard nothing for too long");
        }
        self.members[member].end.get_or_insert(HostEnd::Finished(finished.clone()));
        if let Some(HostEnd::Lost { unsafe_rails, .. }) = &mut self.members[member].end {
            *unsafe_rails = finished.unsafe_rails;
        }
    }

    /// Ends every host in order, and closes the connections.
    async fn end(mut self, mut from: mpsc::Receiver<(usize, FromHost)>, how: ToAgent) -> Dispatched {
        /// For running scenarios, rails that must stay off for a while, and the rest of the capture.
        const TO_FINISH: Duration = Duration::from_secs(60);
        const TO_ABORT: Duration = Duration::from_secs(10);
        let patience = if matches!(how, ToAgent::Abort) { TO_ABORT } else { TO_FINISH };
        for member in self.members.iter_mut().filter(|member| member.end.is_none()) {
            member.is_ending = true;
            member.send(how.clone()).await;
        }
        // What joins now is not needed any more.
        self.running.joining.close();
        let mut late = Vec::new();
        while let Some(joining) = self.running.joining.recv().await {
            if let Joining::Host(host) = joining {
                late.push(host.leave());
            }
        }
        let late = tokio::spawn(futures::future::join_all(late));
        let deadline = Instant::now() + patience;
        while self.members.iter().any(|member| member.end.is_none()) {
            match tokio::time::timeout_at(deadline, from.recv()).await {
                Ok(Some((member, event))) => self.take(member, event),
                _ => break,
            }
        }
        drop(from);
        let late = tokio::time::timeout(TO_ABORT, late);
        let closing = self.members.iter_mut().filter_map(Member::close).collect::<Vec<_>>();
        futures::future::join_all(closing).await;
        let _ = late.await;
        self.dispatched(patience)
    }

    fn dispatched(self, patience: Duration) -> Dispatched {
        let mut dispatched = Dispatched::default();
        for member in self.members {
            let end = member.end.unwrap_or_else(|| {
                let reason = format!("its agent did not end within {} s", patience.as_secs());
                member.record.note(What::HostLost { reason: reason.clone() });
                HostEnd::lost(reason)
            });
            dispatched.failure = dispatched.failure.or(member.record.capture_failure());
            let path = member.record.capture_path().to_owned();
            if path.exists() {
                dispatched.captures.push((member.name.clone(), path, member.capture_shift));
            }
            dispatched.hosts.push((member.name, end));
        }
        dispatched
    }
}

/// The boards that scenarios of a plan need on a host, as its agent names them.
#[must_use]
pub fn boards_needed(host: &Host, planned: &[Planned]) -> BTreeSet<String> {
    let wanted: BTreeSet<_> = planned.iter().map(|planned| planned.info.key()).collect();
    let fits = host.fits().iter().filter(|fit| fit.problems.is_empty() && wanted.contains(&fit.key));
    fits.flat_map(|fit| fit.boards.iter().chain(fit.roles.iter().flat_map(|role| &role.boards)).cloned()).collect()
}
