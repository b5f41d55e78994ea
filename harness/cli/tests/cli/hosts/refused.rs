//! What can't run is refused before any board has power, and every message names its host.

use std::process::Stdio;

use super::fleet::Fleet;
use crate::support::{Outcome, Printed, Project, assert_snapshot};

const FEATURE: &str = r#"Feature: f
  Scenario: connects
    Given the board "lamp" runs the firmware "lamp"
    Then "lamp" connects within 5 s
"#;

/// A head without any host, and what it says about these.
fn said(project: &Project, hosts: &str) -> String {
    let outcome = project.hil(&["run", "--hosts", hosts, "--out", "never"]);
    assert!(!project.path("never").exists(), "a run that can't start leaves no folder behind");
    format!("--hosts '{hosts}'\nexit code {}\n{}\n", outcome.code, outcome.stderr)
}

#[test]
fn a_host_that_can_not_take_part_is_named() {
    let project = Project::with_feature(FEATURE);
    let hello =
        |protocol: u32, version: &str| format!(r#"{{"hello":{{"protocol":{protocol},"version":"{version}"}}}}"#);
    project.file("older", &format!("echo '{}'; cat", hello(1, "0.0.9")));
    project.file("newer", &format!("echo '{}'; cat", hello(99, "7.0.0")));
    project.file("banner", "echo 'Welcome to pi-a!'; cat");
    project.file("denied", "echo 'me@pi-a: Permission denied (publickey).' >&2; exit 255");
    project.file("gone", &format!("echo '{}'; exit 3", hello(1, env!("CARGO_PKG_VERSION"))));
    let mut text = String::new();
    for hosts in [
        "pi-a,pi-a",
        "-oProxyCommand=x",
        "pi a",
        "pi-a=",
        "pi-a=no-such-program",
        "pi-a=sh denied",
        "pi-a=sh banner",
        "pi-a=sh older",
        "pi-a=sh newer",
        "pi-a=sh gone",
    ] {
        text.push_str(&said(&project, hosts));
    }
    assert_snapshot("hosts-refused", &text);
}

/// The bench of a host is wrong, or does not have what scenarios name.
#[test]
fn what_a_bench_lacks_is_reported_with_its_host() {
    let project = Project::new();
    project.file(
        "features/one.feature",
        r#"Feature: f
  Scenario: no such board
    Given the board "lamb" runs the firmware "lamp"
    Then "lamb" connects within 5 s

  Scenario: no such firmware
    Given the board "lamp" runs the firmware "lump"
    Then "lamp" connects within 5 s
"#,
    );
    project.file("wrong.toml", "[boards.lamp]\nkind = \"virtuel\"\n");
    let agent = |bench: &str| {
        let (hil, home) = (env!("CARGO_BIN_EXE_hil"), project.path("home").display().to_string());
        format!("pi-a=env HOME={home} {hil} agent --stdio --bench {bench}")
    };
    let run = |bench: &str| {
        let outcome = project.hil(&["run", "--hosts", &agent(bench)]);
        format!("on {bench}, exit code {}\n{}\n", outcome.code, outcome.stderr)
    };
    let without = {
        let (hil, home) = (env!("CARGO_BIN_EXE_hil"), project.path("home").display().to_string());
        let hosts = format!("pi-a=env -C {home} -u HIL_BENCH HOME={home} {hil} agent --stdio");
        std::fs::create_dir_all(&home).expect("home");
        let outcome = project.hil(&["run", "--hosts", &hosts]);
        format!("without a bench, exit code {}\n{}\n", outcome.code, outcome.stderr)
    };
    let text =
        (run("builtin") + &run("wrong.toml") + &without).replace(&project.path("").display().to_string(), "/home/pi/");
    assert_snapshot("hosts-bench-refused", &text);
    let above = Project::new();
    above.file("features/one.feature", FEATURE);
    above.file("sub/empty", "");
    let hosts = agent("builtin");
    let mut command = above.command(&["run", "../features", "--hosts", &hosts]);
    let outcome: Outcome = command.current_dir(above.path("sub")).output().expect("hil").into();
    assert_eq!(outcome.code, 96, "{outcome:?}");
    assert_snapshot("hosts-outside-refused", &outcome.stderr);
}

/// What stands before a subcommand is not its own: it would look at the boards of this machine instead.
#[test]
fn options_before_a_subcommand_are_refused() {
    let project = Project::new();
    let given: [&[&str]; 3] = [
        &["boards", "--hosts", "pi-a", "discover", "--probe"],
        &["fleet", "--coordinator", "lab", "publish"],
        &["fleet", "--format", "json", "release", "--stale"],
    ];
    for arguments in given {
        let outcome = project.hil(arguments);
        assert_eq!(outcome.code, 96, "{arguments:?}: {outcome:?}");
        assert!(outcome.stderr.contains("cannot be used with"), "{arguments:?}: {outcome:?}");
    }
}

/// With `--no-wait` a busy bench is an error; otherwise the head says what it waits for.
#[test]
fn a_busy_board_is_waited_for_or_refused() {
    let fleet = Fleet::new(FEATURE, &["pi-a"]);
    let mut holder = fleet.project.command(&["power", "lamp", "on"]);
    holder.envs(fleet.host("pi-a").environment());
    let mut holder = holder.stdout(Stdio::piped()).spawn().expect("hil");
    Printed::by(&mut holder).wait_for(&["`lamp` is on"]);
    let refused = fleet.hil(&["--no-wait", "--out", "refused"]);
    assert_eq!(refused.code, 96, "{refused:?}");
    assert!(refused.stderr.contains("host `pi-a`: ") && refused.stderr.contains("in use"), "{refused:?}");
    assert_eq!(fleet.host("pi-a").tell(&fleet.project, &["state", "lamp"]), "on", "the holder keeps it");
    let mut waiting = fleet.run(&["--out", "run"]);
    let mut waiting = waiting.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("hil");
    // Standard error, read as the other tests read standard output.
    let stderr = waiting.stderr.take().expect("piped");
    let first = std::io::BufRead::lines(std::io::BufReader::new(stderr)).map_while(Result::ok);
    let line = first.into_iter().find(|line| line.contains("waiting for board `lamp`")).expect("it says so");
    assert!(line.contains("of host `pi-a`") && line.contains("hil power lamp on"), "{line}");
    rustix::process::kill_process(rustix::process::Pid::from_child(&holder), rustix::process::Signal::INT)
        .expect("it runs");
    holder.wait().expect("ends");
    assert_eq!(waiting.wait().expect("ends").code(), Some(0));
    fleet.wait_until_safe("after the wait");
}
