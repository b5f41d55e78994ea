//! Brokers, captures and secrets, seen from outside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hil::timeline::{Direction, Packet, RunEvent, What, read_events};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Outcome, Project, children, ends, has_mosquitto, wait_for_line};

/// tshark, if it is installed.
fn tshark() -> Option<PathBuf> {
    let named = std::env::var_os("HIL_TSHARK").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        named.or_else(|| std::env::split_paths(&path).map(|folder| folder.join("tshark")).find(|p| p.is_file()));
    assert!(found.is_some() || std::env::var_os("HIL_REQUIRE_PARTS").is_none(), "tshark is missing");
    found
}

/// The folder of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two folders up")
}

/// Every file of a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).expect("folder").flatten().map(|entry| entry.path()).collect()
}

/// A documented flaw: some MQTT guides take it for the keep alive of clients.
#[test]
fn flaw_keepalive_interval_is_an_option_of_bridges_and_mosquitto_says_so() {
    if !has_mosquitto() {
        return;
    }
    let project = Project::with_feature(
        "Feature: f\n  Scenario: s\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    Then \"lamp\" connects within 5 s\n",
    );
    let bench = "[broker]\nkind = \"mosquitto\"\nconfig = \"mosquitto.conf\"\n[boards.lamp]\nkind = \"virtual\"\n[firmware.lamp]\nimage = \"builtin:lamp\"\n";
    project.file("bench.toml", bench);
    project.file("mosquitto.conf", "listener 1883 127.0.0.1\nallow_anonymous true\nkeepalive_interval 10\n");
    let outcome = project.hil(&["run", "--bench", "bench.toml"]);
    assert_eq!(outcome.code, 96, "{outcome:?}");
    assert!(outcome.stderr.contains("Invalid bridge configuration"), "{outcome:?}");
}

#[test]
fn the_default_features_pass_on_mosquitto_and_wireshark_reads_every_packet() {
    if !has_mosquitto() {
        return;
    }
    let project = Project::new();
    let out = project.path("run");
    let bench = root().join("fixtures/benches/mosquitto.toml");
    let features = ["features/mqtt", "features/lamp"].map(|folder| root().join(folder).display().to_string());
    let outcome = project.hil(&[
        "run",
        "--bench",
        &bench.display().to_string(),
        "--out",
        &out.display().to_string(),
        &features[0],
        &features[1],
    ]);
    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
    assert!(words(&outcome).iter().all(|word| word == "passed"), "{}", outcome.stdout);
    let events = read_events(&out.join("events.jsonl")).expect("events");
    let brokers: Vec<_> =
        events.iter().filter(|event| matches!(&event.what, What::Broker { kind, .. } if kind == "mosquitto")).collect();
    assert!(!brokers.is_empty(), "another broker ran");
    let log = std::fs::read_to_string(out.join("broker.log")).expect("its log");
    assert!(log.contains("mosquitto version"), "{log}");
    for file in files(&out) {
        let bytes = std::fs::read(&file).expect("read");
        assert!(!holds(&bytes, b"wonderland"), "the password is in {}", file.display());
    }
    if let Some(tshark) = tshark() {
        check_capture(&tshark, &out.join("traffic.pcapng"), &events);
    }
}

/// The number of packets in each direction of each board, from the timeline.
fn counted(events: &[RunEvent]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in events {
        let What::Packet { board, direction, disposition, packet, .. } = &event.what else { continue };
        assert!(!matches!(packet, Packet::Undecodable { .. }), "{event:?}");
        let disposition = disposition.map(|disposition| format!("{disposition:?}")).unwrap_or_default();
        let (sender, receiver) = match direction {
            Direction::FromBoard => (board.clone(), format!("{board}-broker")),
            Direction::ToBoard => (format!("{board}-broker"), board.clone()),
        };
        if disposition != "Injected" {
            *counts.entry(sender).or_default() += 1;
        }
        if disposition != "Dropped" {
            *counts.entry(receiver).or_default() += 1;
        }
    }
    counts
}

fn check_capture(tshark: &Path, capture: &Path, events: &[RunEvent]) {
    let ask = |arguments: &[&str]| {
        let output = Command::new(tshark).arg("-r").arg(capture).args(arguments).output().expect("tshark runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(ask(&["-Y", "_ws.malformed"]).lines().count(), 0, "malformed packets");
    assert_eq!(ask(&["-Y", "tcp.analysis.flags"]).lines().count(), 0, "TCP does not add up");
    assert_eq!(ask(&["-Y", "tcp.len > 0 and not mqtt"]).lines().count(), 0, "bytes that are not MQTT");
    let mut decoded: BTreeMap<String, usize> = BTreeMap::new();
    for line in ask(&["-Y", "mqtt", "-T", "fields", "-e", "frame.interface_name", "-e", "mqtt.msgtype"]).lines() {
        let (interface, kinds) = line.split_once('\t').expect("two fields");
        *decoded.entry(interface.to_owned()).or_default() += kinds.split(',').count();
    }
    assert_eq!(decoded, counted(events));
    let comments = ask(&["-Y", "frame.comment contains \"board lamp\"", "-T", "fields", "-e", "frame.comment"]);
    assert!(comments.contains("board lamp, connection 1"), "{comments}");
}

fn holds(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

const SECRET: &str = "open-sesame-42";

const SECRET_BENCH: &str = r#"
[broker]
users = { lamp = "${secret:HIL_TEST_LAMP_PASSWORD}" }
[boards.lamp]
kind = "virtual"
[boards.client]
kind = "virtual"
[firmware.lamp]
image = "builtin:lamp"
nvs = { "mqtt.host" = "{tap.host}", "mqtt.port" = "{tap.port}", "mqtt.user" = "lamp", "mqtt.password" = "${secret:HIL_TEST_LAMP_PASSWORD}" }
ready = "mqtt: starting"
[firmware.client]
image = "builtin:mqtt-client"
nvs = { "mqtt.host" = "{tap.host}", "mqtt.port" = "{tap.port}" }
ready = "client: ready"
"#;

const SECRET_FEATURE: &str = r#"
Feature: secrets
  Scenario: a lamp has a password
    Given the board "lamp" runs the firmware "lamp"
    Then "lamp" connects within 5 s with:
      | user     | lamp |
      | password | yes  |
  Scenario: a client tells it to everybody
    Given the board "client" runs the firmware "client"
    And the broker requires the user "other" with the password "another-secret"
    When I type at the console of "client":
      """
      connect version=5 user=other password=another-secret
      publish leak another-secret qos=1 user.key=another-secret
      subscribe another-secret:1
      """
    Then "client" publishes "nothing of the kind" to "leak" within 500 ms
"#;

fn run_with_secret(project: &Project, arguments: &[&str]) -> Outcome {
    let mut command = project.command(arguments);
    command.env("HIL_TEST_LAMP_PASSWORD", SECRET).output().expect("hil runs").into()
}

#[test]
fn no_secret_leaves_the_program() {
    let project = Project::with_feature(SECRET_FEATURE);
    project.file("bench.toml", SECRET_BENCH);
    let outcome = run_with_secret(&project, &["run", "--bench", "bench.toml", "--out", "run", "-vv"]);
    assert_eq!(outcome.code, 100, "{}{}", outcome.stdout, outcome.stderr);
    assert_eq!(words(&outcome), ["passed", "failed"], "{}", outcome.stdout);
    assert!(outcome.stdout.contains("CONNECT") && outcome.stdout.contains("••••"), "{}", outcome.stdout);
    let hex = |secret: &str| secret.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    for secret in [SECRET, "another-secret"] {
        for form in [secret.to_owned(), hex(secret)] {
            let (text, form) = (format!("{}{}", outcome.stdout, outcome.stderr), form.as_bytes());
            assert!(!holds(text.as_bytes(), form), "the terminal shows a secret: {text}");
            for file in files(&project.path("run")) {
                assert!(!holds(&std::fs::read(&file).expect("read"), form), "{} holds a secret", file.display());
            }
        }
    }
    let report = run_with_secret(&project, &["report", "run"]);
    assert!(!report.stdout.contains("another-secret"), "{}", report.stdout);
    let capture = std::fs::read(project.path("run/traffic.pcapng")).expect("capture");
    assert!(holds(&capture, b"lamp"), "the user is not a secret");
}

#[test]
fn unmask_keeps_passwords_in_the_capture_and_nowhere_else() {
    let project = Project::with_feature(SECRET_FEATURE);
    project.file("bench.toml", SECRET_BENCH);
    let outcome = run_with_secret(&project, &["run", "--bench", "bench.toml", "--out", "run", "--unmask", "--quiet"]);
    assert_eq!(outcome.code, 100, "{}", outcome.stderr);
    for file in files(&project.path("run")) {
        let is_capture = file.extension().is_some_and(|extension| extension == "pcapng");
        assert_eq!(holds(&std::fs::read(&file).expect("read"), SECRET.as_bytes()), is_capture, "{}", file.display());
    }
}

/// The verdicts, in the order in which scenarios ended.
fn words(outcome: &Outcome) -> Vec<String> {
    outcome.verdicts().into_iter().map(|(word, _)| word).collect()
}

/// A bench of one scripted client, with a broker.
fn client_bench(broker: &str) -> String {
    format!(
        "[broker]\n{broker}\n{}",
        r#"
[boards.client]
kind = "virtual"
[firmware.client]
image = "builtin:mqtt-client"
nvs = { "mqtt.host" = "{tap.host}", "mqtt.port" = "{tap.port}", "tls.ca" = "{tap.ca}" }
ready = "client: ready"
"#
    )
}

fn scenario(steps: &str) -> String {
    format!("Feature: f\n  Scenario: s\n    Given the board \"client\" runs the firmware \"client\"\n{steps}")
}

/// Runs one scenario; returns the verdict or exit code, and the messages.
fn judged(broker: &str, steps: &str, environment: &[(&str, &str)]) -> String {
    let project = Project::with_feature(&scenario(steps));
    project.file("bench.toml", &client_bench(broker));
    let mut command = project.command(&["run", "--bench", "bench.toml"]);
    let outcome: Outcome = command.envs(environment.iter().copied()).output().expect("hil runs").into();
    let words = words(&outcome).join(" ");
    let lines = outcome.stdout.lines().chain(outcome.stderr.lines()).map(str::trim);
    let about =
        lines.filter(|line| ["failed: ", "error: ", "hint: ", "closest: "].iter().any(|word| line.starts_with(word)));
    format!("exit {} {words}\n{}", outcome.code, about.collect::<Vec<_>>().join("\n"))
}

#[test]
fn firmware_faults_fail_and_bench_faults_are_errors() {
    let connects = "    When I type \"connect id=c LOGIN\" at the console of \"client\"\n    Then \"client\" connects within 1 s\n";
    let plain = connects.replace(" LOGIN", "");
    let requires = "    And the broker requires the user \"lamp\" with the password \"wonderland\"\n";
    let wrong_password = format!("{requires}{}", connects.replace("LOGIN", "user=lamp password=looking"));
    let short =
        plain.replace("    When", "    And the broker requires the user \"lamp\" with the password \"abc\"\n    When");
    let stopped = plain.replace("    When I", "    When the broker stops\n    And I");
    let crash = format!("{plain}    When the broker crashes\n");
    let tls = connects.replace("LOGIN", "over=tls trust=nobody");
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("address");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let taken_at = taken.local_addr().expect("address");
    let cases: [(&str, &str, &str); 7] = [
        ("a wrong password", "kind = \"embedded\"", wrong_password.as_str()),
        ("a password that can't be hidden", "kind = \"embedded\"", &short),
        ("a firmware that does not trust the bench", "kind = \"embedded\"", &tls),
        ("a broker that was stopped", "kind = \"embedded\"", &stopped),
        ("a crash of the embedded broker", "kind = \"embedded\"", &crash),
        ("an external broker that is not there", &format!("kind = \"external\"\nurl = \"mqtt://{nowhere}\""), &plain),
        ("a port that is taken", &format!("kind = \"embedded\"\nlisten = \"{taken_at}\""), &plain),
    ];
    let unfired =
        format!("    When the next PUBACK from \"client\" is dropped\n{}", plain.replace("    When", "    And"));
    let shut = "    When connections of \"client\" are refused\n    Then \"client\" tries to connect no more than 5 times a minute for 1 s\n";
    let runs_already = plain.replace("    When I", "    When the broker starts\n    And I");
    let no_topic =
        "    When the next PUBACK on \"a\" from \"client\" is dropped\n    Then \"client\" connects within 1 s\n";
    let again = "    When I type at the console of \"client\":\n      \"\"\"\n      connect id=c\n      publish a x qos=1 dup=yes\n      \"\"\"\n    Then a subscriber to \"a\" receives \"x\" within 2 s\n    And \"client\" publishes its message again with DUP within 500 ms\n";
    let cases = cases.into_iter().chain([
        ("a fault that never happened", "kind = \"embedded\"", unfired.as_str()),
        ("attempts that are not visible", "kind = \"embedded\"", shut),
        ("a broker that runs already", "kind = \"embedded\"", &runs_already),
        ("a packet that has no topic", "kind = \"embedded\"", no_topic),
        ("DUP on a first transmission", "kind = \"embedded\"", again),
    ]);
    let mut all = Vec::new();
    for (name, broker, steps) in cases {
        all.push(format!("## {name}\n{}", judged(broker, steps, &[])));
    }
    let missing = judged("kind = \"mosquitto\"", &plain, &[("HIL_MOSQUITTO", "/nowhere/mosquitto")]);
    all.push(format!("## Mosquitto is not installed\n{missing}"));
    let text = all.join("\n\n").replace(&nowhere.to_string(), "[nowhere]").replace(&taken_at.to_string(), "[taken]");
    insta::assert_snapshot!("broker-errors", text);
}

#[test]
fn an_acl_denial_is_the_firmwares_fault_and_a_broker_that_dies_the_benchs() {
    if !has_mosquitto() {
        return;
    }
    let acl = "    And the broker allows everybody to read \"open/#\" only\n    When I type \"connect id=c\" at the console of \"client\"\n    And I type \"publish closed x qos=1\" at the console of \"client\"\n    Then a subscriber to \"closed\" receives \"x\" within 1 s\n";
    let denied = judged("kind = \"mosquitto\"", acl, &[]);
    // A broker that can't read its configuration exits immediately.
    let project = Project::with_feature(&scenario("    Then \"client\" publishes nothing for 1 s\n"));
    project.file("mosquitto.conf", "listener 18899 127.0.0.1\nno_such_thing true\n");
    project.file("bench.toml", &client_bench("kind = \"mosquitto\"\nconfig = \"mosquitto.conf\""));
    let broken = project.hil(&["run", "--bench", "bench.toml"]);
    let text =
        format!("## denied by the ACL\n{denied}\n\n## a broken configuration\nexit {}\n{}", broken.code, broken.stderr);
    insta::with_settings!({ filters => [(r"/[^ ]*/hil-mosquitto-[^/]*/", "[folder]/")] }, {
        insta::assert_snapshot!("mosquitto-errors", text);
    });
}

const WAITS: &str = r#"    When I type "connect id=c" at the console of "client"
    Then "client" connects within 5 s
    And "client" connects within 60 s
"#;

/// A waiting run on Mosquitto, and its broker.
fn waiting(project: &Project) -> (std::process::Child, Pid) {
    project.file("bench.toml", &client_bench("kind = \"mosquitto\""));
    let arguments = ["run", "--bench", "bench.toml", "--out", "run", "-vv", "--bench-retries", "0"];
    let mut child = project.start(&arguments);
    wait_for_line(&mut child, "CONNACK");
    let brokers = children(child.id(), "mosquitto");
    assert_eq!(brokers.len(), 1, "one scenario, one broker");
    (child, brokers[0])
}

#[test]
fn a_broker_that_is_killed_ends_the_step_at_once_as_errored() {
    if !has_mosquitto() {
        return;
    }
    let project = Project::with_feature(&scenario(WAITS));
    let (child, broker) = waiting(&project);
    let started = Instant::now();
    kill_process(broker, Signal::KILL).expect("killed");
    let outcome: Outcome = child.wait_with_output().expect("ends").into();
    assert!(started.elapsed() < Duration::from_secs(20), "it did not wait for the step's end");
    assert_eq!(outcome.code, 102, "{}{}", outcome.stdout, outcome.stderr);
    assert!(
        outcome.stdout.contains("error: the broker exited unexpectedly: signal: 9 (SIGKILL)"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn a_hil_that_is_killed_leaves_no_broker_behind() {
    if !has_mosquitto() {
        return;
    }
    let project = Project::with_feature(&scenario(WAITS));
    let (mut child, broker) = waiting(&project);
    child.kill().expect("killed");
    child.wait().expect("gone");
    assert!(ends(broker), "the broker still runs");
}

/// What a client does, and a step about it that must fail.
const MUST_FAIL: &[(&str, &str, &str)] = &[
    (
        "JSON",
        "publish t '{\"a\": {\"b\": 1}}'",
        "\"client\" publishes to \"t\" within 2 s the JSON:\n      \"\"\"\n      {\"a\": {\"b\": 2}}\n      \"\"\"",
    ),
    (
        "text",
        "publish t on",
        "\"client\" publishes to \"t\" within 2 s the text:\n      \"\"\"\n      off\n      \"\"\"",
    ),
    (
        "fields",
        "publish t on",
        "\"client\" publishes to \"t\" within 2 s with:\n      | payload  | on  |\n      | retained | yes |",
    ),
    ("another topic", "publish u on", "\"client\" publishes to \"t\" within 500 ms with:\n      | payload | on |"),
    (
        "more than once",
        "repeat 2 50 publish t on",
        "\"client\" publishes \"on\" to \"t\" exactly once within 5 s, settling for 500 ms",
    ),
    ("a count", "repeat 2 10 publish t on", "\"client\" publishes 3 messages to \"t\" within 2 s"),
    ("a period", "repeat 3 2000 publish t on", "\"client\" publishes \"on\" to \"t\" 3 times, every 800 ms ± 200 ms"),
    ("silence", "repeat 8 150 publish t on", "nothing is published outside \"u/#\" for 5 s"),
    ("a subscription", "subscribe a:1", "\"client\" subscribes within 2 s to:\n      | a | 2 | 2 |"),
    ("a refusal", "subscribe a:1", "the subscription of \"client\" to \"a\" is refused within 2 s"),
    ("an end of a subscription", "unsubscribe a", "\"client\" unsubscribes from \"b\" within 500 ms"),
    ("a DISCONNECT", "drop", "\"client\" disconnects within 500 ms"),
    ("no DISCONNECT", "disconnect", "\"client\" goes without DISCONNECT within 5 s"),
    ("an end by the broker", "disconnect", "the broker disconnects \"client\" within 500 ms"),
    ("a kept session", "connect id=c", "\"client\" connects within 5 s and finds its session"),
    ("a layer", "connect id=c", "\"client\" connects over \"WebSocket\" within 500 ms"),
    ("a code", "connect id=c", "\"client\" is refused with code 5 within 2 s"),
    (
        "an acknowledgement of the broker's",
        "publish t on",
        "the broker acknowledges the message of \"client\" within 500 ms",
    ),
    ("QoS 2", "publish t on qos=1", "\"client\" and the broker complete the QoS 2 exchange within 500 ms"),
    ("DUP", "publish t on qos=1", "\"client\" publishes its message again with DUP within 500 ms"),
    ("what others hear", "publish t on", "a subscriber to \"u\" receives \"on\" within 500 ms"),
    ("a wish to connect", "connect id=c", "\"client\" asks to connect within 500 ms with:\n      | client id | d |"),
    ("an open connection", "drop", "the connection of \"client\" stays open for 5 s"),
    ("a lost packet", "publish t on qos=1", "a PUBACK to \"client\" is dropped within 500 ms"),
    ("a period of attempts", "connect id=c", "\"client\" tries to connect 3 times, every 100 ms ± 20 ms"),
    (
        "one line",
        "publish t on",
        "the console of \"client\" shows \"nonsense\" exactly once within 500 ms, settling for 100 ms",
    ),
    (
        "a version",
        "connect id=c version=5",
        "\"client\" connects within 5 s with:\n      | version        | 3.1.1 |\n      | session expiry | 5 s   |",
    ),
];

#[test]
fn every_step_about_packets_can_fail_and_says_why() {
    let scenario = |(name, does, step): &(&str, &str, &str)| {
        format!(
            "  Scenario: {name}\n    Given the board \"client\" runs the firmware \"client\"\n    When I type \"connect id=first\" at the console of \"client\"\n    Then \"client\" connects within 2 s\n    When I type at the console of \"client\":\n      \"\"\"\n      {does}\n      \"\"\"\n    Then {step}\n"
        )
    };
    let feature: String = MUST_FAIL.iter().map(scenario).collect();
    let retained = "  Scenario: nothing retained\n    Given the board \"client\" runs the firmware \"client\"\n    When I publish \"x\" to \"t\" with QoS 1, retained\n    Then nothing is retained on \"t\"\n";
    let project = Project::with_feature(&format!("Feature: f\n{feature}{retained}"));
    project.file("bench.toml", &client_bench("kind = \"embedded\""));
    let outcome = project.hil(&["run", "--bench", "bench.toml"]);
    assert_eq!(outcome.code, 100, "{}{}", outcome.stdout, outcome.stderr);
    assert!(words(&outcome).iter().all(|word| word == "failed"), "{}", outcome.stdout);
    assert_eq!(words(&outcome).len(), MUST_FAIL.len() + 1);
    let lines = outcome.stdout.lines().map(str::trim);
    let lines: Vec<_> = lines.filter(|line| line.starts_with("failed: ") || line.starts_with("closest: ")).collect();
    insta::with_settings!({ filters => [(r"at [+-]\d+\.\d+ s", "at [time]"), (r"\d\.\d{3} s", "[time]")] }, {
        insta::assert_snapshot!("must-fail", lines.join("\n"));
    });
}
