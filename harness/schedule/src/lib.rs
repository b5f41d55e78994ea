//! Which scenario runs on which boards, and when: pure decisions, without clock, runtime or I/O.
//!
//! A [`Scheduler`] knows boards ([`Place`]), each on a host, and scenarios ([`Job`]), each with the boards that fit its
//! roles. After each change, ask [`Scheduler::next_assignment`] until it returns none, start what it returns, and
//! [`Scheduler::release`] each job at its end.
//!
//! - A job gets all of its boards at once, distinct ones, on one host, or none: jobs never wait for each other.
//! - The jobs that keep their boards busy longest start first, and in doubt those that need several boards.
//! - A job that needs several boards is passed over a bounded number of times; then boards are kept free for it.
//! - The same seed and the same order of calls give the same decisions.
//!
//! # Example
//! ```
//! use hil_schedule::{Job, Outcome, Place, Scheduler};
//!
//! let mut scheduler = Scheduler::new(0);
//! let one = scheduler.add_place(Place::new("", "lamp-1"));
//! let two = scheduler.add_place(Place::new("", "lamp-2"));
//! let first = scheduler.add_job(Job::new().role("lamp", [one, two]));
//! let second = scheduler.add_job(Job::new().role("lamp", [one, two]));
//! let (a, b) = (scheduler.next_assignment().unwrap(), scheduler.next_assignment().unwrap());
//! assert_eq!((a.job, a.places, b.job, b.places), (first, vec![one], second, vec![two]));
//! assert!(scheduler.next_assignment().is_none());
//! scheduler.release(first, &Outcome::Done);
//! ```

mod cannot_run;
mod class;
mod job;
mod matching;
mod place;
mod scheduler;
mod waiting;

pub use cannot_run::CannotRun;
pub use job::{Assignment, Job, JobId, Outcome, Role};
pub use place::{Host, Place, PlaceId};
pub use scheduler::Scheduler;
