//! Steps about updates: what must fail, and what the bench file may not say. `features/update` has what passes,
//! `faulty.rs` what faulty firmware does.

use crate::support::{Outcome, Project, assert_snapshot, workspace};

/// A native lamp in one version, and others that it does not run.
const BENCH: &str = r#"[boards.lamp]
kind = "virtual"
connects-within = "1 s"

[firmware.app-1]
image = "builtin:lamp"
nvs = { "mqtt.host" = "{tap.host}", "mqtt.port" = "{tap.port}" }
ready = "mqtt: starting"

[firmware.app-2]
extends = "app-1"
image = "builtin:lamp-no-will"

[firmware.twin]
extends = "app-1"

[firmware.published]
extends = "app-2"
version-topic = "lamp/version"
"#;

fn run(steps: &[(&str, &str)]) -> Outcome {
    let mut text = "Feature: updates\n".to_owned();
    for (name, step) in steps {
        text.push_str(&format!(
            "  Scenario: {name}\n    Given the board \"lamp\" runs the firmware \"app-1\"\n    {step}\n"
        ));
    }
    let project = Project::with_feature(&text);
    project.file("bench.toml", BENCH);
    project.hil(&["run", "--bench", "bench.toml", "--bench-retries", "0"])
}

fn after_a_cut(step: &str) -> String {
    format!("When the power of \"lamp\" is cut\n    Then {step}")
}

/// The scenario is opt-in, since it takes two minutes; here it runs beside other tests.
#[test]
fn an_update_survives_twenty_power_cuts() {
    let (root, project) = (workspace(), Project::new());
    let sweep = ["run", "features/update/sweep.feature", "--tags", "@opt-in", "--name", "twenty moments", "--out"];
    let mut command = project.command(&sweep);
    let outcome: Outcome = command.arg(project.path("out")).current_dir(root).output().expect("hil runs").into();
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert!(outcome.stdout.contains("1 passed"), "{outcome:?}");
}

#[test]
fn a_board_that_does_not_do_what_a_step_says_fails_and_says_what_it_runs() {
    let outcome = run(&[
        ("another version", r#"Then "lamp" runs the firmware "app-2" within 300 ms"#),
        ("a version that it does not publish", r#"Then "lamp" runs the firmware "published" within 300 ms"#),
        ("still another version", r#"Then "lamp" still runs the firmware "app-2" for 300 ms"#),
        (
            "back by a flash",
            "Given the board \"lamp\" runs the firmware \"app-2\"\n    And the board \"lamp\" runs the firmware \"app-1\"\n    \
             Then \"lamp\" has gone back to the firmware \"app-1\" within 300 ms",
        ),
        ("back from nowhere", r#"Then "lamp" has gone back to the firmware "app-1" within 300 ms"#),
        (
            "nothing loaded",
            "Given the update \"app-2\" is offered\n    When \"lamp\" has loaded 60 % of the update \"app-2\"\n    \
             Then \"lamp\" runs the firmware \"app-2\" within 1 s",
        ),
        (
            "an update that it does not take",
            r#"Then "lamp" survives 2 resets in its update from "app-1" to "app-2" within 1 s"#,
        ),
    ]);
    assert_eq!(outcome.code, 100, "{outcome:?}");
    assert!(outcome.verdicts().iter().all(|(word, _)| word == "failed"), "{outcome:?}");
    assert_snapshot("updates-must-fail", &outcome.stable());
}

#[test]
fn a_step_that_can_not_tell_is_errored_and_what_holds_passes() {
    let outcome = run(&[
        ("the same version", r#"Then "lamp" survives 2 resets in its update from "app-1" to "twin" within 1 s"#),
        ("a twin that may run instead", r#"Then "lamp" runs the firmware "twin" within 1 s"#),
        ("what ran before a cut", &after_a_cut(r#""lamp" runs the firmware "app-1" within 300 ms"#)),
        ("still, without power", &after_a_cut(r#""lamp" still runs the firmware "app-1" for 300 ms"#)),
        ("back, without power", &after_a_cut(r#""lamp" has gone back to the firmware "app-1" within 300 ms"#)),
        ("the slot before a cut", &after_a_cut(r#"the slot of "lamp" is "factory""#)),
        ("no such slot", r#"Then the slot of "lamp" is "ota_1""#),
        ("it runs that already", r#"Then "lamp" runs the firmware "app-1" within 1 s"#),
        ("its slot after a reset", "When the board \"lamp\" is reset\n    Then the slot of \"lamp\" is \"factory\""),
        ("its slot", r#"Then the slot of "lamp" is "factory""#),
    ]);
    let words: Vec<_> = outcome.verdicts().into_iter().map(|(word, _)| word).collect();
    assert_eq!(words, [["errored"; 7].as_slice(), &["passed"; 3]].concat(), "{outcome:?}");
    assert_snapshot("updates-errored", &outcome.stable());
}

/// The lamp in two versions, the second of which is also known by what it publishes: in this topic from the beginning of the
/// load on, which is enough to see that no further connection is awaited.
const EXECUTED: &str = r#"[boards.one]
kind = "virtual"

[boards.two]
kind = "virtual"

[firmware.app-1]
image = "builtin:lamp-esp32c3"
partitions = "builtin:two-slots"
version = "1.0.0"
nvs = { "wifi.ssid" = "{wifi.ssid}", "wifi.password" = "{wifi.password}", "mqtt.host" = "{tap.host}", "mqtt.port" = "{tap.port}", "update.topic" = "sooko/update", "update.trial" = 6 }
ready = "mqtt: starting"

[firmware.app-2]
extends = "app-1"
version = "1.1.0"

[firmware.published]
extends = "app-2"
version-topic = "sooko/update/state"
"#;

/// An announced update, disturbed.
fn disturbed(board: &str, step: &str) -> String {
    format!(
        r#"  Scenario: {step}
    Given the board "{board}" runs the firmware "app-1"
    And "{board}" has subscribed to "sooko/update"
    And the update "app-2" is offered
    When I publish to "sooko/update" with QoS 1, retained the text:
      """
      {{"version": "${{captured:update_version}}", "url": "${{captured:update_url}}", "length": ${{captured:update_size}}, "sha256": "${{captured:update_sha256}}"}}
      """
    Then "{board}" survives {step}
"#
    )
}

#[test]
fn an_update_is_disturbed_as_often_as_its_flash_and_the_time_allow() {
    let (published, to) = (r#"from "app-1" to "published""#, r#"from "app-1" to "app-2""#);
    let steps = [
        ("one", format!("2 silences in its update {published} within 200 s")),
        ("two", format!("90000 resets in its update {to} within 200 s")),
        ("two", format!("90 power cuts in its update {to} within 60 s")),
    ];
    let scenarios: String = steps.iter().map(|(board, step)| disturbed(board, step)).collect();
    let project = Project::with_feature(&format!("Feature: updates\n{scenarios}"));
    project.file("bench.toml", EXECUTED);
    let outcome = project.hil(&["run", "--bench", "bench.toml", "--bench-retries", "0"]);
    let mut verdicts: Vec<_> = outcome.verdicts().into_iter().map(|(word, name)| format!("{word}: {name}")).collect();
    verdicts.sort();
    let words = ["errored", "errored", "passed"];
    assert!(verdicts.len() == 3 && verdicts.iter().zip(words).all(|(it, word)| it.starts_with(word)), "{outcome:?}");
    for said in ["operations of the flash, too few for 90000 resets", "of 90 power cuts are done and the time is over"]
    {
        assert!(outcome.stdout.contains(said), "{said}: {outcome:?}");
    }
}

/// A client that takes the announcement back once the update was taken.
const CLEARER: &str = r#"import socket, sys
def packet(kind, body):
    return bytes([kind, len(body)]) + body
def text(words):
    return len(words).to_bytes(2, "big") + words
broker = socket.create_connection((sys.argv[1], int(sys.argv[2])))
broker.sendall(packet(0x10, text(b"MQTT") + bytes([4, 2, 0, 0]) + text(b"clearer")))
broker.sendall(packet(0x82, bytes([0, 1]) + text(b"sooko/update/state") + bytes([0])))
print("waiting", flush=True)
received = b""
while b"1.1.0 runs" not in received:
    received += broker.recv(4096)
broker.sendall(packet(0x31, text(b"sooko/update")))
print("cleared", flush=True)
sys.stdin.read()
"#;

/// The bench keeps the board from its update in the round of the silence: a lamp that hangs in it shows the same.
#[test]
fn a_board_that_takes_no_update_after_a_silence_fails_at_that_silence() {
    let step = r#"1 silences in its update from "app-1" to "app-2" within 100 s"#;
    let feature = disturbed("one", step).replace("is offered", "is offered to \"one\"").replacen(
        "Given",
        "Given the board \"clearer\" runs the firmware \"clearer\"\n    And",
        1,
    );
    let project = Project::with_feature(&format!("Feature: updates\n{feature}"));
    let clearer = "[boards.clearer]\nkind = \"process\"\n\n[firmware.clearer]\nkind = \"process\"\n\
                   command = [\"python3\", \"clearer.py\", \"{tap.host}\", \"{tap.port}\"]\nready = \"waiting\"\n";
    project.file("clearer.py", CLEARER);
    project.file("bench.toml", &format!("{EXECUTED}\n{clearer}"));
    let outcome = project.hil(&["run", "--bench", "bench.toml", "--bench-retries", "0"]);
    assert_eq!(outcome.code, 100, "{outcome:?}");
    let said = "`one` did not take the update to `app-2` after silence 1 of 1, ";
    assert!(outcome.stdout.contains(said), "{outcome:?}");
}

#[test]
fn a_version_and_a_table_that_do_not_fit_are_refused_before_anything_has_power() {
    let project = Project::with_feature(
        "Feature: updates\n  Scenario: any\n    Given the board \"lamp\" runs the firmware \"app\"\n    Then \"lamp\" connects within 1 s\n",
    );
    let bench = |firmware: &str| {
        let bench = format!("[boards.lamp]\nkind = \"virtual\"\n\n[firmware.app]\n{firmware}\n");
        project.file("bench.toml", &bench);
        let outcome = project.hil(&["run", "--bench", "bench.toml"]);
        assert_eq!(outcome.code, 96, "{outcome:?}");
        outcome.stderr
    };
    let too_long = format!("version = \"{}\"", "1".repeat(32));
    let refused = [
        "image = \"builtin:lamp-esp32c3\"\npartitions = \"builtin:three\"",
        &format!("image = \"builtin:lamp-esp32c3\"\n{too_long}"),
        "image = \"builtin:lamp-esp32c3\"\nversion = \"\"",
        "image = \"builtin:lamp\"\nversion = \"2.0.0\"",
        "image = \"builtin:lamp\"\nversion-topic = \"lamp/#\"",
    ]
    .map(bench);
    assert_snapshot("updates-refused", &refused.join("\n"));
}
