//! What is to run.

use std::time::Duration;

use crate::PlaceId;

/// Number of a job in a scheduler, in the order of [`crate::Scheduler::add_job`], from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub usize);

/// A role of a job, and the boards that can play it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Role {
    /// What the scenario calls the board.
    pub name: String,
    /// The boards that fit; on any number of hosts.
    pub fits: Vec<PlaceId>,
}

/// A scenario that is to run once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Job {
    /// Its roles, each of which gets a board of its own.
    pub roles: Vec<Role>,
    /// How long it will take. Unknown durations count as the mean of the known ones.
    pub expected: Option<Duration>,
    /// Boards on which it must not run again while another one fits: it met a fault there.
    pub avoids: Vec<PlaceId>,
}

impl Job {
    /// A job without roles.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a role that these boards fit.
    #[must_use]
    pub fn role(mut self, name: impl Into<String>, fits: impl IntoIterator<Item = PlaceId>) -> Self {
        self.roles.push(Role { name: name.into(), fits: fits.into_iter().collect() });
        self
    }

    /// With a duration from earlier runs.
    #[must_use]
    pub fn expected(self, expected: impl Into<Option<Duration>>) -> Self {
        Self { expected: expected.into(), ..self }
    }

    /// A retry that goes to other boards, if others fit.
    #[must_use]
    pub fn avoiding(self, avoids: impl IntoIterator<Item = PlaceId>) -> Self {
        Self { avoids: avoids.into_iter().collect(), ..self }
    }
}

/// A job that may start now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The job.
    pub job: JobId,
    /// The host on which it runs; empty for this machine.
    pub host: String,
    /// The board of each of its roles, in their order.
    pub places: Vec<PlaceId>,
}

/// How a job ended, as far as its boards are concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Outcome {
    /// The boards did what they should, whatever the firmware did.
    #[default]
    Done,
    /// The bench failed, and these boards may be the cause.
    BenchFault(Vec<PlaceId>),
}
