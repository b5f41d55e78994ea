//! Which scenarios run, in which order and how often.

use crate::support::{Outcome, Project, assert_snapshot};

/// `moody` works from its second start on; `mute` never does.
const BENCH: &str = r#"
[boards.pi]
kind = "process"
[boards.other]
kind = "process"
[firmware.good]
kind = "process"
command = ["sh", "-c", "echo ready; read word"]
[firmware.moody]
kind = "process"
command = ["sh", "-c", "if [ -e seen ]; then echo ready; else touch seen; echo sulking; fi; read word"]
[firmware.third]
kind = "process"
command = ["sh", "-c", "echo x >> starts; if [ $(wc -l < starts) -eq 3 ]; then echo no; else echo ready; fi; read word"]
[firmware.mute]
kind = "process"
command = ["sh", "-c", "echo no; read word"]
"#;

fn scenario(name: &str, board: &str, firmware: &str) -> String {
    // A program that says it says it at once; for the others the whole time passes.
    let within = if firmware == "good" { "10 s" } else { "2 s" };
    format!(
        "  Scenario: {name}\n    Given the board \"{board}\" runs the firmware \"{firmware}\"\n    \
         Then the console of \"{board}\" shows \"ready\" within {within}\n\n"
    )
}

fn project(scenarios: &[(&str, &str, &str)]) -> Project {
    let all: String = scenarios.iter().map(|(name, board, firmware)| scenario(name, board, firmware)).collect();
    let project = Project::with_feature(&format!("Feature: f\n\n{all}"));
    project.file("bench.toml", BENCH);
    project
}

fn run(project: &Project, more: &[&str]) -> Outcome {
    let mut all = vec!["run", "--bench", "bench.toml"];
    all.extend(more);
    project.hil(&all)
}

fn names(outcome: &Outcome) -> Vec<String> {
    outcome.verdicts().into_iter().map(|(_, name)| name).collect()
}

/// Path and name of each line of `--list`.
fn listed(outcome: &Outcome) -> Vec<String> {
    outcome.stdout.lines().filter_map(|line| Some(line.split_once("  ")?.1.to_owned())).collect()
}

#[test]
fn a_board_selects_the_scenarios_that_name_it() {
    let project = project(&[("on pi", "pi", "good"), ("on other", "other", "good")]);
    let outcome = run(&project, &["--board", "other"]);
    assert_eq!((outcome.code, names(&outcome)), (0, vec!["on other".to_owned()]), "{outcome:?}");
    assert_eq!(listed(&run(&project, &["--list", "--board", "pi"])), ["on pi"]);
    assert_eq!(listed(&run(&project, &["--list", "--board", "pi", "--board", "other"])).len(), 2);
    let unknown = run(&project, &["--board", "othr"]);
    assert_snapshot("choose-unknown-board", &unknown.stable());
}

#[test]
fn several_lines_of_several_files_select_their_scenarios() {
    let project = project(&[("a", "pi", "good"), ("b", "pi", "good"), ("c", "pi", "good")]);
    project.file("features/two.feature", &format!("Feature: g\n{}", scenario("d", "pi", "good")));
    let list = |files: &[&str]| listed(&run(&project, &[&["--list"], files].concat()));
    assert_eq!(list(&["features/one.feature:3", "features/one.feature:12", "features/two.feature"]), ["a", "c", "d"]);
    assert_eq!(list(&["features/one.feature:8", "features/two.feature:2"]), ["b", "d"]);
}

/// Each says which option left nothing, and of how many scenarios.
#[test]
fn an_empty_selection_names_the_option_that_emptied_it() {
    let project = project(&[("a", "pi", "good"), ("b", "pi", "good")]);
    project.file("features/later.feature", &format!("@opt-in\nFeature: g\n{}", scenario("c", "other", "good")));
    let mut text = String::new();
    for arguments in [
        &["--tags", "@nope"][..],
        &["--tags", "not @nope", "--name", "zzz"],
        &["--name", "^c$"],
        &["--board", "other"],
        &["--name", "^a$", "--shard", "1/2", "--board", "pi"],
        &["--name", "^a$", "--shard", "2/2"],
    ] {
        let outcome = run(&project, arguments);
        if outcome.code == 0 {
            // One of the two parts has it.
            continue;
        }
        assert_eq!(outcome.code, 4, "{outcome:?}");
        text.push_str(&format!("{}\n{}", arguments.join(" "), outcome.stderr));
    }
    assert_snapshot("choose-emptied", &text);
}

#[test]
fn last_failed_repeats_what_did_not_pass_in_the_newest_run() {
    let project = project(&[("a", "pi", "good"), ("b", "pi", "mute"), ("c", "pi", "moody")]);
    let none = run(&project, &["--last-failed"]);
    assert_eq!(none.code, 96);
    assert!(none.stderr.contains("there is no run in `target/hil` yet"), "{none:?}");
    assert_eq!(run(&project, &[]).code, 100);
    let again = run(&project, &["--last-failed"]);
    assert_eq!(again.code, 100);
    assert!(again.stderr.contains("2 failed in `target/hil/"), "{again:?}");
    assert_eq!(names(&again), ["b", "c"]);
    // `c` passed then.
    let third = run(&project, &["--last-failed", "--name", "^[abc]$"]);
    assert_eq!((third.code, names(&third)), (100, vec!["b".to_owned()]), "{third:?}");
    // A line that is added moves no scenario out of it.
    project.file("features/one.feature", &format!("# new\n\n{}", project.read("features/one.feature")));
    assert_eq!(listed(&run(&project, &["--list", "--last-failed"])), ["b"]);
    let emptied = run(&project, &["--last-failed", "--name", "^a$"]);
    assert_eq!(emptied.code, 4);
    assert!(emptied.stderr.contains("1 failed in `target/hil/") && emptied.stderr.contains("; 0 of them are selected"));
    assert!(emptied.stderr.contains("`--last-failed` leaves none of 1"), "{emptied:?}");
    // Runs with folders of their own are beside each other.
    for n in 1..=2 {
        run(&project, &["--out", &format!("runs/{n}"), "--name", if n == 1 { "^b$" } else { "^a$" }]);
    }
    let passed = run(&project, &["--out", "runs/3", "--last-failed"]);
    assert_eq!(passed.code, 4);
    assert!(passed.stderr.contains("no scenario failed in `runs/2`"), "{passed:?}");
    assert_eq!(listed(&run(&project, &["--list", "--last-failed=runs/1"])), ["b"]);
    let missing = run(&project, &["--last-failed=runs/9"]);
    assert_eq!(missing.code, 96);
    assert!(missing.stderr.contains("--last-failed=RUN"), "{missing:?}");
}

#[test]
fn fail_fast_begins_no_other_scenario() {
    let project = project(&[("a", "pi", "good"), ("b", "pi", "mute"), ("c", "pi", "good"), ("d", "pi", "good")]);
    let outcome = run(&project, &["--fail-fast", "--out", "run"]);
    let verdicts: Vec<_> = outcome.verdicts().into_iter().map(|(word, name)| format!("{name} {word}")).collect();
    assert_eq!(
        (outcome.code, verdicts),
        (100, ["a passed", "b failed", "c skipped", "d skipped"].map(str::to_owned).to_vec())
    );
    assert!(outcome.stdout.contains("2 skipped: not run: `--fail-fast` ends the run at the first"), "{outcome:?}");
    assert!(project.read("run/junit.xml").contains(r#"tests="4" errors="0" skipped="2" failures="1""#));
}

/// It counts what is left after the retries.
#[test]
fn fail_fast_waits_for_the_retries() {
    let project = project(&[("moods", "pi", "moody"), ("after", "pi", "good")]);
    let outcome = run(&project, &["--fail-fast", "--retries", "1"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert!(outcome.stdout.contains("1 passed, 1 flaky"), "{outcome:?}");
    let outcome = run(&project, &["--fail-fast", "--flaky", "fail"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
}

#[test]
fn each_repetition_is_a_result_of_its_own() {
    let project = project(&[("often", "pi", "third"), ("always", "other", "good")]);
    let outcome = run(&project, &["--repeat", "4", "--out", "run"]);
    assert_eq!(outcome.code, 100, "{outcome:?}");
    for line in ["3 of 4 passed  features/one.feature:3  often", "4 of 4 passed  features/one.feature:7  always"] {
        assert!(outcome.stdout.contains(line), "{outcome:?}");
    }
    assert!(outcome.stdout.contains("7 passed, 1 failed in"), "not flaky: {outcome:?}");
    let xml = project.read("run/junit.xml");
    assert!(xml.contains(r#"tests="8" errors="0" skipped="0" failures="1""#), "{xml}");
    assert!(
        xml.contains(r#"name="often (repetition 3)""#) && !xml.contains("rerun") && !xml.contains("flaky"),
        "{xml}"
    );
    assert!(project.read("run/summary.md").contains("| 3 of 4 | often | features/one.feature:3 |"));
    assert!(project.read("run/report.html").contains("3 of 4 passed"));
    // One scenario in the history, with the worst verdict.
    let history = project.hil(&["history", "often", "--format", "json"]);
    assert!(history.stdout.contains("\"✗\""), "{history:?}");
    // The reports are a function of the record.
    let again = project.hil(&["report", "run"]);
    assert_eq!((again.code, project.read("run/junit.xml")), (100, xml));
}

#[test]
fn until_fail_stops_after_the_repetition_that_failed() {
    let project = project(&[("often", "pi", "third"), ("always", "pi", "good")]);
    let outcome = run(&project, &["--repeat", "20", "--until-fail"]);
    assert_eq!((outcome.code, outcome.verdicts().len()), (100, 6), "{outcome:?}");
    assert!(outcome.stdout.contains("2 of 3 passed") && outcome.stdout.contains("3 of 3 passed"), "{outcome:?}");
    assert!(outcome.stdout.contains("5 passed, 1 failed in"), "{outcome:?}");
    let alone = run(&project, &["--until-fail"]);
    assert_eq!(alone.code, 96, "{alone:?}");
}

#[test]
fn a_repetition_has_all_its_retries() {
    let project = project(&[("often", "pi", "third")]);
    let outcome = run(&project, &["--repeat", "3", "--retries", "1"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert!(outcome.stdout.contains("2 passed, 1 flaky in"), "{outcome:?}");
    assert!(outcome.stdout.contains("2 of 3 passed  "), "a retry is not a pass at once: {outcome:?}");
}

#[test]
fn a_seed_reproduces_an_order() {
    let letters: Vec<String> = ('a'..='h').map(String::from).collect();
    let scenarios: Vec<_> = letters.iter().map(|name| (name.as_str(), "pi", "good")).collect();
    let project = project(&scenarios);
    let outcome = run(&project, &["--shuffle", "--out", "run"]);
    let seed = outcome.stdout.lines().find_map(|line| line.strip_prefix("order: `--shuffle=")).expect("printed");
    let seed = seed.trim_end_matches('`');
    assert!(project.read("run/events.jsonl").contains(&format!("\"choice\":{{\"shuffle\":{seed}}}")));
    let again = run(&project, &[&format!("--shuffle={seed}")]);
    assert_eq!((outcome.code, names(&again)), (0, names(&outcome)));
    assert_eq!(listed(&run(&project, &["--list", &format!("--shuffle={seed}")])), names(&outcome));
    let orders: std::collections::BTreeSet<_> =
        (0..5).map(|seed| listed(&run(&project, &["--list", &format!("--shuffle={seed}")]))).collect();
    assert_eq!(orders.len(), 5);
    // What else runs does not change the order.
    let fewer = listed(&run(&project, &["--list", &format!("--shuffle={seed}"), "--name", "[a-d]"]));
    let of_all: Vec<_> = names(&outcome).into_iter().filter(|name| ("a"..="d").contains(&name.as_str())).collect();
    assert_eq!(fewer, of_all);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let project = project(&[("a", "pi", "good")]);
    let mut text = String::new();
    for arguments in [
        &["--shard", "6/5"][..],
        &["--shard", "0/5"],
        &["--shard", "2"],
        &["--until-fail"],
        &["--repeat", "0"],
        &["--shuffle=many"],
        &["--last-failed", "--shard", "1/2"],
    ] {
        let outcome = run(&project, arguments);
        assert_eq!(outcome.code, 96, "{outcome:?}");
        text.push_str(&format!("{}\n{}", arguments.join(" "), outcome.stderr));
    }
    assert_snapshot("choose-refused", &text);
}

/// Nothing is touched: there is no run folder afterwards.
#[test]
fn a_dry_run_says_what_would_run_where_and_how_long_it_took() {
    let project = project(&[("a", "pi", "good"), ("b", "other", "good"), ("c", "pi", "good")]);
    let text = project.read("features/one.feature").replace("  Scenario: c", "  @requires:relay\n  Scenario: c");
    project.file("features/one.feature", &text);
    let unknown = run(&project, &["--dry-run"]);
    assert_eq!(unknown.code, 0, "{unknown:?}");
    assert!(!project.path("target").exists(), "it leaves no folder");
    assert_snapshot("choose-dry-run-unknown", &unknown.stable());
    assert_eq!(run(&project, &["--out", "run"]).code, 0);
    let known = run(&project, &["--dry-run", "--repeat", "3"]);
    let is_time = |line: &&str| line.contains("  a  [pi]  ") && line.ends_with(" s");
    assert_eq!(known.stdout.lines().filter(is_time).count(), 1, "{known:?}");
    assert!(known.stdout.contains("2 would run on bench.toml, 3 times, 1 skipped: "), "{known:?}");
    let json = run(&project, &["--dry-run", "--format", "json", "--board", "other"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!((json.as_array().map(Vec::len), &json[0]["boards"][0]), (Some(1), &"other".into()));
    assert!(json[0]["last_ms"].is_u64());
    let both = run(&project, &["--dry-run", "--list"]);
    assert_eq!(both.code, 96, "{both:?}");
}

/// It runs, runs again after a change, and ends on Ctrl-C with the code of the last run.
#[test]
fn watch_runs_again_after_a_change() {
    use crate::support::Printed;
    let project = project(&[("a", "pi", "good")]);
    let mut child = project.start(&["run", "--watch", "--bench", "bench.toml"]);
    let printed = Printed::by(&mut child);
    printed.wait_for(&["1 passed in", "watching "]);
    project.file("features/one.feature", &format!("Feature: f\n{}", scenario("b", "pi", "mute")));
    printed.wait_for(&["features/one.feature changed", "1 failed in", "watching "]);
    project.file("bench.toml", &BENCH.replace("echo no", "echo ready"));
    printed.wait_for(&["bench.toml changed", "1 passed in", "watching "]);
    project.file("features/one.feature", "Feature: f\n  Scenario: b\n    Given nonsense\n");
    printed.wait_for(&["features/one.feature changed", "watching "]);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("signal");
    assert_eq!(child.wait().expect("ends").code(), Some(96), "the last run could not begin");
    for with in [&["--list"][..], &["--dry-run"], &["--out", "x"], &["--shard", "1/2"], &["--format", "json"]] {
        let refused = run(&project, &[&["--watch"], with].concat());
        assert_eq!(refused.code, 96);
        assert!(refused.stderr.contains(&format!("`--watch` can't be used with `{}", with[0])), "{refused:?}");
    }
}

/// Ctrl-C in the middle of a run ends that run in order.
#[test]
fn watch_ends_its_run_in_order() {
    use crate::support::Printed;
    let project = project(&[("a", "pi", "mute")]);
    let slow =
        project.read("features/one.feature").replace("within 10 s", "within 60 s").replace("within 2 s", "within 60 s");
    project.file("features/one.feature", &slow);
    let mut child = project.start(&["run", "--watch", "--bench", "bench.toml", "-vv"]);
    let printed = Printed::by(&mut child);
    printed.wait_for(&["pi |  no"]);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("signal");
    assert_eq!(child.wait().expect("ends").code(), Some(130));
    assert!(project.read("target/hil/latest/junit.xml").contains("aborted"));
}
