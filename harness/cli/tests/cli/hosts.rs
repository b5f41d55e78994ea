//! Runs on several hosts: agents on pipes and behind real ssh servers, each with boards in a program of its own.

mod ends;
mod fleet;
mod kills;
mod lab;
mod listen;
mod refused;
mod ssh;
mod suspects;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use hil_timeline::{RunEvent, Verdict, What, read_events};

use self::fleet::{Fleet, outline};
use crate::support::{Outcome, Project};

/// Passes, fails, is skipped, and fails for a reason of the bench.
const MIXED: &str = r#"Feature: mixed
  Scenario: passes
    Given the board "lamp" runs the firmware "lamp"
    Then "lamp" connects within 5 s

  Scenario: fails
    Given the board "lamp-2" runs the firmware "lamp"
    Then "lamp-2" publishes "never" to "nowhere" within 200 ms

  @requires:nothing-has-this
  Scenario: is skipped
    Given the board "lamp" runs the firmware "lamp"
    Then "lamp" connects within 5 s

  Scenario: needs two boards
    Given the board "lamp" runs the firmware "lamp"
    And the board "lamp-2" runs the firmware "lamp"
    Then "lamp" connects within 5 s
    And "lamp-2" connects within 5 s

  Scenario: needs no board
    When I publish "on" to "x"
    Then a subscriber to "x" receives "on" within 1 s
"#;

fn events(project: &Project, run: &str) -> Vec<RunEvent> {
    read_events(&project.path(run).join("events.jsonl")).expect("events")
}

/// The verdict of each scenario, by name.
fn verdicts(outcome: &Outcome) -> BTreeMap<String, String> {
    outcome.verdicts().into_iter().map(|(word, name)| (name, word)).collect()
}

/// The hosts on which scenarios began.
fn hosts_used(events: &[RunEvent]) -> BTreeSet<String> {
    let begun = events.iter().filter(|event| matches!(event.what, What::ScenarioStarted { .. }));
    begun.filter_map(|event| event.host.as_ref().map(ToString::to_string)).collect()
}

/// The record of a run on hosts is a record like any other.
fn check_record(events: &[RunEvent], scenarios: usize) {
    assert!(events.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq));
    let begun = events.iter().filter(|event| matches!(event.what, What::ScenarioStarted { .. }));
    let ids: BTreeSet<_> = begun.filter_map(|event| event.scenario).collect();
    assert_eq!(ids.len(), scenarios, "each has a number of its own");
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for event in events {
        let host = event.host.as_ref().map(ToString::to_string).unwrap_or_default();
        if event.scenario.is_some() {
            assert!(!host.is_empty(), "{event:?}");
            let before = last.insert(host, event.at.0).unwrap_or_default();
            assert!(before <= event.at.0, "the events of a host are in order: {event:?}");
        }
    }
}

#[test]
fn two_hosts_give_the_verdicts_of_one() {
    let fleet = Fleet::new(MIXED, &["pi-a", "pi-b"]);
    fleet.project.file("features/many.feature", &outline(8));
    let one = fleet.project.command(&["run", "--hosts", &fleet.piped()[0], "--out", "one"]).output();
    let one: Outcome = one.expect("hil runs").into();
    let two = fleet.hil(&["--out", "two"]);
    assert_eq!((one.code, two.code), (100, 100), "{one:?}\n{two:?}");
    assert_eq!(verdicts(&one), verdicts(&two));
    assert_eq!(verdicts(&two).len(), 13, "{two:?}");
    let recorded = events(&fleet.project, "two");
    check_record(&recorded, 13);
    assert_eq!(hosts_used(&recorded), BTreeSet::from(["pi-a".to_owned(), "pi-b".to_owned()]));
    assert!(two.stdout.contains("\nhost pi-a: ") && two.stdout.contains("\nhost pi-b: "), "{two:?}");
    fleet.wait_until_safe("after the run");
    check_folder(&fleet.project, "two");
    let compared = fleet.project.hil(&["compare", "one", "two"]);
    assert!(compared.stdout.contains("no regression"), "{compared:?}");
    // The hosts keep the reports of what was there.
    for host in &fleet.hosts {
        let runs = host.runs();
        let last = runs.last().expect("a run");
        let report = fleet.project.hil(&["report", &last.display().to_string()]);
        assert!([0, 100].contains(&report.code) && !report.verdicts().is_empty(), "{report:?}");
    }
}

/// Every command reads the folder.
fn check_folder(project: &Project, run: &str) {
    let again = project.hil(&["report", run]);
    assert_eq!(again.code, 100, "{again:?}");
    for file in ["junit.xml", "cucumber.json", "summary.md", "report.html", "traffic.pcapng"] {
        assert!(!project.read_bytes(&format!("{run}/{file}")).is_empty(), "{file}");
    }
    let junit = project.read(&format!("{run}/junit.xml"));
    assert_eq!(junit.matches("<testcase").count(), 13, "{junit}");
    assert!(junit.contains(r#"name="hil.host.pi-a""#) && junit.contains(r#"name="hil.board.pi-b/lamp""#), "{junit}");
    let summary = project.read(&format!("{run}/summary.md"));
    assert!(summary.contains("| pi-a/lamp |") && summary.contains("- host pi-b: "), "{summary}");
    for host in ["pi-a", "pi-b"] {
        let logs: Vec<_> = ["lamp", "lamp-2"].map(|board| format!("{run}/hosts/{host}/console-{board}.log")).into();
        assert!(logs.iter().any(|log| project.path(log).is_file()), "{logs:?}");
        assert!(!project.path(&format!("{run}/hosts/{host}/traffic.pcapng")).exists(), "it is in the whole");
    }
    check_capture(&project.path(&format!("{run}/traffic.pcapng")));
}

/// Wireshark shows whose packets they are.
#[expect(clippy::print_stderr, reason = "a skipped check says so")]
fn check_capture(capture: &Path) {
    let Some(tshark) = std::env::var_os("HIL_TSHARK") else {
        assert!(std::env::var_os("HIL_REQUIRE_PARTS").is_none(), "tshark is missing");
        eprintln!("skipped: tshark is not on this machine");
        return;
    };
    let mut command = std::process::Command::new(tshark);
    command.args(["-Y", "mqtt", "-T", "fields", "-e", "frame.interface_name", "-e", "mqtt.msgtype", "-r"]).arg(capture);
    let shown: Outcome = command.output().expect("tshark").into();
    let interfaces: BTreeSet<_> = shown.stdout.lines().filter_map(|line| line.split('\t').next()).collect();
    for interface in ["pi-a/lamp", "pi-b/lamp", "pi-a/lamp-broker", "pi-b/lamp-broker"] {
        assert!(interfaces.contains(interface), "{interfaces:?} {}", shown.stderr);
    }
}

/// The bench of a host has no image and no secret of the project.
#[test]
fn the_project_travels_and_its_files_only_once() {
    let feature = r#"Feature: the project's
  Scenario: its own image
    Given the board "lamp" runs the firmware "own"
    Then the console of "lamp" shows "boot" within 10 s

  Scenario: a composite step
    Given the lamp is up
    Then "lamp" connects within 5 s
"#;
    let fleet = Fleet::new(feature, &["pi-a"]);
    fleet
        .project
        .file("features/own.steps", "Step: the lamp is up\n  Given the board \"lamp\" runs the firmware \"lamp\"\n");
    // An image that no chip boots: its contents must arrive unchanged for that.
    let image: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::create_dir(fleet.project.path("build")).expect("folder");
    std::fs::write(fleet.project.path("build/table.bin"), &image).expect("write");
    fleet.project.file(
        "hil.toml",
        "[firmware.own]\nextends = \"base\"\nnvs = { \"mqtt.password\" = \"${secret:OF_THE_HEAD}\", \"mqtt.host\" = \"{tap.host}\" }\n\
         [firmware.base]\nimage = \"builtin:lamp\"\n[firmware.data]\nimage = { 0x200000 = \"build/table.bin\" }\n",
    );
    let run = |out: &str| -> Outcome {
        let mut command = fleet.run(&["--out", out, "-v"]);
        command.env("OF_THE_HEAD", "hunter22-of-the-head").output().expect("hil runs").into()
    };
    let first = run("first");
    assert_eq!(first.code, 0, "{first:?}");
    let objects = || {
        let folder = fleet.host("pi-a").folder.join("home/.cache/hil/agent/objects");
        let found = std::fs::read_dir(folder).expect("a cache").flatten();
        found.map(|entry| (entry.file_name(), entry.metadata().expect("there").len())).collect::<BTreeMap<_, _>>()
    };
    let kept = objects();
    assert_eq!(kept.len(), 2, "the feature and its steps; firmware that no scenario names stays here: {kept:?}");
    assert_eq!(run("second").code, 0);
    assert_eq!(objects(), kept);
    // The secret is in no file of the host, and in none of the head.
    let mut grep = std::process::Command::new("grep");
    grep.args(["-rl", "hunter22-of-the-head", "."]).current_dir(fleet.project.path(""));
    let found: Outcome = grep.output().expect("grep").into();
    assert_eq!(found.stdout, "");
}

/// Each kind of bad end has its own verdict and exit code, as on one host.
#[test]
fn options_of_a_run_work_on_hosts() {
    let fleet = Fleet::new(MIXED, &["pi-a", "pi-b"]);
    let stopped = fleet.hil(&["--fail-fast", "--shuffle=1", "--out", "stopped"]);
    assert_eq!(stopped.code, 100, "{stopped:?}");
    let retried = fleet.hil(&["--name", "fails", "--retries", "2", "--out", "retried"]);
    assert_eq!(retried.code, 100);
    assert_eq!(retried.stdout.matches("fails  (").count(), 3, "{retried:?}");
    let failed = fleet.hil(&["--last-failed=retried", "--repeat", "2", "--out", "again"]);
    let begun =
        events(&fleet.project, "again").iter().filter(|it| matches!(it.what, What::ScenarioStarted { .. })).count();
    assert_eq!((failed.code, begun), (100, 2), "{failed:?}");
    let on_board = fleet.hil(&["--board", "lamp-2", "--out", "boards"]);
    assert_eq!(verdicts(&on_board).len(), 2, "{on_board:?}");
    let parts: usize = ["1/2", "2/2"]
        .iter()
        .map(|part| fleet.hil(&["--shard", part, "--out", &part.replace('/', "-")]).verdicts().len())
        .sum();
    assert_eq!(parts, 5);
    let listed = fleet.hil(&["--list"]);
    assert_eq!((listed.code, listed.stdout.lines().count()), (0, 5), "{listed:?}");
}

/// Times within a scenario are those of its host, and the whole has a place for each host.
#[test]
fn clocks_are_measured_and_times_of_a_host_stay_exact() {
    let fleet = Fleet::new(&outline(6), &["pi-a", "pi-b"]);
    assert_eq!(fleet.hil(&["--out", "run"]).code, 0);
    let recorded = events(&fleet.project, "run");
    let clocks: Vec<_> = recorded
        .iter()
        .filter_map(|event| match event.what {
            What::Clock { offset_us, bound_us } => Some((event.host.clone().expect("a host"), offset_us, bound_us)),
            _ => None,
        })
        .collect();
    for host in &fleet.hosts {
        let (_, offset, bound) = clocks.iter().find(|(name, ..)| name.as_str() == host.name).expect("measured");
        assert!(*bound < 50_000, "{clocks:?}");
        let own = read_events(&host.runs()[0].join("events.jsonl")).expect("its own record");
        let finished = |events: &[RunEvent], of: Option<&str>| -> Vec<(u32, u64)> {
            let ended = events.iter().filter(|event| {
                matches!(event.what, What::ScenarioFinished { verdict: Verdict::Passed, .. })
                    && event.host.as_ref().map(hil_timeline::HostName::as_str) == of
            });
            ended.filter_map(|event| Some((event.scenario?.0, event.at.0))).collect()
        };
        let shift = u64::try_from(*offset).expect("a host begins after the head");
        let moved: Vec<_> = finished(&own, None).into_iter().map(|(id, at)| (id, at + shift)).collect();
        assert_eq!(moved, finished(&recorded, Some(host.name)));
        assert!(!moved.is_empty(), "both hosts ran something");
    }
}
