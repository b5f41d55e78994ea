//! `hil fleet` with labgrid's own coordinator, exporters and client on loopback.

#[path = "../../../labgrid/tests/support/mod.rs"]
#[expect(dead_code, reason = "only the tests of the client let the coordinator forget places")]
pub(crate) mod lab;

use lab::Lab;

use crate::support::{Outcome, Project, assert_snapshot};

/// Two boards with hardware, of which none is plugged in, and one that every host can simulate.
const BENCH: &str = r#"name = "rack-3"
[boards.lamp]
kind = "esp"
chip = "esp32c3"
port = { usb-serial = "NOT-THERE-1" }
tags = ["wifi", "5-ghz"]

[boards.plug]
kind = "esp"
chip = "esp32"
port = { usb-serial = "NOT-THERE-2" }

[boards.simulated]
kind = "virtual"
"#;

fn project() -> Project {
    let project = Project::new();
    project.file("bench.toml", BENCH);
    project
}

/// `hil` without what the environment of the tests may say about labs.
fn hil(project: &Project, lab: Option<&Lab>, arguments: &[&str]) -> Outcome {
    let mut command = project.command(arguments);
    command.env_remove("LG_COORDINATOR").env_remove("HIL_PROJECT");
    if let Some(lab) = lab {
        command.env("LG_COORDINATOR", lab.address());
    }
    command.output().expect("hil runs").into()
}

#[test]
fn without_a_coordinator_nothing_is_asked() {
    let project = project();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let closed = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let cases: [&[&str]; 5] = [
        &["fleet"],
        &["fleet", "--coordinator", "http://lab"],
        &["fleet", "publish", "--coordinator", &closed],
        &["fleet", "publish", "--coordinator", &closed, "--bench", "builtin"],
        &["run", "--fleet"],
    ];
    let outcomes = cases.map(|arguments| hil(&project, None, arguments));
    assert!(outcomes.iter().all(|outcome| outcome.code == 96), "{outcomes:?}");
    assert!(!project.path("target").exists(), "a run that can't begin leaves no folder");
    assert_snapshot("fleet-without-coordinator", &outcomes.map(|outcome| outcome.stable()).join("\n"));
    project.file("hil.toml", "[fleet]\nengine = \"labgird\"\n");
    assert_snapshot("fleet-wrong-project", &hil(&project, None, &["fleet"]).stable());
    project.file("hil.toml", "[fleet]\nengine = \"labgrid\"\n");
    assert_snapshot("fleet-without-boards", &hil(&project, None, &["run", "--fleet"]).stable());
}

#[test]
fn boards_are_published_listed_and_released() {
    let Some(mut lab) = Lab::start() else { return };
    let project = project();
    project.file("hil.toml", &format!("[fleet]\nengine = \"labgrid\"\ncoordinator = \"{}\"\n", lab.address()));
    let mut shown = vec![hil(&project, None, &["fleet"]).stable()];
    let mut say = |arguments: &[&str]| {
        let outcome = hil(&project, None, arguments);
        shown.push(format!("$ hil {}\n{}", arguments.join(" "), outcome.stable()));
        outcome
    };
    say(&["fleet", "publish", "--host", "pi-a"]);
    let config = say(&["fleet", "publish", "--host", "pi-a", "--exporter-config", "--user", "pi"]);
    lab.start_exporter("pi-a", &config.stdout);
    // It is ready before it has said all that it exports.
    while lab.client(&["resources"]).lines().count() < 2 {}
    say(&["fleet", "publish", "--host", "pi-a"]);
    lab.client(&["-p", "pi-a-lamp", "acquire"]);
    say(&["fleet"]);
    say(&["fleet", "release", "--stale"]);
    say(&["fleet", "release", "--run", "20261127T190000Z-1"]);
    lab.client(&["-p", "pi-a-lamp", "release"]);
    assert_snapshot("fleet-published", &shown.join("\n"));
    let json = hil(&project, None, &["fleet", "--format", "json"]);
    let places: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(places["places"][0]["host"], "pi@pi-a");
    assert!(places["places"][0]["problem"].is_null(), "{json:?}");
}

/// A run that was killed: labgrid keeps its place, `hil fleet` shows it, and `release` frees it.
#[test]
fn what_an_ended_run_has_is_shown_and_released() {
    let Some(mut lab) = Lab::start() else { return };
    let project = project();
    hil(&project, Some(&lab), &["fleet", "publish", "--host", "pi-a"]);
    let config = hil(&project, None, &["fleet", "publish", "--host", "pi-a", "--exporter-config", "--user", "pi"]);
    lab.start_exporter("pi-a", &config.stdout);
    while lab.client(&["resources"]).lines().count() < 2 {}
    // Its session has the name that `hil` gives to runs, and ends with this process.
    lab.client_as("ci-7", "hil-20261127T190000Z-1", &["-p", "pi-a-lamp", "acquire"]);
    let listed = hil(&project, Some(&lab), &["fleet"]);
    assert!(listed.stdout.contains("run 20261127T190000Z-1, which has ended"), "{listed:?}");
    let unknown = hil(&project, Some(&lab), &["fleet", "release", "--run", "other"]);
    let released = hil(&project, Some(&lab), &["fleet", "release", "--stale"]);
    let again = hil(&project, Some(&lab), &["fleet", "release", "--stale"]);
    let shown = [listed, unknown, released, again].map(|outcome| outcome.stable());
    assert_snapshot("fleet-stale", &shown.join("\n"));
    assert!(lab.client(&["-p", "pi-a-lamp", "show"]).contains("acquired: None"));
}
