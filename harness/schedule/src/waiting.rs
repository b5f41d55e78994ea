//! The jobs that wait, in classes.

use std::collections::HashMap;

use crate::class::{Class, Fits, OnHost};
use crate::matching::matching;
use crate::{JobId, PlaceId};

/// The classes of waiting jobs.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    by_fits: HashMap<Fits, usize>,
    pub(crate) classes: Vec<Class>,
}

impl Waiting {
    /// Whether jobs that these boards fit have a class.
    pub(crate) fn class_of(&self, fits: &Fits) -> Option<usize> {
        self.by_fits.get(fits).copied()
    }

    /// The class of jobs that these boards fit; none if no host has a board for each role. `host_of` is the host of a
    /// board, `hosts` are those where a job without roles may run.
    pub(crate) fn class(&mut self, fits: &Fits, hosts: &[usize], host_of: impl Fn(PlaceId) -> usize) -> Option<usize> {
        if let Some(known) = self.class_of(fits) {
            return Some(known);
        }
        let on = if fits.is_empty() {
            hosts.iter().map(|host| OnHost { host: *host, fits: Vec::new() }).collect()
        } else {
            on_hosts(fits, host_of)
        };
        if on.is_empty() {
            return None;
        }
        self.by_fits.insert(fits.clone(), self.classes.len());
        self.classes.push(Class::new(fits.len(), on));
        Some(self.classes.len() - 1)
    }

    /// Puts the jobs into their classes, all of them at once.
    pub(crate) fn fill(&mut self, jobs: &[(usize, JobId, u64)], keeps_order: bool) {
        for class in 0..self.classes.len() {
            self.classes[class].keeps_order = keeps_order || self.leaves_no_choice(class);
        }
        for (class, job, span) in jobs {
            self.classes[*class].push(*job, *span);
        }
    }

    /// Whether the jobs of a class use one board that no other class uses: the order does not change when the last one
    /// ends.
    fn leaves_no_choice(&self, class: usize) -> bool {
        let [place] = self.classes[class].places[..] else { return false };
        self.classes.iter().filter(|class| class.has(place)).count() == 1
    }

    /// How often the class of these boards was passed over.
    pub(crate) fn passed_over(&self, fits: &Fits) -> usize {
        self.class_of(fits).map_or(0, |class| self.classes[class].passed_over)
    }

    /// The boards of each class.
    pub(crate) fn all_fits(&self) -> impl Iterator<Item = (&Fits, usize)> {
        self.by_fits.iter().map(|(fits, class)| (fits, *class))
    }
}

/// The hosts that have a board for each role, each with its boards.
fn on_hosts(fits: &Fits, host_of: impl Fn(PlaceId) -> usize) -> Vec<OnHost> {
    let mut hosts: Vec<_> = fits.iter().flatten().map(|place| host_of(*place)).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let on = |host: usize| {
        let of = |role: &Vec<PlaceId>| role.iter().copied().filter(|place| host_of(*place) == host).collect();
        OnHost { host, fits: fits.iter().map(of).collect() }
    };
    hosts.into_iter().map(on).filter(|on| matching(&on.fits).is_some()).collect()
}
