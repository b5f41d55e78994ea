//! Finds out where a run comes from: flags, else the CI job's environment, else `git` in the current folder.

mod ci;
mod git;

use hil_timeline::{Provenance, steers};

use crate::args::ProvenanceArgs;

/// The longest value that is recorded.
const LONGEST: usize = 1000;

/// The name of this computer.
pub(crate) fn host() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/hostname").ok().and_then(clean)
}

/// Flags first, then the environment of the CI job. `git` is asked for a commit or branch that is still missing.
pub(crate) async fn of_run(args: &ProvenanceArgs) -> Provenance {
    let flags = Provenance {
        commit: args.commit.clone(),
        branch: args.branch.clone(),
        job_url: args.job_url.clone(),
        ..Provenance::default()
    };
    let environment = |name: &str| std::env::var(name).ok();
    let mut found = merged(flags, ci::provenance(&environment));
    // The folder says nothing about a commit that is named otherwise.
    if found.commit.is_none() {
        found = merged(found, git::provenance().await);
    } else if found.branch.is_none() {
        let checkout = git::provenance().await;
        // A flag may abbreviate the commit.
        let is_same = checkout.commit.zip(found.commit.as_ref()).is_some_and(|(it, named)| it.starts_with(named));
        found.branch = checkout.branch.filter(|_| is_same);
    }
    found.host = host();
    found
}

/// What the second knows is used where the first knows nothing.
fn merged(first: Provenance, second: Provenance) -> Provenance {
    Provenance {
        dirty: first.dirty || (first.commit.is_none() && second.dirty),
        commit: first.commit.or(second.commit),
        branch: first.branch.or(second.branch),
        base_branch: first.base_branch.or(second.base_branch),
        job_url: first.job_url.or(second.job_url),
        host: first.host.or(second.host),
    }
}

/// A value from outside, without control characters; `None` if nothing is left or it is too long to be one.
fn clean(text: String) -> Option<String> {
    let text: String = text.trim().chars().filter(|c| !steers(*c)).collect();
    (!text.is_empty() && text.len() <= LONGEST).then_some(text)
}
