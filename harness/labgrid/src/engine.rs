//! Asks for places and keeps them, through restarts of the coordinator.
//!
//! Each place is reserved by its name. A reservation by tags would be shorter, but the coordinator would allocate the same
//! broken place again and again, and it compares whole values where `hil` has expressions.
//!
//! A run that needs one board to begin waits in the coordinator's queue at every place that fits, and takes the first. A
//! run that needs several to begin takes all of them at once or none: two such runs that each kept one while they wait for
//! another would wait for ever.

mod asks;
mod held;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::connection::CoordinatorAddress;
use crate::lease::{Command, LabEvent, Lease, Want};
use crate::owner::Owner;
use crate::problem::{LabgridError, PlaceProblem};
use crate::publish::{BOARD, HOST};
use crate::session::Session;
use crate::stale::LeaseNote;
use crate::view::{Place, View};

/// How often reservations are asked for: the coordinator ends one that was not asked for in 60 s.
const POLL: Duration = Duration::from_secs(20);
/// How long a place is left alone after it was refused.
const SHUN: Duration = Duration::from_secs(30);
/// How often runs that ended without giving back are looked for, while places are wanted.
const STALE: Duration = Duration::from_secs(15);
/// How long giving back may take.
const ENDS: Duration = Duration::from_secs(20);
/// The first and the longest pause between two attempts to connect.
const BACKOFF: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(5)];

/// What a run has and wants of the lab.
pub(crate) struct Engine {
    address: CoordinatorAddress,
    owner: Owner,
    want: Want,
    tell: mpsc::UnboundedSender<LabEvent>,
    session: Session,
    leases: BTreeMap<String, Lease>,
    /// Places that it waits for, with the tokens of their reservations.
    asked: BTreeMap<String, String>,
    /// Places that were refused; until when, and why. Without a time: not wanted any more.
    shunned: BTreeMap<String, (Option<Instant>, PlaceProblem)>,
    /// What is still to be given back.
    returns: Vec<LeaseNote>,
    /// Which problems of places it has said.
    said: BTreeSet<(String, String)>,
    /// Whether the run has what it needs to begin.
    has_begun: bool,
    /// Whether it said that the run has begun.
    said_begun: bool,
    /// Places that it had before the session was lost: the coordinator may have forgotten who has them, or them. The locks
    /// of their hosts count until it says something else.
    unconfirmed: BTreeSet<String>,
    /// The reservation that shows that the run is alive.
    presence: Option<String>,
    begin_by: Instant,
    next_poll: Instant,
    next_stale: Instant,
    /// After places were lost to another run: when to try again.
    retry_at: Option<Instant>,
}

/// Why the engine stops using a session.
enum Stop {
    Asked(Option<oneshot::Sender<()>>),
    Lost(LabgridError),
    Failed(LabgridError),
}

impl From<LabgridError> for Stop {
    fn from(error: LabgridError) -> Self {
        // The session has worked: a connection that is closed in the middle of a call may look like another protocol.
        let is_lost = error.is_connection() || matches!(error, LabgridError::Foreign { .. });
        if is_lost { Self::Lost(error) } else { Self::Failed(error) }
    }
}

impl Engine {
    pub(crate) async fn open(
        address: CoordinatorAddress,
        owner: Owner,
        want: Want,
        tell: mpsc::UnboundedSender<LabEvent>,
    ) -> Result<Self, LabgridError> {
        let session = Session::open(&address, &owner.to_string()).await?;
        let now = Instant::now();
        let begin_by = now + want.wait;
        let engine = Self {
            address,
            owner,
            want,
            tell,
            session,
            leases: BTreeMap::new(),
            asked: BTreeMap::new(),
            shunned: BTreeMap::new(),
            returns: Vec::new(),
            said: BTreeSet::new(),
            has_begun: false,
            said_begun: false,
            unconfirmed: BTreeSet::new(),
            presence: None,
            begin_by,
            next_poll: now + POLL,
            next_stale: now,
            retry_at: None,
        };
        engine.check_lab(&engine.session.view())?;
        Ok(engine)
    }

    /// Whether the lab has enough boards that fit, taken or not.
    fn check_lab(&self, view: &View) -> Result<(), LabgridError> {
        let found = view.places().filter(|place| self.fits(place)).count();
        if found >= self.want.at_least {
            return Ok(());
        }
        let others = view.places().filter(|place| is_board(place) && !self.fits(place));
        Err(LabgridError::TooFew {
            want: self.want.words.clone(),
            found,
            at_least: self.want.at_least,
            others: others.map(|place| place.name.clone()).collect(),
        })
    }

    fn fits(&self, place: &Place) -> bool {
        is_board(place) && (self.want.fits)(place)
    }

    pub(crate) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        loop {
            let stop = match self.live(&mut commands).await {
                Err(Stop::Lost(error)) => {
                    self.say(LabEvent::Lost(error));
                    match self.reconnect(&mut commands).await {
                        Ok(()) => {
                            self.say(LabEvent::Back);
                            continue;
                        }
                        Err(stop) => stop,
                    }
                }
                Err(stop) => stop,
                Ok(never) => match never {},
            };
            // The coordinator may hang: the agents on the hosts, and later runs, give back what is left.
            let _ = tokio::time::timeout(ENDS, self.give_all_back()).await;
            match stop {
                Stop::Asked(done) => drop(done.map(|done| done.send(()))),
                Stop::Lost(error) | Stop::Failed(error) => self.say(LabEvent::Failed(error)),
            }
            return;
        }
    }

    fn say(&self, event: LabEvent) {
        // The run may have ended already.
        let _ = self.tell.send(event);
    }

    /// Uses the session until it ends, or the run does.
    async fn live(
        &mut self,
        commands: &mut mpsc::UnboundedReceiver<Command>,
    ) -> Result<std::convert::Infallible, Stop> {
        loop {
            let seen = self.session.view();
            self.step().await?;
            let wake = self.next_wake();
            tokio::select! {
                changed = self.session.changed(&seen) => changed?,
                command = commands.recv() => self.carry_out(command)?,
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    async fn step(&mut self) -> Result<(), Stop> {
        let now = Instant::now();
        if self.presence.is_none() {
            self.show_presence().await?;
        }
        if now >= self.next_poll {
            self.next_poll = now + POLL;
            self.poll_all().await?;
        }
        self.check_leases().await?;
        self.give_back_pending().await?;
        self.take_allocated().await?;
        self.ask_for_more().await?;
        if self.has_begun && !self.said_begun {
            self.said_begun = true;
            self.say(LabEvent::Begun);
        }
        if !self.has_begun && now >= self.begin_by {
            return Err(Stop::Failed(self.not_in_time()));
        }
        Ok(())
    }

    fn next_wake(&self) -> Instant {
        let shunned = self.shunned.values().filter_map(|(until, _)| *until);
        let begin = (!self.has_begun).then_some(self.begin_by);
        let stale = (self.missing() > 0).then_some(self.next_stale);
        let times = shunned.chain(begin).chain(stale).chain(self.retry_at);
        times.fold(self.next_poll, Instant::min)
    }

    /// How many places more it could use.
    fn missing(&self) -> usize {
        self.want.at_most.saturating_sub(self.leases.len())
    }

    fn carry_out(&mut self, command: Option<Command>) -> Result<(), Stop> {
        match command {
            Some(Command::GiveBack(place)) => self.returned(&place, None),
            Some(Command::Refuse(place, why)) => {
                self.returned(&place, Some((Instant::now() + SHUN, PlaceProblem::Host(why))));
            }
            Some(Command::End(done)) => return Err(Stop::Asked(Some(done))),
            None => return Err(Stop::Asked(None)),
        }
        Ok(())
    }

    fn returned(&mut self, place: &str, shun: Option<(Instant, PlaceProblem)>) {
        if let Some(lease) = self.leases.remove(place) {
            self.returns.push(lease.note);
        }
        let (until, problem) = match shun {
            Some((until, problem)) => (Some(until), problem),
            None => (None, PlaceProblem::NotThere),
        };
        self.shunned.insert(place.to_owned(), (until, problem));
    }

    /// Opens a new session, however long that takes, unless the run has not begun in time or ends.
    async fn reconnect(&mut self, commands: &mut mpsc::UnboundedReceiver<Command>) -> Result<(), Stop> {
        let [mut pause, longest] = BACKOFF;
        loop {
            let name = self.owner.to_string();
            let address = self.address.clone();
            let attempt = async {
                tokio::time::sleep(pause).await;
                Session::open(&address, &name).await
            };
            tokio::select! {
                opened = attempt => match opened {
                    Ok(session) => {
                        self.session = session;
                        // Those of before may be forgotten.
                        self.unconfirmed = self.leases.keys().cloned().collect();
                        self.next_poll = Instant::now();
                        return Ok(());
                    }
                    Err(error) if !self.has_begun && Instant::now() >= self.begin_by => return Err(Stop::Failed(error)),
                    Err(_) => pause = (pause * 2).min(longest),
                },
                command = commands.recv() => self.carry_out(command)?,
            }
        }
    }

    fn not_in_time(&self) -> LabgridError {
        let view = self.session.view();
        let places = view.places().filter(|place| self.fits(place));
        let why = |place: &Place| self.why_not(&view, place).map(|problem| (place.name.clone(), problem));
        LabgridError::NotInTime {
            want: self.want.words.clone(),
            at_least: self.want.at_least,
            wait: self.want.wait,
            places: places.filter_map(why).collect(),
        }
    }

    fn why_not(&self, view: &View, place: &Place) -> Option<PlaceProblem> {
        let shunned = self.shunned.get(&place.name).map(|(_, problem)| problem.clone());
        let held = place.holder.clone().map(PlaceProblem::Held);
        let reserved = place.reservation.as_ref().filter(|token| self.asked.get(&place.name) != Some(token));
        shunned.or_else(|| view.problem_of(place)).or(held).or_else(|| reserved.map(|_| PlaceProblem::Reserved))
    }
}

/// Whether a place is a board that `hil` can use: it has the tags that `hil fleet publish` gives it.
pub(crate) fn is_board(place: &Place) -> bool {
    [HOST, BOARD].iter().all(|tag| place.tags.get(*tag).is_some_and(|value| !value.is_empty()))
}
