//! The decisions.

use std::cmp::Reverse;
use std::time::Duration;

use crate::class::Fits;
use crate::matching::matching;
use crate::waiting::Waiting;
use crate::{Assignment, CannotRun, Host, Job, JobId, Outcome, Place, PlaceId};

/// How often the bench may fail on a board before it is set aside.
const FAULTS: u32 = 2;

/// What jobs take whose duration is unknown, if none is known.
const UNKNOWN: Duration = Duration::from_secs(1);

/// Decides which job runs on which boards, and when. See the [crate](crate).
#[derive(Debug)]
pub struct Scheduler {
    seed: u64,
    keeps_order: bool,
    hosts: Vec<HostState>,
    boards: Vec<Board>,
    jobs: Vec<JobState>,
    waiting: Waiting,
    /// Jobs that are not in a class yet.
    added: Vec<JobId>,
    /// The classes no longer match boards and jobs.
    is_stale: bool,
    /// The mean of the known durations, in microseconds.
    mean: u64,
    cannot_run: Vec<(JobId, CannotRun)>,
}

#[derive(Debug)]
struct HostState {
    host: Host,
    is_lost: bool,
    running: usize,
    without_boards: usize,
}

#[derive(Debug)]
struct Board {
    place: Place,
    host: usize,
    is_busy: bool,
    /// The class for which it is kept free.
    held_for: Option<usize>,
    faults: u32,
    is_set_aside: bool,
    /// Its place among boards that are equally good.
    rank: u64,
    /// How long the waiting jobs will keep it busy if they spread evenly, in microseconds.
    load: u64,
}

#[derive(Debug)]
struct JobState {
    job: Job,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Waiting,
    Running { host: usize, places: Vec<PlaceId> },
    Ended,
}

impl Scheduler {
    /// Without boards and jobs. The seed decides between boards that are equally good; 0 takes the first one.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            keeps_order: false,
            hosts: Vec::new(),
            boards: Vec::new(),
            jobs: Vec::new(),
            waiting: Waiting::default(),
            added: Vec::new(),
            is_stale: false,
            mean: micros(UNKNOWN),
            cannot_run: Vec::new(),
        }
    }

    /// Starts jobs in the order in which they are added, as far as their boards are free, not the longest first.
    #[must_use]
    pub fn in_order(self) -> Self {
        Self { keeps_order: true, ..self }
    }

    /// Adds a host, or changes what is known about it. Hosts of boards need not be added: see [`Host::new`].
    pub fn add_host(&mut self, host: Host) {
        let index = self.host(&host.name);
        self.hosts[index].host = host;
        self.is_stale = true;
    }

    /// Adds a board. Jobs that are there already don't use it until [`Scheduler::extend`].
    pub fn add_place(&mut self, place: Place) -> PlaceId {
        let (host, id) = (self.host(&place.host), PlaceId(self.boards.len()));
        let rank = if self.seed == 0 { id.0 as u64 } else { mixed(self.seed ^ mixed(id.0 as u64 + 1)) };
        self.boards.push(Board {
            place,
            host,
            is_busy: false,
            held_for: None,
            faults: 0,
            is_set_aside: false,
            rank,
            load: 0,
        });
        id
    }

    /// Adds a job.
    ///
    /// # Panics
    /// When a role names a board that was not added.
    pub fn add_job(&mut self, job: Job) -> JobId {
        assert!(job.roles.iter().flat_map(|role| &role.fits).all(|place| place.0 < self.boards.len()), "unknown board");
        let id = JobId(self.jobs.len());
        self.jobs.push(JobState { job, state: State::Waiting });
        self.added.push(id);
        id
    }

    /// Adds boards to a role of a waiting job: those of a host that joined.
    ///
    /// # Panics
    /// When the job has no such role.
    pub fn extend(&mut self, job: JobId, role: usize, fits: impl IntoIterator<Item = PlaceId>) {
        self.jobs[job.0].job.roles[role].fits.extend(fits);
        self.is_stale = true;
    }

    /// Removes a job that waits; returns whether it did.
    pub fn withdraw(&mut self, job: JobId) -> bool {
        let waits = self.jobs[job.0].state == State::Waiting;
        if waits {
            self.jobs[job.0].state = State::Ended;
            self.is_stale = true;
        }
        waits
    }

    /// The next job that can start now, which counts as running from here on; none until something changes.
    pub fn next_assignment(&mut self) -> Option<Assignment> {
        self.classify();
        let mut order: Vec<_> = (0..self.waiting.classes.len()).filter_map(|class| self.priority(class)).collect();
        order.sort_unstable();
        for (.., class) in order {
            if let Some((host, places)) = self.fitting(class) {
                return Some(self.start(class, host, places));
            }
            self.hold(class);
        }
        None
    }

    /// Ends a running job: its boards are free. Returns the boards that are set aside because of it.
    pub fn release(&mut self, job: JobId, outcome: &Outcome) -> Vec<PlaceId> {
        let State::Running { host, places } = std::mem::replace(&mut self.jobs[job.0].state, State::Ended) else {
            return Vec::new();
        };
        self.hosts[host].running -= 1;
        if places.is_empty() {
            self.hosts[host].without_boards -= 1;
        }
        for place in &places {
            self.boards[place.0].is_busy = false;
        }
        let Outcome::BenchFault(suspects) = outcome else { return Vec::new() };
        let mut set_aside = Vec::new();
        for place in suspects {
            self.boards[place.0].faults += 1;
            if self.boards[place.0].faults >= FAULTS && self.set_aside(*place) {
                set_aside.push(*place);
            }
        }
        set_aside
    }

    /// Uses a board from now on only for roles that no other board ever fitted. Returns whether it was in use.
    pub fn set_aside(&mut self, place: PlaceId) -> bool {
        let was_used = !std::mem::replace(&mut self.boards[place.0].is_set_aside, true);
        self.is_stale |= was_used;
        was_used
    }

    /// Uses no board of a host any more. Returns the jobs that ran there: they have ended.
    pub fn lose_host(&mut self, name: &str) -> Vec<JobId> {
        let Some(lost) = self.hosts.iter().position(|host| host.host.name == name) else { return Vec::new() };
        self.hosts[lost].is_lost = true;
        self.is_stale = true;
        let ran = |job: &JobState| matches!(job.state, State::Running { host, .. } if host == lost);
        let jobs: Vec<_> = (0..self.jobs.len()).filter(|job| ran(&self.jobs[*job])).map(JobId).collect();
        for job in &jobs {
            self.release(*job, &Outcome::Done);
        }
        jobs
    }

    /// The jobs that can never run, each returned once. They have ended.
    pub fn cannot_run(&mut self) -> Vec<(JobId, CannotRun)> {
        self.classify();
        std::mem::take(&mut self.cannot_run)
    }

    /// A board.
    ///
    /// # Panics
    /// When it was not added.
    #[must_use]
    pub fn place(&self, place: PlaceId) -> &Place {
        &self.boards[place.0].place
    }

    /// Whether a board is set aside.
    #[must_use]
    pub fn is_set_aside(&self, place: PlaceId) -> bool {
        self.boards[place.0].is_set_aside
    }

    fn host(&mut self, name: &str) -> usize {
        if let Some(known) = self.hosts.iter().position(|host| host.host.name == name) {
            return known;
        }
        self.is_stale = true;
        self.hosts.push(HostState { host: Host::new(name), is_lost: false, running: 0, without_boards: 0 });
        self.hosts.len() - 1
    }
}

/// How waiting jobs are put into classes.
impl Scheduler {
    /// Puts jobs that were added into classes, all jobs if boards changed.
    fn classify(&mut self) {
        if !self.is_stale && !self.added.is_empty() {
            self.is_stale = !self.add_to_known_classes();
        }
        if self.is_stale {
            self.classify_all();
            self.is_stale = false;
        }
        self.added.clear();
    }

    /// Whether each added job has a class already, which it then is in.
    fn add_to_known_classes(&mut self) -> bool {
        let class = |job: &JobId| Some((self.waiting.class_of(&self.fits(*job, true))?, *job, self.span(*job)));
        let Some(found) = self.added.iter().map(class).collect::<Option<Vec<_>>>() else { return false };
        for (class, job, span) in found {
            self.waiting.classes[class].push(job, span);
            self.change_load(class, span, true);
        }
        true
    }

    fn classify_all(&mut self) {
        self.mean = self.mean_of_known();
        for board in &mut self.boards {
            (board.held_for, board.load) = (None, 0);
        }
        let before = std::mem::take(&mut self.waiting);
        let hosts: Vec<_> = (0..self.hosts.len()).filter(|host| !self.hosts[*host].is_lost).collect();
        let mut jobs = Vec::new();
        for job in (0..self.jobs.len()).map(JobId).filter(|job| self.jobs[job.0].state == State::Waiting) {
            let choices = [self.fits(job, true), self.fits(job, false)];
            let class =
                choices.iter().find_map(|fits| self.waiting.class(fits, &hosts, |place| self.boards[place.0].host));
            match class {
                Some(class) => jobs.push((class, job, self.span(job))),
                None => self.cannot_run.push((job, self.reason(job, &hosts))),
            }
        }
        for (job, _) in &self.cannot_run {
            self.jobs[job.0].state = State::Ended;
        }
        let passed: Vec<_> = self.waiting.all_fits().map(|(fits, class)| (class, before.passed_over(fits))).collect();
        for (class, passed_over) in passed {
            self.waiting.classes[class].passed_over = passed_over;
        }
        self.waiting.fill(&jobs, self.keeps_order);
        for (class, _, span) in jobs {
            self.change_load(class, span, true);
        }
    }

    /// The boards for each role of a job that are in use; without those that it avoids.
    fn fits(&self, job: JobId, avoids: bool) -> Fits {
        let job = &self.jobs[job.0].job;
        let of = |fits: &Vec<PlaceId>| {
            let is_in_use = |place: &&PlaceId| {
                let board = &self.boards[place.0];
                let is_left = !board.is_set_aside || fits.len() == 1;
                is_left && !self.hosts[board.host].is_lost && !(avoids && job.avoids.contains(place))
            };
            let mut fits: Vec<_> = fits.iter().filter(is_in_use).copied().collect();
            fits.sort_unstable();
            fits.dedup();
            fits
        };
        job.roles.iter().map(|role| of(&role.fits)).collect()
    }

    fn reason(&self, job: JobId, hosts: &[usize]) -> CannotRun {
        let roles = &self.jobs[job.0].job.roles;
        if hosts.is_empty() {
            return CannotRun::NoHost;
        }
        let left = self.fits(job, false);
        let Some(none) = left.iter().position(Vec::is_empty) else {
            return CannotRun::NotTogether { roles: roles.iter().map(|role| role.name.clone()).collect() };
        };
        let (role, fits) = (roles[none].name.clone(), &roles[none].fits);
        if fits.is_empty() {
            return CannotRun::NoBoard { role };
        }
        let is_lost = |place: &&PlaceId| self.hosts[self.boards[place.0].host].is_lost;
        let (lost, set_aside): (Vec<_>, Vec<_>) = fits.iter().partition(is_lost);
        let places = |of: Vec<&PlaceId>| of.into_iter().map(|place| self.place(*place).clone()).collect();
        CannotRun::Gone { role, set_aside: places(set_aside), lost: places(lost) }
    }

    fn mean_of_known(&self) -> u64 {
        let known: Vec<_> = self.jobs.iter().filter_map(|job| job.job.expected).map(micros).collect();
        if known.is_empty() { micros(UNKNOWN) } else { known.iter().sum::<u64>() / known.len() as u64 }
    }

    /// How long a job is expected to take, in microseconds.
    fn span(&self, job: JobId) -> u64 {
        self.jobs[job.0].job.expected.map_or(self.mean, micros)
    }
}

/// How the next job is chosen.
impl Scheduler {
    /// The place of a class among the others, smaller ones first, with its number; none if it has no job.
    fn priority(&self, class: usize) -> Option<(Reverse<usize>, Reverse<u64>, JobId, usize)> {
        let of = &self.waiting.classes[class];
        let job = of.next()?;
        let (needs, pressure) = if self.keeps_order { (0, 0) } else { (of.needs, of.pressure()) };
        Some((Reverse(needs), Reverse(pressure), job, class))
    }

    /// Free boards for the next job of a class, on the host where they are needed least.
    fn fitting(&self, class: usize) -> Option<(usize, Vec<PlaceId>)> {
        let of = &self.waiting.classes[class];
        let found = of.on.iter().filter(|on| self.has_room(on.host, of.needs == 0)).filter_map(|on| {
            let fits: Vec<_> = on.fits.iter().map(|fits| self.best_first(fits, class, true)).collect();
            let places = matching(&fits)?;
            let load: u64 = places.iter().map(|place| self.boards[place.0].load).sum();
            let used = if places.is_empty() { self.hosts[on.host].without_boards as u64 } else { load };
            let rank = places.iter().map(|place| self.boards[place.0].rank).min();
            Some((used, rank, on.host, places))
        });
        found.min().map(|(_, _, host, places)| (host, places))
    }

    fn has_room(&self, host: usize, without_boards: bool) -> bool {
        let HostState { host, is_lost, running, without_boards: used } = &self.hosts[host];
        let is_full = without_boards && *used >= host.without_boards.max(1);
        let is_taken = host.one_at_a_time && *running > 0;
        !(*is_lost || is_full || is_taken)
    }

    /// The boards that a class may use, only free ones or all, those that others need least first.
    fn best_first(&self, fits: &[PlaceId], class: usize, only_free: bool) -> Vec<PlaceId> {
        let may_use = |place: &&PlaceId| {
            let Board { is_busy, held_for, .. } = &self.boards[place.0];
            !(only_free && *is_busy) && held_for.is_none_or(|holder| holder == class)
        };
        let mut fits: Vec<_> = fits.iter().filter(may_use).copied().collect();
        fits.sort_unstable_by_key(|place| {
            (self.boards[place.0].is_busy, self.boards[place.0].load, self.boards[place.0].rank)
        });
        fits
    }

    fn start(&mut self, class: usize, host: usize, places: Vec<PlaceId>) -> Assignment {
        self.let_go(class);
        for (other, of) in self.waiting.classes.iter_mut().enumerate() {
            if other == class {
                of.passed_over = 0;
            } else if of.needs > 1 && places.iter().any(|place| of.has(*place)) {
                of.passed_over += 1;
            }
        }
        let job = self.waiting.classes[class].next().expect("a class that was chosen has a job");
        let span = self.span(job);
        self.waiting.classes[class].remove(job, span);
        self.change_load(class, span, false);
        for place in &places {
            self.boards[place.0].is_busy = true;
        }
        self.hosts[host].running += 1;
        self.hosts[host].without_boards += usize::from(places.is_empty());
        self.jobs[job.0].state = State::Running { host, places: places.clone() };
        Assignment { job, host: self.hosts[host].host.name.clone(), places }
    }

    /// Keeps boards free for the next job of a class that was passed over too often: those of the host where most are
    /// free. They only ever wait for jobs that run, so that they become free.
    fn hold(&mut self, class: usize) {
        let of = &self.waiting.classes[class];
        if of.needs < 2 || of.passed_over < of.patience() || !of.held.is_empty() {
            return;
        }
        let found = of.on.iter().filter_map(|on| {
            let fits: Vec<_> = on.fits.iter().map(|fits| self.best_first(fits, class, false)).collect();
            let places = matching(&fits)?;
            let busy = places.iter().filter(|place| self.boards[place.0].is_busy).count();
            Some((busy, on.host, places))
        });
        let Some((.., places)) = found.min() else { return };
        for place in &places {
            self.boards[place.0].held_for = Some(class);
        }
        self.waiting.classes[class].held = places;
    }

    /// Boards that were kept free for a class may be used by others.
    fn let_go(&mut self, class: usize) {
        for place in std::mem::take(&mut self.waiting.classes[class].held) {
            self.boards[place.0].held_for = None;
        }
    }

    fn change_load(&mut self, class: usize, span: u64, more: bool) {
        let of = &self.waiting.classes[class];
        let share = of.share(span);
        for place in &of.places {
            let load = &mut self.boards[place.0].load;
            *load = if more { *load + share } else { load.saturating_sub(share) };
        }
    }
}

/// At most nine years, so that sums fit.
fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX).min(1 << 48)
}

/// The finalizer of SplitMix64.
fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
