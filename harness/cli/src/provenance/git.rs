//! What `git` says about the current folder.

use std::process::Stdio;
use std::time::Duration;

use hil_timeline::Provenance;
use tokio::process::Command;

use super::clean;

/// How long all questions may take together: a run must not wait for a slow file system.
const PATIENCE: Duration = Duration::from_secs(2);

/// The commit, its branch and whether files were changed; nothing without `git` or outside of a repository.
pub(super) async fn provenance() -> Provenance {
    tokio::time::timeout(PATIENCE, ask()).await.unwrap_or_default()
}

async fn ask() -> Provenance {
    let Some(commit) = git(&["rev-parse", "--verify", "--quiet", "HEAD"]).await else { return Provenance::default() };
    let branch = git(&["symbolic-ref", "--short", "--quiet", "HEAD"]);
    let base = git(&["symbolic-ref", "--short", "--quiet", "refs/remotes/origin/HEAD"]);
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    let (branch, base, changed) = tokio::join!(branch, base, changed);
    Provenance {
        commit: Some(commit),
        dirty: changed.is_some(),
        branch,
        base_branch: base.and_then(|base| base.strip_prefix("origin/").map(str::to_owned)),
        ..Provenance::default()
    }
}

/// The first line that `git` prints; `None` if it prints nothing or fails.
async fn git(arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    // It only reads: it writes no index, starts no monitor that a repository names, and asks for nothing.
    command.args(["--no-optional-locks", "-c", "core.fsmonitor=false"]).args(arguments);
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    clean(text.lines().next()?.to_owned())
}
