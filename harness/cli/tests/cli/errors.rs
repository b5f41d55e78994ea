//! Errors before a run starts: a clear message, exit code 96, no run folder.

use std::net::TcpListener;

use crate::support::{Outcome, Project, assert_snapshot};

const GOOD: &str = r#"Feature: f
  Scenario: s
    Given the board "lamp" runs the firmware "lamp"
    Then "lamp" connects within 10 s
"#;

fn refused(name: &str, project: &Project, arguments: &[&str]) {
    let outcome = project.hil(arguments);
    assert_eq!(outcome.code, 96, "{outcome:?}");
    assert!(!project.path("target").exists(), "a run that can't begin leaves no folder");
    assert_snapshot(name, &outcome.stable());
}

#[test]
fn undefined_steps_are_found_before_any_board_is_powered() {
    let project = Project::with_feature(
        r#"Feature: f
  Scenario: s
    Given the board "lamp" runs the firmware "lamp"
    When I publsh "on" to "sooko/lampu"
    Then "lamp" publishes "saya hidup" on "loger" within 2 s
    And something else entirely
"#,
    );
    refused("undefined-step", &project, &["run"]);
}

#[test]
fn a_scenario_without_a_then_is_refused() {
    let project = Project::with_feature(
        "Feature: f\n  Scenario: s\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    When the broker stops\n",
    );
    refused("no-then", &project, &["run"]);
}

#[test]
fn what_gherkin_or_a_step_would_ignore_is_refused() {
    let steps =
        |steps: &str| format!("Feature: f\n  Scenario: s\n    {steps}\n    Then \"lamp\" connects within 1 s\n");
    let cases = [
        ("swallowed-step", steps("Gven the board \"lamp\" runs the firmware \"lamp\"")),
        ("swallowed-scenario", "Feature: f\n\n  Scenaro: s\n    Given \"lamp\" is connected\n".to_owned()),
        ("ignored-table", steps("Given \"lamp\" is connected\n      | keep alive | 60 s |")),
        ("missing-table", steps("Then \"lamp\" publishes to \"loger\" in this order within 1 s:")),
        ("ignored-docstring", steps("When I publish \"on\" to \"x\"\n      \"\"\"\n      off\n      \"\"\"")),
        ("zero-time", steps("Then \"lamp\" does not reboot for 0 ms")),
        ("too-long", steps("Then \"lamp\" does not reboot for 100000 s")),
        ("wrong-regex", steps("Then \"lamp\" publishes \"/(/\" to \"loger\" within 1 s")),
        ("wrong-qos", steps("When I publish \"x\" to \"y\" with QoS 3")),
    ];
    for (name, feature) in cases {
        refused(name, &Project::with_feature(&feature), &["run"]);
    }
}

/// A step that can never hold is an error of the feature, found before a board has power.
#[test]
fn impossible_steps_are_refused_before_any_board_is_powered() {
    let cases = [
        ("unknown-board", "Given the board \"lmap\" runs the firmware \"lamp\""),
        ("unknown-firmware", "Given the board \"lamp\" runs the firmware \"lmap\""),
        ("unknown-pin", "Then the pin \"lde\" of \"lamp\" is on within 1 s"),
        ("unknown-field", "Then \"lamp\" connects within 5 s with:\n      | colour | red |"),
        ("wildcard-topic", "When I publish \"x\" to \"sooko/#\""),
        ("impossible-filter", "Then \"lamp\" receives nothing on \"t#\" for 500 ms"),
        ("empty-text", "Then the console of \"lamp\" shows \"\" within 1 s"),
        ("too-few-attempts", "Then \"lamp\" tries to connect 1 times with growing pauses within 1 s"),
        ("broker-cannot", "When the broker crashes"),
    ];
    for (name, steps) in cases {
        let feature = format!("Feature: f\n  Scenario: s\n    {steps}\n    Then \"lamp\" connects within 1 s\n");
        refused(name, &Project::with_feature(&feature), &["run"]);
    }
}

#[test]
fn lint_checks_against_a_named_bench() {
    let feature = "Feature: f\n  Scenario: s\n    Given the board \"kettle\" runs the firmware \"lamp\"\n    Then \"kettle\" connects within 1 s\n\n  @requires:kettle\n  Scenario: t\n    Given the board \"kettle\" runs the firmware \"tea\"\n    Then \"kettle\" connects within 1 s\n";
    let project = Project::with_feature(feature);
    let outcome = project.hil(&["lint"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (0, "2 scenarios, no errors\n"), "for a bench elsewhere");
    project.file("bench.toml", "[boards.lamp]\nkind = \"virtual\"\n[firmware.lamp]\nimage = \"builtin:lamp\"\n");
    refused("lint-bench", &project, &["lint", "--bench", "bench.toml"]);
    let by_environment = project.command(&["lint"]).env("HIL_BENCH", "bench.toml").output().expect("hil runs");
    assert_eq!(Outcome::from(by_environment).code, 96);
    let kettle = "[boards.kettle]\nkind = \"virtual\"\n[firmware.lamp]\nimage = \"builtin:lamp\"\n[firmware.tea]\nimage = \"builtin:lamp\"\n";
    project.file("bench.toml", kettle);
    let outcome = project.hil(&["lint", "--bench", "bench.toml"]);
    let said = "2 scenarios, no errors on the bench `bench.toml`\n";
    assert_eq!((outcome.code, outcome.stdout.as_str()), (0, said), "{outcome:?}");
}

#[test]
fn a_line_selects_a_scenario_even_after_a_byte_order_mark() {
    let project =
        Project::with_feature(&format!("\u{feff}{GOOD}\n  Scenario: t\n    Then \"lamp\" connects within 1 s\n"));
    let listed = project.hil(&["run", "--list", "features/one.feature:6"]);
    assert_eq!(listed.stdout, "features/one.feature:6  t\n", "{listed:?}");
}

#[test]
fn opt_in_scenarios_run_only_if_their_tag_is_selected() {
    let project = Project::with_feature(&format!("@slow @opt-in\n{GOOD}"));
    for (filter, count) in [("not @fast", 0), ("@slow", 1), ("@slow or @fast", 1), ("not @slow or not @fast", 0)] {
        let outcome = project.hil(&["run", "--list", "--tags", filter]);
        assert_eq!(outcome.stdout.lines().count(), count, "{filter}: {outcome:?}");
    }
}

#[test]
fn broken_gherkin_is_shown_with_its_line() {
    let project =
        Project::with_feature("Feature: f\n  Scenario: s\n    Given \"lamp\" is connected\n    Whenever it rains\n");
    refused("broken-gherkin", &project, &["run"]);
}

#[test]
fn an_examples_table_without_the_column_is_shown() {
    let project = Project::with_feature(
        "Feature: f\n  Scenario Outline: s\n    Then \"<board>\" connects within 1 s\n\n    Examples:\n      | baord |\n      | lamp  |\n",
    );
    refused("missing-column", &project, &["run"]);
}

#[test]
fn a_wrong_bench_file_is_shown_with_its_line() {
    let project = Project::with_feature(GOOD);
    project.file("bench.toml", "[boards.lamp]\nkind = \"virtual\"\ntagz = []\ntap-port = \"1884\"\n");
    refused("wrong-bench", &project, &["run", "--bench", "bench.toml"]);
}

#[test]
fn missing_files_are_named() {
    let project = Project::with_feature(GOOD);
    refused("missing-bench", &project, &["run", "--bench", "nowhere.toml"]);
    refused("missing-feature", &project, &["run", "features/nowhere.feature"]);
    refused("missing-features", &Project::new(), &["run"]);
}

#[test]
fn a_taken_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = taken.local_addr().expect("address").port();
    let project = Project::with_feature(GOOD);
    let firmware = "[firmware.lamp]\nimage = \"builtin:lamp\"\n";
    project.file("tap.toml", &format!("[boards.lamp]\nkind = \"virtual\"\ntap-port = {port}\n{firmware}"));
    refused("taken-tap-port", &project, &["run", "--bench", "tap.toml"]);
    let broker = format!("[broker]\nlisten = \"127.0.0.1:{port}\"\n");
    project.file("broker.toml", &format!("{broker}[boards.lamp]\nkind = \"virtual\"\n{firmware}"));
    refused("taken-broker-port", &project, &["run", "--bench", "broker.toml"]);
}

#[test]
fn wrong_arguments_are_explained() {
    let project = Project::with_feature(GOOD);
    refused("unknown-flag", &project, &["run", "--tag", "x"]);
    refused("wrong-tags", &project, &["run", "--tags", "@a and"]);
    refused("wrong-name", &project, &["run", "--name", "("]);
    refused("wrong-duration", &project, &["run", "--deadline", "5"]);
    refused("flash-unknown-board", &project, &["flash", "lmap"]);
    refused("report-nowhere", &project, &["report", "nowhere"]);
}

#[test]
fn a_run_folder_is_never_overwritten() {
    let project = Project::with_feature(GOOD);
    project.file("out/events.jsonl", "an earlier run\n");
    refused("taken-folder", &project, &["run", "--out", "out"]);
    assert_eq!(project.read("out/events.jsonl"), "an earlier run\n");
}

#[test]
fn help_is_what_it_was() {
    let project = Project::new();
    for command in [
        "",
        "init",
        "run",
        "flash",
        "boards",
        "doctor",
        "monitor",
        "power",
        "reset",
        "virtual",
        "steps",
        "lint",
        "report",
        "completions",
    ] {
        let arguments: Vec<_> = [command, "--help"].into_iter().filter(|word| !word.is_empty()).collect();
        let outcome = project.hil(&arguments);
        assert_eq!(outcome.code, 0);
        assert_snapshot(&format!("help-{}", if command.is_empty() { "hil" } else { command }), &outcome.stdout);
    }
}

#[test]
fn steps_and_completions_are_printed() {
    let project = Project::new();
    assert_snapshot("steps", &project.hil(&["steps"]).stdout);
    let json: serde_json::Value =
        serde_json::from_str(&project.hil(&["steps", "--format", "json"]).stdout).expect("JSON");
    assert!(json.as_array().is_some_and(|steps| steps.len() > 30));
    for shell in ["bash", "zsh", "fish"] {
        assert!(project.hil(&["completions", shell]).stdout.contains("hil"), "{shell}");
    }
}

#[test]
fn lint_checks_without_running() {
    let project = Project::with_feature(GOOD);
    let outcome = project.hil(&["lint"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (0, "1 scenario, no errors\n"));
    project.file("features/two.feature", "@opt-in\nFeature: g\n  Scenario: t\n    Then nonsense\n");
    assert_eq!(project.hil(&["lint"]).code, 96);
    assert_eq!(project.hil(&["run", "--list"]).code, 0, "what does not run is not checked");
}

#[test]
fn a_program_has_no_power_to_switch_and_a_missing_one_is_reported() {
    let project = Project::new();
    let bench = "[boards.pi]\nkind = \"process\"\n[firmware.app]\nkind = \"process\"\ncommand = [\"sh\", \"-c\", \"read x\"]\n[firmware.gone]\nkind = \"process\"\ncommand = [\"progs/nowhere\"]\n[firmware.unknown]\nkind = \"process\"\ncommand = [\"no-such-program-of-hil\"]\n";
    project.file("bench.toml", bench);
    let mut text = String::new();
    for words in [&["power", "pi", "on"][..], &["reset", "pi"], &["monitor", "pi"]] {
        let outcome = project.hil(&[words, &["--bench", "bench.toml"]].concat());
        text.push_str(&format!("{words:?}\n{}", outcome.stable()));
    }
    let doctor = project.hil(&["doctor", "--bench", "bench.toml"]);
    assert_eq!(doctor.code, 96);
    let firmware = doctor.stdout.lines().skip_while(|line| !line.contains("firmware"));
    text.extend(firmware.map(|line| format!("{line}\n")));
    assert_snapshot("program-by-hand", &text);
}

#[test]
fn completions_survive_a_closed_pipe() {
    let project = Project::new();
    let mut command = project.command(&["completions", "bash"]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("open");
    let outcome: Outcome = command.stdout(full).output().expect("hil").into();
    assert!(!outcome.stderr.contains("panicked"), "{outcome:?}");
}

/// A variable that is not set stops what needs it, and nothing else.
#[test]
fn an_unset_secret_stops_only_what_needs_it() {
    if !crate::support::has_mosquitto() {
        return;
    }
    let project = Project::new();
    project.file(
        "bench.toml",
        r#"[broker]
kind = "mosquitto"
users = { harness = "${secret:HIL_TEST_BROKER}", lamp = "wonderland" }

[boards.lamp]
kind = "virtual"

[boards.plugged]
kind = "esp"
chip = "esp32c3"
port = { path = "/dev/nowhere" }

[[boards.plugged.rails]]
driver = "tasmota"
broker = "127.0.0.1:1"
topic = "plug"
user = "plug"
password = "${secret:HIL_TEST_PLUG}"

[firmware.lamp]
image = "builtin:lamp"
nvs = { "mqtt.host" = "{tap.host}", "mqtt.port" = "{tap.port}", "mqtt.user" = "lamp", "mqtt.password" = "wonderland" }
ready = "mqtt: starting"

[firmware.wifi]
image = "builtin:lamp"
nvs = { "mqtt.host" = "{tap.host}", "mqtt.port" = "{tap.port}", "wifi.password" = "${secret:HIL_TEST_WIFI}" }
"#,
    );
    let feature = |firmware: &str| {
        format!(
            "Feature: f\n  Scenario: s\n    Given the board \"lamp\" runs the firmware \"{firmware}\"\n    Then \"lamp\" connects within 5 s\n"
        )
    };
    project.file("features/lamp.feature", &feature("lamp"));
    project.file("features/wifi.feature", &feature("wifi"));
    project.file("features/password.feature", "Feature: f\n  Scenario: s\n    Given the broker requires the user \"a\" with the password \"${secret:HIL_TEST_STEP}\"\n    Then nothing is retained on \"t\"\n");
    let hil = |arguments: &[&str], set: bool| -> crate::support::Outcome {
        let mut command = project.command(&[arguments, &["--bench", "bench.toml"]].concat());
        if set {
            command.env("HIL_TEST_BROKER", "looking-glass");
        }
        command.output().expect("hil runs").into()
    };
    for needs_none in [&["boards"][..], &["lint"]] {
        let outcome = hil(needs_none, false);
        assert_eq!(outcome.code, 0, "{outcome:?}");
    }
    let lamp = hil(&["run", "features/lamp.feature", "--out", "out"], true);
    assert_eq!(lamp.code, 0, "{lamp:?}");
    let stops = [
        hil(&["run", "features/lamp.feature"], false),
        hil(&["run", "features/wifi.feature"], true),
        hil(&["run", "features/password.feature"], true),
        hil(&["flash", "lamp", "--firmware", "wifi"], true),
        hil(&["power", "plugged", "on"], true),
    ];
    assert!(stops.iter().all(|outcome| outcome.code == 96), "{stops:?}");
    let shown: Vec<_> = stops.iter().map(|outcome| outcome.stderr.trim_end()).collect();
    assert_snapshot("unset-secrets", &shown.join("\n---\n"));
    // CI servers set a secret that they don't have to an empty text.
    let empty =
        project.command(&["boards", "--bench", "bench.toml"]).env("HIL_TEST_WIFI", "").output().expect("hil runs");
    assert!(empty.status.success(), "{empty:?}");
    let doctor = hil(&["doctor"], true);
    assert!(doctor.stdout.contains("HIL_TEST_WIFI") && doctor.stdout.contains("HIL_TEST_PLUG"), "{}", doctor.stdout);
}
