//! What keeps the access point of a bench from running; that it runs is a test in a kernel with simulated radios.

use crate::support::{Outcome, Project, assert_snapshot};

const BENCH: &str = r#"
[wifi]
ssid = "lab"
password = "${secret:HIL_TEST_PASSWORD}"
[access-point]
driver = "hostapd"
interface = "no-such-radio"
hostapd = "hostapd"
[boards.client]
kind = "process"
[boards.lamp]
kind = "virtual"
[firmware.client]
kind = "process"
command = ["sh", "-c", "echo started; sleep 100"]
ready = "started"
"#;

const FEATURE: &str = r#"Feature: f
  Scenario: s
    Given the board "client" runs the firmware "client"
    When the access point goes away
    Then the console of "client" shows "lost" within 1 s
"#;

fn run(bench: &str, feature: &str, arguments: &[&str], password: Option<&str>) -> Outcome {
    let project = Project::with_feature(feature);
    project.file("bench.toml", bench);
    project.file("hostapd", "#!/bin/sh\necho started >> was-started\n");
    let mut command = project.command(arguments);
    command.env("HIL_BENCH", "bench.toml").env_remove("HIL_TEST_PASSWORD");
    if let Some(password) = password {
        command.env("HIL_TEST_PASSWORD", password);
    }
    let outcome: Outcome = command.output().expect("hil runs").into();
    assert!(!project.path("was-started").exists(), "hostapd was started");
    outcome
}

#[test]
fn an_interface_that_is_not_there_is_found_before_a_board_has_power() {
    let outcome = run(BENCH, FEATURE, &["run"], Some("a good password"));
    assert_eq!(outcome.code, 96, "{outcome:?}");
    assert_snapshot("no-radio", &outcome.stable());
}

#[test]
fn a_password_that_is_not_set_stops_only_runs_on_air() {
    let outcome = run(BENCH, FEATURE, &["run"], None);
    assert_eq!(outcome.code, 96, "{outcome:?}");
    assert_snapshot("no-wifi-password", &outcome.stable());
    // It gets as far as its step, which has no board.
    let without_boards = "Feature: f\n  Scenario: s\n    Then nothing is retained on \"t\"\n";
    let outcome = run(BENCH, without_boards, &["run"], None);
    assert_eq!(outcome.code, 102, "{outcome:?}");
    assert!(outcome.stdout.contains("no board has been connected"), "{outcome:?}");
}

#[test]
fn the_doctor_names_what_the_access_point_lacks() {
    let outcome = run(BENCH, FEATURE, &["doctor"], Some("a good password"));
    assert_eq!(outcome.code, 96, "{outcome:?}");
    let shown = format!("{outcome:?}");
    assert!(shown.contains("there is no Wi-Fi interface `no-such-radio` on this machine"), "{shown}");
    assert!(shown.contains("interface no-such-radio") && shown.contains("rights for the radio"), "{shown}");
}

#[test]
fn without_an_access_point_its_steps_are_refused() {
    let bench = BENCH
        .replace("[access-point]\ndriver = \"hostapd\"\ninterface = \"no-such-radio\"\nhostapd = \"hostapd\"\n", "");
    let outcome = run(&bench, FEATURE, &["run"], Some("a good password"));
    assert_eq!(outcome.code, 96, "{outcome:?}");
    assert_snapshot("no-access-point", &outcome.stable());
}

/// A native app does not notice its network: no step may pretend that it has lost it.
#[test]
fn a_native_app_has_no_access_point() {
    let feature = "Feature: f\n  Scenario: s\n    Given the board \"lamp-native\" runs the firmware \"lamp-native\"\n    When the access point goes away\n    Then \"lamp-native\" does not reboot for 100 ms\n";
    let project = Project::with_feature(feature);
    let outcome = project.hil(&["run", "--bench-retries", "0"]);
    assert_eq!(outcome.code, 102, "{outcome:?}");
    assert_snapshot("native-access-point", &outcome.stable());
}
