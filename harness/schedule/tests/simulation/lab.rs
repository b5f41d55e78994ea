//! A lab with simulated time: hosts, boards and scenarios from a seed, and a run of them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::{Duration, Instant};

use hil_schedule::{Job, Outcome, Place, PlaceId, Scheduler};

/// How large a lab is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Scenarios.
    pub(crate) jobs: usize,
    /// Boards, at least 20.
    pub(crate) boards: usize,
    /// Hosts, each with about as many boards.
    pub(crate) hosts: usize,
}

/// A scenario: the boards that fit each of its roles, and how long it takes, in milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    /// The boards that fit each role.
    pub(crate) fits: Vec<Vec<usize>>,
    /// How long it takes.
    pub(crate) takes: u64,
    /// How long it is thought to take; none if it never ran.
    pub(crate) expected: Option<u64>,
}

/// Boards, each by the number of its host, and scenarios.
#[derive(Debug, Clone)]
pub(crate) struct Lab {
    /// The host of each board.
    pub(crate) host_of: Vec<usize>,
    /// What is to run.
    pub(crate) scenarios: Vec<Scenario>,
}

/// A scenario that ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ran {
    /// In milliseconds.
    pub(crate) from: u64,
    /// In milliseconds.
    pub(crate) to: u64,
    /// The board of each role.
    pub(crate) boards: Vec<usize>,
}

/// How a run went.
#[derive(Debug)]
pub(crate) struct Course {
    /// What ran, by the number of the scenario.
    pub(crate) ran: BTreeMap<usize, Ran>,
    /// Time inside of the scheduler.
    pub(crate) cost: Duration,
}

impl Lab {
    /// Boards of two chips, a third of them with a tag. Every tenth scenario needs two boards, every tenth the tag, and
    /// every fiftieth one board alone; durations from 1 s to about 100 s, known within a fifth, one in ten unknown.
    pub(crate) fn mixed(size: Size, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let host_of: Vec<_> = (0..size.boards).map(|board| board * size.hosts / size.boards).collect();
        let of = |wanted: &dyn Fn(usize) -> bool| (0..size.boards).filter(|board| wanted(*board)).collect::<Vec<_>>();
        let chips = [of(&|board| board % 5 < 3), of(&|board| board % 5 >= 3)];
        let tagged = of(&|board| board % 5 < 3 && board % 3 == 0);
        let mut scenario = |n: usize| {
            // So much work for each chip as it has boards.
            let chip = &chips[usize::from(n % 5 >= 3)];
            let fits = match n % 50 {
                7 => vec![vec![random.usize(..size.boards)]],
                n if n % 10 == 1 => vec![chips[0].clone(), chips[0].clone()],
                n if n % 10 == 2 => vec![tagged.clone()],
                _ => vec![chip.clone()],
            };
            let takes = 1000 + (f64::exp(random.f64() * 4.6) * 1000.0) as u64;
            let expected = (n % 10 != 9).then(|| takes * random.u64(80..=120) / 100);
            Scenario { fits, takes, expected }
        };
        let scenarios = (0..size.jobs).map(&mut scenario).collect();
        Self { host_of, scenarios }
    }

    /// No schedule is shorter: the longest scenario, and for each set of boards the work that only they can do.
    pub(crate) fn lower_bound(&self) -> u64 {
        let mut work: BTreeMap<BTreeSet<usize>, u64> = BTreeMap::new();
        for scenario in &self.scenarios {
            let boards = scenario.fits.iter().flatten().copied().collect();
            *work.entry(boards).or_default() += scenario.takes * scenario.fits.len() as u64;
        }
        let bound = |set: &BTreeSet<usize>| {
            let within = work.iter().filter(|(boards, _)| boards.is_subset(set));
            within.map(|(_, work)| work).sum::<u64>() / set.len() as u64
        };
        let all: BTreeSet<usize> = (0..self.host_of.len()).collect();
        let longest = self.scenarios.iter().map(|scenario| scenario.takes).max();
        work.keys().chain([&all]).map(bound).chain(longest).max().unwrap_or_default()
    }

    /// Runs all scenarios in simulated time.
    pub(crate) fn run(&self, seed: u64) -> Course {
        let mut scheduler = Scheduler::new(seed);
        let place = |(board, host): (usize, &usize)| Place::new(format!("host-{host}"), format!("board-{board}"));
        let places: Vec<PlaceId> = self.host_of.iter().enumerate().map(|it| scheduler.add_place(place(it))).collect();
        let job = |scenario: &Scenario| {
            let role = |job: Job, (n, fits): (usize, &Vec<usize>)| {
                job.role(format!("role-{n}"), fits.iter().map(|board| places[*board]))
            };
            let job = scenario.fits.iter().enumerate().fold(Job::new(), role);
            job.expected(scenario.expected.map(Duration::from_millis))
        };
        let begin = Instant::now();
        let jobs: Vec<_> = self.scenarios.iter().map(|scenario| scheduler.add_job(job(scenario))).collect();
        let mut cost = begin.elapsed();
        assert!(jobs.iter().enumerate().all(|(n, job)| job.0 == n));
        let (mut ends, mut now) = (BinaryHeap::new(), 0);
        let mut ran = BTreeMap::new();
        loop {
            let begin = Instant::now();
            let assignment = scheduler.next_assignment();
            cost += begin.elapsed();
            if let Some(assignment) = assignment {
                let to = now + self.scenarios[assignment.job.0].takes;
                let boards = assignment.places.iter().map(|place| place.0).collect();
                ran.insert(assignment.job.0, Ran { from: now, to, boards });
                ends.push(Reverse((to, assignment.job)));
                continue;
            }
            let Some(Reverse((at, job))) = ends.pop() else { break };
            now = at;
            let begin = Instant::now();
            scheduler.release(job, &Outcome::Done);
            cost += begin.elapsed();
        }
        assert!(scheduler.cannot_run().is_empty());
        Course { ran, cost }
    }

    /// What is wrong with a course: a scenario that did not run, a board that does not fit or has two scenarios at a time,
    /// boards of two hosts.
    pub(crate) fn faults(&self, course: &Course) -> Vec<String> {
        let mut faults = Vec::new();
        let mut busy: BTreeMap<usize, Vec<(u64, u64)>> = BTreeMap::new();
        for (n, scenario) in self.scenarios.iter().enumerate() {
            let Some(Ran { from, to, boards }) = course.ran.get(&n) else {
                faults.push(format!("scenario {n} did not run"));
                continue;
            };
            let distinct: BTreeSet<_> = boards.iter().collect();
            let hosts: BTreeSet<_> = boards.iter().map(|board| self.host_of[*board]).collect();
            let fit = boards.iter().zip(&scenario.fits).all(|(board, fits)| fits.contains(board));
            if distinct.len() != scenario.fits.len() || hosts.len() > 1 || !fit {
                faults.push(format!("scenario {n} ran on {boards:?}"));
            }
            boards.iter().for_each(|board| busy.entry(*board).or_default().push((*from, *to)));
        }
        for (board, spans) in &mut busy {
            spans.sort_unstable();
            faults.extend(
                spans.windows(2).filter(|two| two[0].1 > two[1].0).map(|two| format!("board {board}: {two:?}")),
            );
        }
        faults
    }
}

impl Course {
    /// Until the last scenario ended, in milliseconds.
    pub(crate) fn makespan(&self) -> u64 {
        self.ran.values().map(|ran| ran.to).max().unwrap_or_default()
    }
}
