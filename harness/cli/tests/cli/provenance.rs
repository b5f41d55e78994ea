//! Runs carry their commit, branch, job and computer, and `last-good` knows branches.

use std::process::Command;

use crate::support::{Outcome, Project};

const FEATURE: &str = "Feature: f\n  Scenario: s\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    Then \"lamp\" connects within 30 s\n";
const BENCH: &str = "name = \"rack-3\"\n[boards.lamp]\nkind = \"virtual\"\n[firmware.lamp]\nimage = \"builtin:lamp\"\nnvs = { \"mqtt.host\" = \"{tap.host}\", \"mqtt.port\" = \"{tap.port}\" }\nready = \"mqtt: starting\"\n";

fn project() -> Project {
    let project = Project::with_feature(FEATURE);
    project.file("bench.toml", BENCH);
    project
}

/// Variables of the CI system that runs this test.
const FOREIGN: [&str; 7] =
    ["GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "BUILDKITE", "HIL_COMMIT", "HIL_BRANCH", "HIL_JOB_URL"];

fn command(project: &Project, arguments: &[&str]) -> Command {
    let mut command = project.command(arguments);
    for name in FOREIGN {
        command.env_remove(name);
    }
    command
}

/// Runs the feature with more flags; the run folder is `out`.
fn run(project: &Project, out: &str, more: &[&str], set: impl FnOnce(&mut Command)) -> Outcome {
    let mut command = command(project, &[&["run", "--bench", "bench.toml", "--out", out], more].concat());
    set(&mut command);
    let outcome: Outcome = command.output().expect("hil").into();
    assert_eq!(outcome.code, 0, "{outcome:?}");
    outcome
}

fn git(project: &Project, arguments: &[&str]) -> String {
    let who = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
    let mut command = Command::new("git");
    command.args(who).args(arguments).current_dir(project.path("")).env("GIT_CONFIG_GLOBAL", "/dev/null");
    let output = command.output().expect("git");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A property of `junit.xml`.
fn property(project: &Project, out: &str, name: &str) -> Option<String> {
    let junit = project.read(&format!("{out}/junit.xml"));
    let (_, rest) = junit.split_once(&format!("name=\"hil.{name}\" value=\""))?;
    Some(rest.split('"').next().unwrap_or_default().to_owned())
}

#[test]
fn in_a_checkout_git_is_asked() {
    let project = project();
    run(&project, "nowhere", &[], |_| {});
    assert_eq!(property(&project, "nowhere", "commit"), None, "not a repository");
    assert!(property(&project, "nowhere", "host").is_some());
    git(&project, &["init", "--quiet", "--initial-branch=quiet"]);
    git(&project, &["add", "bench.toml", "features"]);
    git(&project, &["commit", "--quiet", "--message=first"]);
    let commit = git(&project, &["rev-parse", "HEAD"]);
    run(&project, "clean", &[], |_| {});
    let of = |out: &str, name: &str| property(&project, out, name);
    assert_eq!((of("clean", "commit"), of("clean", "branch")), (Some(commit.clone()), Some("quiet".to_owned())));
    assert_eq!((of("clean", "dirty"), of("clean", "bench")), (None, Some("rack-3".to_owned())));
    assert!(project.read("clean/summary.md").contains(&format!("commit {}, branch quiet", &commit[..12])));
    assert!(project.read("clean/report.html").contains(&commit));
    project.file("bench.toml", &format!("{BENCH}# changed\n"));
    run(&project, "changed", &[], |_| {});
    assert_eq!(of("changed", "dirty").as_deref(), Some("true"));
    // What it says belongs to its own commit.
    run(&project, "named", &["--commit", "1a2b3c4"], |_| {});
    assert_eq!(
        (of("named", "commit").as_deref(), of("named", "branch"), of("named", "dirty")),
        (Some("1a2b3c4"), None, None)
    );
}

#[test]
fn without_git_a_run_is_as_any() {
    let project = project();
    git(&project, &["init", "--quiet"]);
    // A program of this name that never answers, and none at all.
    project.file("bin/git", "#!/bin/sh\nexec sleep 600\n");
    std::fs::set_permissions(project.path("bin/git"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("a program");
    for (out, folder) in [("slow", "bin"), ("absent", "features")] {
        // `env` of the support is found by its whole path.
        let path = format!("{}:/usr/bin/hil-has-no-such-folder", project.path(folder).display());
        run(&project, out, &[], |command| {
            command.env("PATH", path);
        });
        assert_eq!(property(&project, out, "commit"), None, "{out}");
    }
}

#[test]
fn a_ci_job_is_named_and_flags_win() {
    let project = project();
    let job = [
        ("GITLAB_CI", "true"),
        ("CI_COMMIT_SHA", "1f0c9a7d7a2f4b1e8e1c2d3f4a5b6c7d8e9f0a1b"),
        ("CI_COMMIT_REF_NAME", "quiet"),
        ("CI_JOB_URL", "https://gitlab.example/j/7"),
    ];
    run(&project, "job", &["--branch", "loud"], |command| {
        command.envs(job);
    });
    let of = |name: &str| property(&project, "job", name).unwrap_or_default();
    assert_eq!((of("commit"), of("branch")), (job[1].1.to_owned(), "loud".to_owned()));
    assert_eq!(of("job-url"), "https://gitlab.example/j/7");
    assert!(project.read("job/summary.md").contains("[job](<https://gitlab.example/j/7>)"));
}

/// What the environment says is text: no markup, no control characters, no secret.
#[test]
fn no_value_steers_a_report_and_secrets_are_masked() {
    let project = project();
    project.file("bench.toml", &BENCH.replace("nvs = {", "nvs = { \"app.token\" = \"${secret:HIL_TEST_TOKEN}\","));
    let values = [
        ("HIL_TEST_TOKEN", "hunter2hunter2"),
        ("HIL_BRANCH", "<img src=x>\u{1b}[2J\"&|`x`"),
        ("HIL_COMMIT", "</script>"),
        ("HIL_JOB_URL", "javascript:alert('hunter2hunter2')"),
    ];
    run(&project, "out", &[], |command| {
        command.envs(values);
    });
    for report in ["events.jsonl", "junit.xml", "summary.md", "report.html"] {
        let text = project.read(&format!("out/{report}"));
        assert!(!text.contains("hunter2") && !text.contains('\u{1b}'), "{report}");
    }
    let (page, summary) = (project.read("out/report.html"), project.read("out/summary.md"));
    assert!(!page.contains("<img src=x>") && !summary.contains("<img src=x>") && !summary.contains("](<javascript"));
    assert_eq!(page.matches("</script>").count(), page.matches("<script").count());
    let history = command(&project, &["history"]).output().expect("hil");
    assert!(!String::from_utf8_lossy(&history.stdout).contains('\u{1b}'));
}

#[test]
fn wrong_flags_are_refused() {
    let project = project();
    let refused = |flags: &[&str]| {
        let outcome = command(&project, &[&["run"], flags].concat()).output().expect("hil");
        assert_eq!(outcome.status.code(), Some(96), "{flags:?}");
        String::from_utf8_lossy(&outcome.stderr).into_owned()
    };
    assert!(refused(&["--commit", ""]).contains("1 to 200 characters without control characters"));
    assert!(refused(&["--branch", "a\u{1b}[2J"]).contains("1 to 200 characters without control characters"));
    assert!(refused(&["--job-url", "javascript:alert(1)"]).contains("an address that begins with https:// or http://"));
}

#[test]
fn the_history_filters_and_last_good_is_of_the_branch() {
    let project = project();
    for (out, branch, commit) in [("a", "main", "aaaa1"), ("b", "quiet", "bbbb1"), ("c", "main", "aaaa2")] {
        run(&project, out, &["--branch", branch, "--commit", commit], |_| {});
    }
    let history =
        |more: &[&str]| -> Outcome { command(&project, &[&["history"], more].concat()).output().expect("hil").into() };
    let runs = |more: &[&str]| history(more).stdout.lines().map(|line| line[..1].to_owned()).collect::<Vec<_>>();
    assert_eq!(runs(&[]), ["a", "b", "c"]);
    assert!(history(&[]).stdout.contains("quiet, bbbb1"), "{}", history(&[]).stdout);
    assert_eq!(runs(&["--branch", "main"]), ["a", "c"]);
    assert_eq!(runs(&["--commit", "aaaa2"]), ["c"]);
    assert_eq!((runs(&["--bench", "rack-3"]).len(), history(&["--bench", "rack-4"]).code), (3, 96));
    let compared = |flags: &[&str]| {
        let out = format!("out-{}", flags.join("-").replace(['@', '-'], ""));
        let said = run(&project, &out, flags, |_| {}).stdout;
        said.lines().find_map(|line| line.strip_prefix("compared with ")).map(|rest| rest[..1].to_owned())
    };
    // The newest of `main` is not the newest run; runs of the same firmware before it are counted.
    assert_eq!(compared(&["--baseline", "last-good@quiet", "--branch", "other"]).as_deref(), Some("b"));
    assert_eq!(compared(&["--baseline", "last-good@nowhere", "--branch", "other"]), None);
    assert_eq!(compared(&["--baseline", "last-good", "--branch", "quiet"]).as_deref(), Some("b"));
    assert_eq!(compared(&["--baseline", "last-good", "--branch", "new"]).as_deref(), Some("c"), "that of main");
}
