//! MicroPython boards and process boards, seen from outside.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use hil::timeline::{Packet, What, read_events};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Outcome, Printed, Project, assert_snapshot, ends, workspace};

/// Whether everything that `ci/install-parts` installs is here.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn has_parts() -> bool {
    let root = workspace();
    let parts = ["target/parts/python/bin/python3", "target/parts/paho1", "target/parts/bin/micropython"];
    let found = parts.iter().all(|part| root.join(part).exists());
    assert!(
        found || std::env::var_os("HIL_REQUIRE_PARTS").is_none(),
        "the parts of the documented systems are missing"
    );
    if !found {
        eprintln!("skipped: `ci/install-parts` installs what this test needs");
    }
    found
}

const SYSTEMS: &str = r#"Feature: f
  Scenario: scripts
    Given the board "micropython" runs the firmware "lamp-micropython"
    Then "micropython" connects within 5 s

  Scenario: a program
    Given the board "pi" runs the firmware "paho"
    Then "pi" connects within 5 s

  Scenario: the program once more
    Given the board "pi" runs the firmware "paho"
    Then "pi" disconnects within 5 s

  Scenario: what runs anywhere
    Given the board "lamp" runs the firmware "lamp"
    Then "lamp" connects within 5 s
"#;

#[test]
fn without_the_parts_their_scenarios_are_skipped_and_strictly_that_is_an_error() {
    // Not in the workspace: neither its clients nor its parts are here.
    let project = Project::with_feature(SYSTEMS);
    let run = |arguments: &[&str]| -> Outcome {
        let mut command = project.command(arguments);
        command.env("HIL_MICROPYTHON", "/nowhere/micropython").output().expect("hil runs").into()
    };
    let outcome = run(&["run"]);
    assert_snapshot("systems-without-parts", &outcome.stable());
    assert_eq!(run(&["run", "--strict"]).code, 102);
    let nothing = run(&["run", "--name", "scripts"]);
    assert_eq!(nothing.code, 4, "{nothing:?}");
    let listed = run(&["doctor"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    assert!(listed.stdout.contains("`apt install micropython`") && listed.stdout.contains("skips"), "{listed:?}");
}

const ERRORS: &str = r#"Feature: f
  Scenario: no such program
    Given the board "pi" runs the firmware "missing"
    Then "pi" connects within 5 s

  Scenario: it ends before it is ready
    Given the board "pi" runs the firmware "short"
    Then "pi" connects within 5 s

  Scenario: nothing to replace
    Given the board "lamp" runs the firmware "replaced"
    Then "lamp" connects within 5 s

  Scenario: it says what it says
    Given the board "pi" runs the firmware "talker"
    When I type "hello" at the console of "pi"
    Then the console of "pi" shows "heard hello" exactly once within 2 s, settling for 200 ms
    And the program of "pi" ends with code 3 within 2 s

  Scenario: with another code
    Given the board "pi" runs the firmware "talker"
    When the program of "pi" is killed
    Then the program of "pi" ends with code 3 within 2 s

  Scenario: nothing is sent
    Given the board "pi" runs the firmware "talker"
    Then every message that "pi" sends reaches "lamp" within 200 ms, in order
"#;

const ERRORS_BENCH: &str = r#"
[boards.pi]
kind = "process"
[boards.lamp]
kind = "virtual"
[firmware.missing]
kind = "process"
command = ["no-such-program"]
[firmware.short]
kind = "process"
command = ["sh", "-c", "echo can not open the database; exit 2"]
ready = "listening"
[firmware.talker]
kind = "process"
command = ["sh", "-c", "echo started; read word; echo heard $word; exit 3"]
ready = "started"
[firmware.image]
image = "builtin:lamp"
nvs = { "mqtt.host" = "{tap.host}", "mqtt.port" = "{tap.port}" }
ready = "mqtt: starting"
[firmware.replaced]
kind = "micropython"
image = "builtin:micropython"
scripts = { "main.py" = "main.py" }
replace = { "mqtt.example.org" = "{tap.host}" }
"#;

#[test]
fn errors_of_programs_and_scripts_are_reported() {
    let project = Project::with_feature(ERRORS);
    project.file("bench.toml", ERRORS_BENCH);
    project.file("main.py", "print('hello')\n");
    let mut command = project.command(&["run", "--bench", "bench.toml"]);
    // It is searched for, but not started: the error is found first.
    let outcome: Outcome = command.env("HIL_MICROPYTHON", "/bin/sh").output().expect("hil runs").into();
    assert_snapshot("systems-errors", &format!("exit code {}\n{}\n", outcome.code, outcome.in_order()));
}

#[test]
fn wrong_keys_of_systems_are_reported() {
    let project = Project::new();
    let bench = r#"
[boards.pi]
kind = "process"
port = { path = "/dev/ttyUSB0" }
pins = { led = { line = "GPIO2" } }
[firmware.a]
kind = "process"
image = "builtin:lamp"
[firmware.b]
kind = "micropython"
image = "installed"
[firmware.c]
image = "builtin:lamp"
scripts = ["main.py"]
command = ["python3"]
[firmware.d]
kind = "micropython"
image = "installed"
scripts = { "../main.py" = "bench.toml" }
settings = { broker = "{tap.hots}" }
[firmware.e]
kind = "basic"
image = "installed"
[firmware.f]
kind = "process"
command = []
dir = "nowhere"
needs = { command = ["true"] }
"#;
    project.file("bench.toml", bench);
    let outcome = project.hil(&["boards", "--bench", "bench.toml"]);
    assert_snapshot("systems-wrong-keys", &outcome.stable());
}

/// `hil` in the workspace's root, where the parts are.
fn in_workspace(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hil"));
    command.current_dir(workspace()).args(arguments).env_remove("HIL_BENCH").stdin(Stdio::null());
    command
}

#[test]
fn telemetry_is_captured_counted_and_torn_down() {
    if !has_parts() {
        return;
    }
    let project = Project::new();
    let out = project.path("run");
    let out = out.to_str().expect("path");
    let mark = format!("telemetry-{}", std::process::id());
    let mut command = in_workspace(&["run", "features/telemetry", "--out", out]);
    let hil = command.env("HIL_TEST_MARK", &mark).stdout(Stdio::piped()).spawn().expect("hil");
    let number = hil.id();
    let outcome: Outcome = hil.wait_with_output().expect("ends").into();
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert_eq!(started_by(number, &mark), [], "no process is left");
    let events = read_events(Path::new(&format!("{out}/events.jsonl"))).expect("events");
    for event in &events {
        if let What::Broker { address, .. } = &event.what {
            assert!(std::net::TcpStream::connect(address).is_err(), "nothing listens on {address} any more");
        }
    }
    let rates: Outcome = in_workspace(&["report", out, "--traffic"]).output().expect("hil runs").into();
    assert_eq!(rates.code, 0, "{rates:?}");
    assert!(rates.stdout.contains("pub") && rates.stdout.contains("sister/temp"), "{rates:?}");
    let Some(tshark) = std::env::var_os("HIL_TSHARK") else { return };
    let capture = format!("{out}/traffic.pcapng");
    let decoded = Command::new(tshark)
        .args(["-r", &capture, "-Y", "mqtt.topic == \"sister/temp\" && mqtt.msgtype == 3", "-T", "fields"])
        .args(["-e", "mqtt.msg"])
        .output()
        .expect("tshark");
    let text = String::from_utf8_lossy(&decoded.stdout);
    // tshark shows a payload in hex: `Suhu: 28°C`.
    let here = events.iter().filter(|event| {
        matches!(&event.what, What::Packet { packet: Packet::Publish { topic, .. }, .. } if topic == "sister/temp")
    });
    assert!(text.contains("537568753a203238c2b043"), "{text}");
    assert!(text.lines().count() >= here.count(), "every message is in the capture");
}

const ACROSS: &str = r#"Feature: f
  Background:
    Given the board "client" runs the firmware "mqtt-client"
    And the board "client-2" runs the firmware "mqtt-client"
    When I type at the console of "client-2":
      """
      connect id=receiver
      subscribe t:0
      """
    Then "client-2" subscribes within 2 s to:
      | t | 0 | 0 |
    When I type "connect id=sender" at the console of "client"
    Then "client" connects within 2 s

  Scenario: all arrive
    When I type at the console of "client":
      """
      publish t one
      publish t two
      """
    Then "client" publishes "two" to "t" within 2 s
    And every message that "client" sends reaches "client-2" within 1 s, in order

  Scenario: one is lost
    When the next PUBLISH to "client-2" is dropped
    And I type at the console of "client":
      """
      publish t one
      publish t two
      """
    Then "client" publishes "two" to "t" within 2 s
    And every message that "client" sends reaches "client-2" within 1 s, in order

  Scenario: they come late
    When the network of "client-2" is delayed by 4 s
    And I type "publish t one" at the console of "client"
    Then every message that "client" sends for 2 s reaches "client-2" within 3 s, in order

  Scenario: the receiver has left
    When I type "unsubscribe t" at the console of "client-2"
    # Answered by the broker: it knows, whatever else comes to it on another connection.
    Then "client-2" unsubscribes from "t" within 2 s
    When I type "publish t one" at the console of "client"
    Then every message that "client" sends for 1 s reaches "client-2" within 1 s, in order

  Scenario: two are alike
    When I type at the console of "client":
      """
      publish t one
      publish t one
      """
    Then every message that "client" sends for 1 s reaches "client-2" within 1 s, in order

  Scenario: none is sent
    Then every message that "client" sends for 1 s reaches "client-2" within 1 s, in order
"#;

#[test]
fn a_message_that_is_lost_late_or_missed_between_boards_is_found() {
    let project = Project::with_feature(ACROSS);
    let outcome = project.hil(&["run"]);
    assert_snapshot("systems-across", &outcome.stable());
}

/// Processes that a `hil` has started: programs have a mark in their environment; interpreters have none, but an argument
/// with the address of the radio.
fn started_by(hil: u32, mark: &str) -> Vec<Pid> {
    let (mark, radio) = (format!("HIL_TEST_MARK={mark}"), format!("hil-radio-{hil}-"));
    let is_its = |pid: &Pid| {
        let read = |what: &str| std::fs::read(format!("/proc/{}/{what}", pid.as_raw_pid())).unwrap_or_default();
        let has = |what: &str, wanted: &dyn Fn(&[u8]) -> bool| read(what).split(|byte| *byte == 0).any(wanted);
        // A process that has ended and waits for its parent has neither.
        has("environ", &|entry| entry == mark.as_bytes()) || has("cmdline", &|word| word.starts_with(radio.as_bytes()))
    };
    let pids = std::fs::read_dir("/proc").expect("proc").flatten();
    let pids = pids.filter_map(|entry| Pid::from_raw(entry.file_name().to_string_lossy().parse().ok()?));
    pids.filter(|pid| pid.as_raw_pid() != hil.cast_signed() && is_its(pid)).collect()
}

/// `HIL_KILLS` says how often; a soak has 30. Every third kill comes at a random moment, and hits `hil` itself; before
/// the others a script and a program run, both for some seconds, and one of them is hit.
#[test]
fn no_process_is_left_after_a_kill_at_any_time() {
    if !has_parts() {
        return;
    }
    let kills: u32 = std::env::var("HIL_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(3);
    let project = Project::new();
    for n in 0..kills {
        let mark = format!("kill-{}-{n}", std::process::id());
        let out = project.path(&format!("run-{n}"));
        let scenarios = "silent for less than a keep alive|sends 0 to 4, one a second";
        let out = out.to_str().expect("path");
        let mut command = in_workspace(&["run", "-vv", "--out", out, "--name", scenarios]);
        command.args(["features/micropython-lamp/improved.feature", "features/raspberry-client"]);
        command.env("HIL_TEST_MARK", &mark).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut hil = command.spawn().expect("hil");
        let printed = Printed::by(&mut hil);
        let ours = Pid::from_child(&hil);
        // A random moment, on purpose.
        let moment = Duration::from_millis(200 + u64::from(n) * 7919 % 3000);
        let victim = if n % 3 == 0 {
            std::thread::sleep(moment);
            ours
        } else {
            printed.wait_for(&["wifi: 127.0.0.1", "pi -> CONNECT"]);
            let others = started_by(hil.id(), &mark);
            let wanted = |pid: &&Pid| is_interpreter(**pid) == (n % 3 == 1);
            *others.iter().find(wanted).unwrap_or_else(|| panic!("not among {others:?}"))
        };
        assert!(hil.try_wait().expect("wait").is_none(), "it runs for longer");
        // It may just have ended.
        let _ = kill_process(victim, Signal::KILL);
        if victim != ours {
            // Its client is dead, but `hil` is running: on SIGTERM it leaves nothing behind.
            assert!(hil.try_wait().expect("wait").is_none(), "it keeps running without its client");
            kill_process(ours, Signal::TERM).expect("signal");
        }
        let number = hil.id();
        let status = hil.wait().expect("ends");
        assert_ne!(status.code(), Some(0), "it was ended from outside");
        for pid in started_by(number, &mark) {
            assert!(ends(pid), "kill {n}: {pid:?} is left");
        }
    }
}

fn is_interpreter(pid: Pid) -> bool {
    let words = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_pid())).unwrap_or_default();
    words.windows(10).any(|window| window == b"hil-radio-")
}
