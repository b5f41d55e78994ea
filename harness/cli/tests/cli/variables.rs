//! Environment variables in the programs of a bench file.

use crate::support::{Outcome, Project, assert_snapshot};

/// Rail and reset are files that programs write; their folder, the board's port and a word are variables.
const BENCH: &str = r#"
[tap]
address = "127.0.0.1"
[boards.lamp]
kind = "esp"
chip = "esp32c3"
port = { path = "${LAB}/no-such-port" }
reset = { strategy = "command", hold = ["${LAB}/reset", "hold"], run = ["${LAB}/reset", "run"], loader = ["true"] }
[[boards.lamp.rails]]
driver = "command"
on = ["${LAB}/relay", "on", "${RELAY:-first relay}"]
off = ["${LAB}/relay", "off", "$1"]
[boards.other]
kind = "virtual"
firmware = "lamp"
[firmware.lamp]
image = "builtin:lamp"
"#;

fn hil(project: &Project, arguments: &[&str], lab: Option<&str>) -> Outcome {
    let mut command = project.command(arguments);
    command.env("HIL_LOCKS", project.path("locks")).env("HIL_BENCH", "bench.toml").env_remove("LAB");
    lab.map(|lab| command.env("LAB", lab));
    command.output().expect("hil runs").into()
}

#[test]
fn programs_of_rails_and_ports_have_variables() {
    use std::os::unix::fs::PermissionsExt as _;
    let project = Project::new();
    project.file("bench.toml", BENCH);
    project.file("lab/relay", "#!/bin/sh\necho \"$1 $2\" >> \"${0%relay}log\"\n");
    std::fs::set_permissions(project.path("lab/relay"), std::fs::Permissions::from_mode(0o755)).expect("executable");
    let lab = project.path("lab").display().to_string();
    for words in [&["power", "lamp", "on", "--detach"][..], &["power", "lamp", "off"]] {
        let switched = hil(&project, words, Some(&lab));
        assert_eq!(switched.code, 0, "{switched:?}");
    }
    let log = project.read("lab/log");
    assert!(log.contains("on first relay\n") && log.contains("off $1\n"), "a shell's variable stays: {log}");
    let boards = hil(&project, &["boards"], Some(&lab));
    assert!(boards.stdout.contains(&format!("(path `{lab}/no-such-port`)")), "{boards:?}");
}

#[test]
fn an_unset_variable_of_a_program_stops_only_its_board() {
    let project = Project::new();
    project.file("bench.toml", BENCH);
    let stopped = hil(&project, &["power", "lamp", "off"], None);
    assert_eq!(stopped.code, 96, "{stopped:?}");
    assert_snapshot("variables-unset", &stopped.stable());
    project.file(
        "features/other.feature",
        "Feature: f\n  Scenario: s\n    Given the board \"other\" runs the firmware \"lamp\"\n    Then \"other\" does not reboot for 1 ms\n",
    );
    let other = hil(&project, &["run"], None);
    assert_eq!(other.code, 0, "{other:?}");
}
