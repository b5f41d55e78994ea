//! The head: has the features, hands out scenarios, and joins what the hosts record.

mod connection;
mod dispatch;
mod error;
mod host;
mod record;
mod spec;
mod trips;

pub use dispatch::{Dispatched, Joining, Leaving, Planned, Running, boards_needed, run};
pub use error::{HostError, Why};
pub use host::{Connecting, Host, HostEnd, Notice, Notices};
pub use spec::{HostSpec, HostsError, Reach};
