//! The limit of open file descriptors.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit is too low for any run to start.
#[derive(Debug, thiserror::Error)]
#[error("this process may open {limit} file descriptors; `hil` needs at least {LEAST}")]
pub(crate) struct TooFewDescriptors {
    limit: u64,
}

impl TooFewDescriptors {
    pub(crate) const HINT: &str = "raise the limit with `ulimit -n 1024`; if that is refused, the hard limit \
        (`ulimit -Hn`) is lower, and only root can raise it";
}

/// Measured with one virtual board: with fewer descriptors no scenario starts; with 32 one passes.
const LEAST: u64 = 24;

/// Raises the soft limit as far as this user may. Default limits are low because of programs that use `select`, which
/// this one does not.
pub(crate) fn raise_limit() -> Result<(), TooFewDescriptors> {
    /// Not higher: children inherit the limit, and some close every possible descriptor, one by one.
    const ENOUGH: u64 = 65_536;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(current) = current else { return Ok(()) };
    let wanted = maximum.unwrap_or(ENOUGH).min(ENOUGH);
    let limit = if wanted > current && setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).is_ok() {
        wanted
    } else {
        current
    };
    if limit < LEAST { Err(TooFewDescriptors { limit }) } else { Ok(()) }
}
