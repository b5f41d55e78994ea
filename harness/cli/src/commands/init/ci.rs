//! The CI workflow of a new project.

use super::project::{Board, Project};
use super::write::{Content, NewFile};
use crate::args::Ci;

/// Jobs for a runner with boards attached.
const GITHUB_BENCH: &str = include_str!("../../../../../ci/recipes/github-actions.yml");
const GITLAB_BENCH: &str = include_str!("../../../../../ci/recipes/gitlab-ci.yml");
/// Jobs for any machine.
const GITHUB_HOSTED: &str = include_str!("../../../../../ci/recipes/github-hosted.yml");
const GITLAB_HOSTED: &str = include_str!("../../../../../ci/recipes/gitlab-hosted.yml");

/// The line of the jobs for any machine before which a device is installed.
const DEVICE: &str = "# What the device needs:";

/// The workflow's file.
pub(super) fn file(project: &Project) -> Option<NewFile> {
    let is_bench = matches!(project.board, Board::Esp { .. });
    let is_python = matches!(project.board, Board::Process);
    let (name, text) = match (project.ci, is_bench) {
        (Ci::None, _) => return None,
        (Ci::Github, true) => (".github/workflows/hil.yml", GITHUB_BENCH.to_owned()),
        (Ci::Gitlab, true) => (".gitlab-ci.yml", GITLAB_BENCH.to_owned()),
        (Ci::Github, false) => (".github/workflows/hil.yml", with_device(GITHUB_HOSTED, is_python)),
        (Ci::Gitlab, false) => (".gitlab-ci.yml", with_device(GITLAB_HOSTED, is_python)),
    };
    Some(NewFile { name: name.to_owned(), content: Content::Text(text) })
}

/// The job, with or without the installation of a Python device, which follows its comment.
fn with_device(job: &str, is_python: bool) -> String {
    let mut of_device = false;
    let is_kept = |line: &&str| {
        of_device = line.trim_start().starts_with(DEVICE) || (of_device && !line.trim().is_empty());
        is_python || !of_device
    };
    let kept: Vec<_> = job.lines().filter(is_kept).collect();
    // The empty line after it would be a second one.
    format!("{}\n", kept.join("\n")).replace("\n\n\n", "\n\n")
}

/// CI services read workflows only at the root of a repository.
pub(super) fn note(project: &Project) -> Option<String> {
    let file = file(project)?;
    let folder = project.folder.canonicalize().ok()?;
    let root = folder.ancestors().find(|above| above.join(".git").exists())?;
    let is_root = root == folder;
    (!is_root).then(|| {
        let root = root.display();
        format!("note: `{}` counts only at the root of the repository: move it to `{root}`", file.name)
    })
}
