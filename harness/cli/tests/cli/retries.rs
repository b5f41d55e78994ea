//! Retried scenarios: the verdict, the output and the reports.

use crate::support::{Project, assert_snapshot};

/// `late` prints nothing after its first start, so the step's deadline passes: a bench fault that is gone on the second
/// attempt. `moody` works from its second start on: a firmware fault.
const BENCH: &str = r#"
[boards.pi]
kind = "process"
[firmware.late]
kind = "process"
command = ["sh", "-c", "if [ -e made ]; then echo here; else touch made; fi; read word"]
ready = "here"
[firmware.moody]
kind = "process"
command = ["sh", "-c", "if [ -e seen ]; then echo ready; else touch seen; echo sulking; fi; read word"]
[firmware.mute]
kind = "process"
command = ["sh", "-c", "echo no; read word"]
"#;

const FEATURE: &str = r#"Feature: f
  Scenario: it is there late
    Given the board "pi" runs the firmware "late"
    Then the console of "pi" shows "here" within 2 s

  @retry(2)
  Scenario: it has moods
    Given the board "pi" runs the firmware "moody"
    Then the console of "pi" shows "ready" within 2 s

  Scenario Outline: it never speaks
    Given the board "pi" runs the firmware "mute"
    Then the console of "pi" shows "<word>" within 200 ms
    Examples:
      | word  |
      | hello |
      | bye   |
"#;

fn project() -> Project {
    let project = Project::with_feature(FEATURE);
    project.file("bench.toml", BENCH);
    project
}

#[test]
fn a_failure_is_retried_on_a_recovered_board_and_each_attempt_is_reported() {
    let project = project();
    let outcome = project.hil(&["run", "--bench", "bench.toml", "--out", "run", "--step-deadline", "4s"]);
    assert_snapshot("retries-output", &outcome.stable());
    let xml = project.read("run/junit.xml");
    assert_eq!(xml.matches("<testcase").count(), 4);
    assert_eq!((xml.matches("<flakyError").count(), xml.matches("<flakyFailure").count()), (1, 1), "{xml}");
    assert!(xml.contains(r#"tests="4" errors="0" skipped="0" failures="2""#), "{xml}");
    for name in ["it never speaks (hello)", "it never speaks (bye)"] {
        assert_eq!(xml.matches(&format!("name=\"{name}\"")).count(), 1, "{name}");
    }
    let json = project.read("run/cucumber.json");
    assert!(json.contains("it has moods (attempt 1 of 2)") && json.contains("it has moods (attempt 2 of 2)"));
    // The regenerated reports are the same.
    let again = project.hil(&["report", "run"]);
    assert_eq!((again.code, project.read("run/junit.xml")), (100, xml));
}

#[test]
fn the_options_override_the_number_of_retries() {
    let run = |arguments: &[&str]| {
        let project = project();
        let mut all = vec!["run", "--bench", "bench.toml", "--step-deadline", "4s"];
        all.extend(arguments);
        let outcome = project.hil(&all);
        (outcome.code, outcome.stdout.lines().filter(|line| line.contains("one.feature:")).count(), outcome.stdout)
    };
    let (code, _, output) = run(&["--bench-retries", "0", "--name", "late"]);
    assert_eq!(code, 102, "{output}");
    let (code, _, output) = run(&["--name", "late"]);
    assert_eq!(code, 0, "{output}");
    assert!(output.contains("0 passed, 1 flaky"), "{output}");
    let (code, _, output) = run(&["--name", "late", "--flaky", "fail"]);
    assert_eq!(code, 100, "{output}");
    let (code, _, output) = run(&["--name", "hello", "--retries", "2"]);
    assert_eq!((code, output.matches(" failed  ").count()), (100, 3), "{output}");
}

/// After its first start the program prints the wrong text, after its second it never becomes ready.
const WORSE: &str = r#"
[boards.pi]
kind = "process"
[firmware.worse]
kind = "process"
command = ["sh", "-c", "if [ -e seen ]; then read word; else touch seen; echo here; fi; read word"]
ready = "here"
"#;

#[test]
fn a_retrys_line_shows_its_own_error() {
    let project = Project::with_feature(
        "Feature: f\n  Scenario: it gets worse\n    Given the board \"pi\" runs the firmware \"worse\"\n    Then the console of \"pi\" shows \"there\" within 200 ms\n",
    );
    project.file("bench.toml", WORSE);
    let arguments = ["--bench", "bench.toml", "--out", "run", "--step-deadline", "4s"];
    let more = ["--retries", "1", "--bench-retries", "0"];
    let outcome = project.hil(&[&["run"], &arguments[..], &more].concat());
    assert_snapshot("retries-own-error", &outcome.stable());
    assert_snapshot("retries-own-error-report", &project.hil(&["report", "run"]).stable());
    let summary = project.read("run/summary.md");
    for attempt in ["attempt 1 of 2:", "attempt 2 of 2:", "did not show", "the step deadline passed"] {
        assert_eq!(summary.matches(attempt).count(), 1, "{attempt}: {summary}");
    }
    let xml = project.read("run/junit.xml");
    let of = |element: &str| {
        let (_, rest) = xml.split_once(&format!("<{element} ")).unwrap_or_else(|| panic!("no {element}: {xml}"));
        rest.split_once("type=").map_or("", |(message, _)| message).to_owned()
    };
    assert!(of("failure").contains("did not show") && of("rerunError").contains("the step deadline passed"), "{xml}");
}

#[test]
fn a_tag_without_a_number_is_found_before_anything_runs() {
    let project = Project::with_feature(&FEATURE.replace("@retry(2)", "@retry(two)"));
    project.file("bench.toml", BENCH);
    let outcome = project.hil(&["run", "--bench", "bench.toml"]);
    assert_snapshot("retries-misspelt", &outcome.stable());
}
