//! Runs on several hosts.
//!
//! A *head* has the features and hands out scenarios; an *agent* on each host has the boards. Everything fast stays with
//! the board: the agent flashes, taps, captures and judges, and only what it records travels. They speak lines of JSON
//! ([`protocol`]) over any two streams of bytes, usually those of ssh.

mod cache;
mod clock;
pub mod head;
mod lifeline;
mod lines;
mod project;
pub mod protocol;
mod session;

pub use cache::Cache;
pub use head::{HostSpec, HostsError, Reach};
pub use project::{Project, ProjectError};
pub use session::{Agent, SessionEnd, Surroundings, serve};
