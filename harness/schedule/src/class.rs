//! Jobs that the same boards fit.

use std::collections::BTreeSet;

use crate::{JobId, PlaceId};

/// Which boards play each role of a job, in the order of the roles; sorted.
pub(crate) type Fits = Vec<Vec<PlaceId>>;

/// The boards of a class on one host: at least one for each role.
#[derive(Debug)]
pub(crate) struct OnHost {
    pub(crate) host: usize,
    pub(crate) fits: Fits,
}

/// The waiting jobs that the same boards fit.
#[derive(Debug, Default)]
pub(crate) struct Class {
    /// The number of boards that a job needs.
    pub(crate) needs: usize,
    pub(crate) on: Vec<OnHost>,
    /// All of its boards, sorted.
    pub(crate) places: Vec<PlaceId>,
    /// In the order in which they start: the longest first, or as they were added.
    queue: BTreeSet<(u64, JobId)>,
    /// The order is that in which the jobs were added: it makes no difference.
    pub(crate) keeps_order: bool,
    /// Time that its jobs keep boards busy, in microseconds.
    work: u64,
    longest: BTreeSet<(u64, JobId)>,
    /// How often another job took one of its boards since one of its own jobs started.
    pub(crate) passed_over: usize,
    /// Boards that are kept free for its next job.
    pub(crate) held: Vec<PlaceId>,
}

impl Class {
    /// Without jobs.
    pub(crate) fn new(needs: usize, on: Vec<OnHost>) -> Self {
        let mut places: Vec<_> = on.iter().flat_map(|on| on.fits.iter().flatten().copied()).collect();
        places.sort_unstable();
        places.dedup();
        Self { needs, on, places, ..Self::default() }
    }

    /// Adds a job that takes `span` microseconds.
    pub(crate) fn push(&mut self, job: JobId, span: u64) {
        self.work += span * self.needs as u64;
        self.longest.insert((span, job));
        self.queue.insert((self.rank(span), job));
    }

    /// Takes a job out.
    pub(crate) fn remove(&mut self, job: JobId, span: u64) {
        if self.queue.remove(&(self.rank(span), job)) {
            self.longest.remove(&(span, job));
            self.work -= span * self.needs as u64;
        }
    }

    fn rank(&self, span: u64) -> u64 {
        if self.keeps_order { 0 } else { u64::MAX - span }
    }

    pub(crate) fn next(&self) -> Option<JobId> {
        self.queue.first().map(|(_, job)| *job)
    }

    pub(crate) fn has(&self, place: PlaceId) -> bool {
        self.places.binary_search(&place).is_ok()
    }

    /// How long a job of `span` microseconds keeps each of its boards busy, if the jobs spread evenly.
    pub(crate) fn share(&self, span: u64) -> u64 {
        span * self.needs as u64 / self.places.len().max(1) as u64
    }

    /// A lower bound of the time until all of its jobs are done, in microseconds.
    pub(crate) fn pressure(&self) -> u64 {
        let longest = self.longest.last().map_or(0, |(span, _)| *span);
        longest.max(self.work / self.places.len().max(1) as u64)
    }

    /// How often it may be passed over: each of its boards may be taken twice, and short queues are left alone.
    pub(crate) fn patience(&self) -> usize {
        const LEAST: usize = 8;
        LEAST.max(2 * self.places.len())
    }
}
