//! How many file descriptors this process may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit is so low that no run could begin.
#[derive(Debug, thiserror::Error)]
#[error("this process may have {limit} file descriptors, and `hil` needs {LEAST} before anything runs")]
pub(crate) struct TooFewDescriptors {
    limit: u64,
}

impl TooFewDescriptors {
    pub(crate) const HINT: &str = "raise the limit: `ulimit -n 1024`; where that is refused, the hard limit (`ulimit -Hn`) \
        is lower, and root may raise it";
}

/// Measured with one virtual board: with fewer no scenario begins; 32 are enough for one to pass.
const LEAST: u64 = 24;

/// Raises the limit as far as this user may. Usual limits are low for the sake of programs that use `select`, which this
/// one does not.
pub(crate) fn raise_limit() -> Result<(), TooFewDescriptors> {
    /// Children inherit the limit, and some close every descriptor that they might have.
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
