//! The variables by which CI systems describe a job.

use std::path::Path;

use hil_config::{HIL_BRANCH, HIL_COMMIT, HIL_JOB_URL};
use hil_files::Links;
use hil_timeline::Provenance;

use super::clean;

/// Reads a variable.
type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The first of these variables that has a value.
fn first(environment: Environment<'_>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| environment(name).and_then(clean))
}

/// What the environment says; variables of `hil` win over those of a CI system.
pub(super) fn provenance(environment: Environment<'_>) -> Provenance {
    let has = |name: &str| first(environment, &[name]).is_some();
    let system = if has("GITHUB_ACTIONS") {
        github(environment)
    } else if has("GITLAB_CI") {
        gitlab(environment)
    } else if has("JENKINS_URL") {
        jenkins(environment)
    } else if has("BUILDKITE") {
        buildkite(environment)
    } else {
        Provenance::default()
    };
    super::merged(generic(environment), system)
}

fn generic(environment: Environment<'_>) -> Provenance {
    Provenance {
        commit: first(environment, &[HIL_COMMIT]),
        branch: first(environment, &[HIL_BRANCH]),
        job_url: first(environment, &[HIL_JOB_URL]),
        ..Provenance::default()
    }
}

/// GitHub, and what follows it: Forgejo, Gitea.
fn github(environment: Environment<'_>) -> Provenance {
    let of = |name: &str| first(environment, &[name]);
    let is_branch = of("GITHUB_REF_TYPE").is_none_or(|kind| kind == "branch");
    let run = of("GITHUB_SERVER_URL").zip(of("GITHUB_REPOSITORY")).zip(of("GITHUB_RUN_ID"));
    let attempt = of("GITHUB_RUN_ATTEMPT").filter(|attempt| attempt != "1");
    Provenance {
        commit: of("GITHUB_SHA"),
        branch: of("GITHUB_HEAD_REF").or_else(|| of("GITHUB_REF_NAME").filter(|_| is_branch)),
        base_branch: of("GITHUB_BASE_REF").or_else(|| default_branch(&of("GITHUB_EVENT_PATH")?)),
        job_url: run.map(|((server, repository), run)| {
            let attempt = attempt.map_or_else(String::new, |attempt| format!("/attempts/{attempt}"));
            format!("{server}/{repository}/actions/runs/{run}{attempt}")
        }),
        ..Provenance::default()
    }
}

/// The default branch, which GitHub names only in the file that describes the event.
fn default_branch(event: &str) -> Option<String> {
    let text = hil_files::read_text(Path::new(event), Links::Follow).ok()?;
    let event: serde_json::Value = serde_json::from_str(&text).ok()?;
    clean(event["repository"]["default_branch"].as_str()?.to_owned())
}

fn gitlab(environment: Environment<'_>) -> Provenance {
    let tag = first(environment, &["CI_COMMIT_TAG"]);
    let branch = first(environment, &["CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_BRANCH"]);
    Provenance {
        commit: first(environment, &["CI_COMMIT_SHA"]),
        branch: branch.or_else(|| first(environment, &["CI_COMMIT_REF_NAME"]).filter(|_| tag.is_none())),
        base_branch: first(environment, &["CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "CI_DEFAULT_BRANCH"]),
        job_url: first(environment, &["CI_JOB_URL"]),
        ..Provenance::default()
    }
}

fn jenkins(environment: Environment<'_>) -> Provenance {
    // `GIT_BRANCH` names the remote as well.
    let local = |name: String| name.strip_prefix("origin/").map(str::to_owned).unwrap_or(name);
    Provenance {
        commit: first(environment, &["GIT_COMMIT"]),
        branch: first(environment, &["CHANGE_BRANCH", "BRANCH_NAME", "GIT_BRANCH"]).map(local),
        base_branch: first(environment, &["CHANGE_TARGET"]),
        job_url: first(environment, &["BUILD_URL"]),
        ..Provenance::default()
    }
}

fn buildkite(environment: Environment<'_>) -> Provenance {
    let job = first(environment, &["BUILDKITE_JOB_ID"]).map_or_else(String::new, |job| format!("#{job}"));
    let base = ["BUILDKITE_PULL_REQUEST_BASE_BRANCH", "BUILDKITE_PIPELINE_DEFAULT_BRANCH"];
    Provenance {
        // `HEAD` if a build was started without one.
        commit: first(environment, &["BUILDKITE_COMMIT"]).filter(|commit| commit != "HEAD"),
        branch: first(environment, &["BUILDKITE_BRANCH"]),
        base_branch: first(environment, &base),
        job_url: first(environment, &["BUILDKITE_BUILD_URL"]).map(|url| url + &job),
        ..Provenance::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `COMMIT BRANCH -> BASE JOB`, with `-` for what is unknown.
    fn found(variables: &[(&str, &str)]) -> String {
        let of = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let found = provenance(&of);
        let shown = |it: Option<String>| it.unwrap_or_else(|| "-".to_owned());
        format!(
            "{} {} -> {} {}",
            shown(found.commit),
            shown(found.branch),
            shown(found.base_branch),
            shown(found.job_url)
        )
    }

    const GITHUB: [(&str, &str); 6] = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_SHA", "1f0c"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_REPOSITORY", "example/lamp"),
        ("GITHUB_RUN_ID", "7"),
        ("GITHUB_REF_TYPE", "branch"),
    ];

    #[test]
    fn github_names_the_branch_of_a_push_and_of_a_pull_request() {
        let with = |more: &[(&'static str, &'static str)]| found(&[&GITHUB[..], more].concat());
        let url = "https://github.com/example/lamp/actions/runs/7";
        let push = [("GITHUB_REF_NAME", "main"), ("GITHUB_HEAD_REF", ""), ("GITHUB_BASE_REF", "")];
        assert_eq!(with(&push), format!("1f0c main -> - {url}"));
        let request = [("GITHUB_REF_NAME", "4/merge"), ("GITHUB_HEAD_REF", "quiet"), ("GITHUB_BASE_REF", "main")];
        assert_eq!(with(&request), format!("1f0c quiet -> main {url}"));
        assert_eq!(with(&[("GITHUB_RUN_ATTEMPT", "2")]), format!("1f0c - -> - {url}/attempts/2"));
        let tag = [("GITHUB_REF_NAME", "v1"), ("GITHUB_REF_TYPE", "tag")];
        assert_eq!(found(&[&tag[..], &GITHUB].concat()), format!("1f0c - -> - {url}"));
    }

    #[test]
    fn github_names_the_default_branch_in_the_file_of_the_event() {
        let folder = tempfile::tempdir().expect("folder");
        let event = folder.path().join("event.json");
        std::fs::write(&event, r#"{"repository": {"default_branch": "trunk"}}"#).expect("written");
        let event = event.display().to_string();
        let variables = [("GITHUB_ACTIONS", "true"), ("GITHUB_EVENT_PATH", event.as_str()), ("GITHUB_REF_NAME", "x")];
        assert_eq!(found(&variables), "- x -> trunk -");
        assert_eq!(found(&[("GITHUB_ACTIONS", "true"), ("GITHUB_EVENT_PATH", "/nowhere")]), "- - -> - -");
    }

    #[test]
    fn gitlab_jenkins_and_buildkite_are_understood() {
        let gitlab = [
            ("GITLAB_CI", "true"),
            ("CI_COMMIT_SHA", "1f0c"),
            ("CI_COMMIT_REF_NAME", "quiet"),
            ("CI_DEFAULT_BRANCH", "main"),
            ("CI_JOB_URL", "https://g/j/7"),
        ];
        assert_eq!(found(&gitlab), "1f0c quiet -> main https://g/j/7");
        let jenkins = [
            ("JENKINS_URL", "https://j/"),
            ("GIT_COMMIT", "1f0c"),
            ("GIT_BRANCH", "origin/quiet"),
            ("BUILD_URL", "https://j/7/"),
        ];
        assert_eq!(found(&jenkins), "1f0c quiet -> - https://j/7/");
        let buildkite = [
            ("BUILDKITE", "true"),
            ("BUILDKITE_COMMIT", "1f0c"),
            ("BUILDKITE_BRANCH", "quiet"),
            ("BUILDKITE_BUILD_URL", "https://b/7"),
            ("BUILDKITE_JOB_ID", "ab"),
            ("BUILDKITE_PIPELINE_DEFAULT_BRANCH", "main"),
        ];
        assert_eq!(found(&buildkite), "1f0c quiet -> main https://b/7#ab");
    }

    #[test]
    fn variables_of_hil_win_and_stray_variables_mean_nothing() {
        let own = [("HIL_COMMIT", "2222"), ("HIL_BRANCH", "mine\u{1b}[2J"), ("HIL_JOB_URL", "https://x/1")];
        assert_eq!(found(&[&own[..], &GITHUB].concat()), "2222 mine[2J -> - https://x/1");
        assert_eq!(found(&[("GIT_COMMIT", "1f0c"), ("CI_COMMIT_SHA", "1f0c")]), "- - -> - -");
    }
}
