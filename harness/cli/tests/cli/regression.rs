//! Baselines, histories and comparisons with the real program.

use crate::support::{Outcome, Project, assert_snapshot};

/// The program behaves as `mood` says: a firmware with and without regressions.
const BENCH: &str = r#"
[boards.pi]
kind = "process"
[firmware.app]
kind = "process"
command = ["sh", "app.sh"]
"#;

const FEATURE: &str = r#"Feature: f
  Scenario: it greets
    Given the board "pi" runs the firmware "app"
    Then the console of "pi" shows "hello" within 3 s

  Scenario: it says bye
    Given the board "pi" runs the firmware "app"
    Then the console of "pi" shows "bye" within 3 s
"#;

fn project() -> Project {
    let project = Project::with_feature(FEATURE);
    project.file("bench.toml", BENCH);
    project
}

/// A run of a firmware that prints these words.
fn run(project: &Project, words: &str, arguments: &[&str]) -> Outcome {
    project.file("app.sh", &format!("for word in {words}; do echo $word; done; read word\n"));
    let mut all = vec!["run", "--bench", "bench.toml"];
    all.extend(arguments);
    project.hil(&all)
}

#[test]
fn a_regression_is_reported_and_ends_with_103_on_request() {
    let project = project();
    // CI jobs often use the same name for their folders.
    let gate = ["--baseline", "last-good", "--fail-on", "regression", "--out"];
    let first = run(&project, "hello bye", &[&gate[..], &["first/good"]].concat());
    assert_eq!(first.code, 0, "there is nothing to compare with yet: {first:?}");
    assert!(first.stderr.contains("no good run of these scenarios in `target/hil/history.jsonl`"), "{}", first.stderr);
    assert_eq!(run(&project, "hello bye", &[&gate[..], &["second/good"]].concat()).code, 0);
    let bad = run(&project, "bye", &[&gate[..], &["bad"]].concat());
    assert_eq!(bad.code, 103, "{bad:?}");
    assert_snapshot("regression", &bad.stable());
    let still = run(&project, "bye", &["--baseline", "bad", "--fail-on", "regression", "--out", "still"]);
    assert_eq!(still.code, 100, "not worse than before: {still:?}");
    assert!(still.stdout.contains("still failing (1):") && still.stdout.contains("no regression in 2 scenarios"));
    let fixed = run(&project, "hello bye", &["--baseline", "bad", "--out", "fixed"]);
    assert!(fixed.stdout.contains("fixed (1):"), "{}", fixed.stdout);
    // Regenerated reports show the same comparison.
    project.hil(&["report", "bad"]);
    assert!(project.read("bad/summary.md").contains("newly failing (1)"));
    assert!(project.read("bad/report.html").contains("newly failing (1)"));
}

#[test]
fn a_run_with_a_regression_is_not_a_baseline() {
    let project = project();
    let gate = ["--baseline", "last-good", "--fail-on", "regression", "--retries", "1", "--out"];
    run(&project, "hello bye", &["--out", "a/report"]);
    // From here on the firmware needs a second attempt.
    let wavers = |round: u32| {
        let script = format!(
            "n=$(ls starts-{round} 2>/dev/null | wc -l); mkdir -p starts-{round}; touch starts-{round}/$n; [ $n -lt 2 ] || echo hello; echo bye; read word\n"
        );
        project.file("app.sh", &script);
        let out = format!("{round}/report");
        let mut all = vec!["run", "--bench", "bench.toml"];
        all.extend(gate);
        all.push(&out);
        project.hil(&all)
    };
    for round in [1, 2] {
        let outcome = wavers(round);
        assert_eq!(outcome.code, 103, "round {round}: {outcome:?}");
        assert!(outcome.stdout.contains("newly flaky (1):"), "{}", outcome.stdout);
    }
    let saved = project.hil(&["baseline", "save", "1/report", "--out", "base.json"]);
    assert_eq!(saved.code, 96, "{saved:?}");
}

#[test]
fn fail_on_regression_fails_if_the_history_can_not_be_read() {
    let project = project();
    let gate = ["--baseline", "last-good", "--fail-on", "regression"];
    project.file("target/hil/history.jsonl", "no record\n");
    let outcome = run(&project, "hello bye", &gate);
    assert_eq!(outcome.code, 96, "{outcome:?}");
    assert!(outcome.stderr.contains("`target/hil/history.jsonl` contains no runs of `hil`"), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("2 passed"), "its reports are there all the same: {}", outcome.stdout);
}

#[test]
fn a_file_that_is_not_a_history_is_not_changed() {
    let project = project();
    let before = project.read("bench.toml");
    let outcome = run(&project, "hello bye", &["--history", "bench.toml", "--out", "run"]);
    assert_eq!(outcome.code, 96, "{outcome:?}");
    assert!(!project.path("run").exists(), "reported before anything runs");
    assert_eq!(project.read("bench.toml"), before);
}

#[test]
fn a_history_with_a_torn_first_line_is_continued() {
    let project = project();
    project.file("history.jsonl", "{\"schema\":1,\"run\":\"a");
    assert_eq!(run(&project, "hello bye", &["--history", "history.jsonl"]).code, 0);
    assert_eq!(project.read("history.jsonl").lines().count(), 2);
    let outcome = project.hil(&["history", "--history", "history.jsonl"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
}

#[test]
fn a_partial_run_of_the_same_firmware_is_compared_alone() {
    let project = project();
    let two = BENCH.replace("[firmware.app]", "[boards.pi-2]\nkind = \"process\"\n[firmware.app]");
    project.file("bench.toml", &two);
    let other = "Feature: g\n  Scenario: the other greets\n    Given the board \"pi-2\" runs the firmware \"app\"\n    Then the console of \"pi-2\" shows \"hello\" within 3 s\n";
    project.file("features/two.feature", other);
    assert_eq!(run(&project, "hello bye", &["--out", "all"]).code, 0);
    // A bench fault in between, with the same firmware: the feature asked for too much.
    let asked = FEATURE.replace("\"bye\"", "\"farewell\"");
    project.file("features/one.feature", &asked);
    assert_eq!(run(&project, "hello bye", &["features/one.feature", "--out", "wrong"]).code, 100);
    project.file("features/one.feature", FEATURE);
    let gate = ["features/one.feature", "--baseline", "all", "--fail-on", "regression", "--out", "part"];
    let part = run(&project, "hello bye", &gate);
    assert_eq!(part.code, 0, "{part:?}");
    assert!(part.stdout.contains("no regression in 2 scenarios"), "{}", part.stdout);
}

#[test]
fn one_bench_file_is_one_bench_however_it_is_named() {
    let project = project();
    let whole = project.path("bench.toml").display().to_string();
    for (n, bench) in ["bench.toml", "./bench.toml", &whole].iter().enumerate() {
        project.file("app.sh", "echo hello; echo bye; read word\n");
        let out = format!("run-{n}");
        assert_eq!(project.hil(&["run", "--bench", bench, "--out", &out]).code, 0);
        let events = hil_timeline::read_events(&project.path(&out).join("events.jsonl")).expect("events");
        let named = events.iter().find_map(|event| match &event.what {
            hil_timeline::What::RunStarted { bench, .. } => Some(bench.clone()),
            _ => None,
        });
        assert_eq!(named.as_deref(), Some("bench.toml"));
    }
}

#[test]
fn a_feature_is_the_same_however_its_path_is_written() {
    let project = project();
    run(&project, "hello bye", &["--out", "a"]);
    let absolute = project.path("features").canonicalize().expect("folder").display().to_string();
    for path in ["./features", absolute.as_str()] {
        let outcome = run(&project, "hello bye", &["--baseline", "a", path]);
        assert!(outcome.stdout.contains("no regression in 2 scenarios"), "{path}: {}", outcome.stdout);
    }
    let twice = project.hil(&["run", "--list", "features", "./features"]);
    assert_eq!(twice.stdout.lines().count(), 2, "{}", twice.stdout);
}

#[test]
fn only_good_runs_are_saved_as_a_baseline() {
    let project = project();
    run(&project, "hello bye", &["--out", "a"]);
    run(&project, "hello bye", &["--out", "b"]);
    run(&project, "hello", &["--out", "bad"]);
    let mut text = String::new();
    for arguments in [
        &["baseline", "save", "--out", "kept/lamp/base.json"][..],
        &["baseline", "save", "--out", "kept/lamp/base.json"],
        &["baseline", "save", "a", "b", "--out", "kept/lamp/base.json", "--replace"],
        &["baseline", "save", "bad", "--out", "worse.json"],
        &["baseline", "save", "nowhere", "--out", "worse.json"],
        &["compare", "kept/lamp/base.json", "bad", "--fail-on", "regression"],
        &["compare", "kept/lamp/base.json", "a"],
        &["compare", "bench.toml", "a"],
        &["compare", "last-good", "a", "--history", "none.jsonl"],
        &["run", "--bench", "bench.toml", "--baseline", "nowhere.json"],
        &["run", "--fail-on", "regression"],
        &["history", "--history", "none.jsonl"],
        &["history", "no such scenario"],
    ] {
        let outcome = project.hil(arguments);
        text.push_str(&format!("$ hil {}\n{}\n", arguments.join(" "), outcome.stable()));
    }
    assert_snapshot("regression-errors", &text);
    assert!(!project.path("worse.json").exists());
}

#[test]
fn the_history_shows_what_always_passes_and_what_does_not() {
    let project = project();
    for words in ["hello bye", "hello bye", "hello"] {
        run(&project, words, &[]);
    }
    // The same firmware: it omits a word from its third start on.
    let script = "n=$(cat starts 2>/dev/null || echo 0); echo $((n + 1)) > starts; echo hello; [ $n -ge 2 ] || echo bye; read word\n";
    project.file("app.sh", script);
    for _ in 0..2 {
        project.hil(&["run", "--bench", "bench.toml"]);
    }
    let all = project.hil(&["history"]);
    let one = project.hil(&["history", "says bye"]);
    let stable = |outcome: &Outcome| {
        let hash = regex::Regex::new(r"app [0-9a-f]{8}").expect("regex");
        hash.replace_all(&outcome.stable(), "app HASH").into_owned()
    };
    let times = regex::Regex::new(r"  [▁▂▃▄▅▆▇█ ]+  [0-9.]+ ms").expect("regex");
    assert_snapshot("history", &format!("{}\n{}", stable(&all), times.replace_all(&stable(&one), "  TREND")));
    let json: serde_json::Value =
        serde_json::from_str(&project.hil(&["history", "greets", "--format", "json"]).stdout).expect("JSON");
    assert_eq!(json[0]["pass_rate"], 1.0, "{json}");
}

#[test]
fn annotations_are_printed_only_on_github() {
    let project = project();
    project.file("app.sh", "read word\n");
    let arguments = ["run", "--bench", "bench.toml", "--name", "greets"];
    let run = |github: &str| -> Outcome {
        project.command(&arguments).env("GITHUB_ACTIONS", github).output().expect("hil runs").into()
    };
    let line = "::error file=features/one.feature,line=4,title=failed%3A it greets::";
    assert!(run("true").stdout.contains(line));
    assert!(!run("").stdout.contains("::error"));
}
