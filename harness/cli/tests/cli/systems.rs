//! MicroPython boards and process boards, seen from outside.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hil::timeline::{Packet, What, read_events};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Outcome, Project, assert_snapshot, workspace};

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

  Scenario: not for this board
    Given the board "pi" runs the firmware "image"
    Then "pi" connects within 5 s

  Scenario: no program here
    Given the board "lamp" runs the firmware "image"
    When the program of "lamp" is killed
    Then "lamp" connects within 5 s

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
fn what_goes_wrong_with_programs_and_scripts_is_told() {
    let project = Project::with_feature(ERRORS);
    project.file("bench.toml", ERRORS_BENCH);
    project.file("main.py", "print('hello')\n");
    let mut command = project.command(&["run", "--bench", "bench.toml"]);
    // It is looked for, and not started: what is wrong is found before.
    let outcome: Outcome = command.env("HIL_MICROPYTHON", "/bin/sh").output().expect("hil runs").into();
    let mut lines: Vec<_> = outcome.stdout.lines().map(str::to_owned).collect();
    // Boards overlap: the order of the scenarios is nobody's promise.
    lines.retain(|line| !line.starts_with("reports:"));
    let mut scenarios: Vec<Vec<String>> = Vec::new();
    for line in lines {
        match scenarios.last_mut() {
            Some(scenario) if line.starts_with("   ") => scenario.push(line),
            _ => scenarios.push(vec![line]),
        }
    }
    let line = |scenario: &Vec<String>| -> Option<u32> {
        scenario[0].split("feature:").nth(1)?.split_whitespace().next()?.parse().ok()
    };
    scenarios.sort_by_key(line);
    let text: Vec<_> = scenarios.into_iter().map(|scenario| scenario.join("\n")).collect();
    assert_snapshot("systems-errors", &format!("exit code {}\n{}\n", outcome.code, text.join("\n")));
}

#[test]
fn wrong_keys_of_systems_are_told() {
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
    let outcome: Outcome = command.env("HIL_TEST_MARK", &mark).output().expect("hil runs").into();
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert_eq!(marked(&mark), Vec::<u32>::new(), "no process is left");
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

/// Processes that carry a mark in their environment.
fn marked(mark: &str) -> Vec<u32> {
    let wanted = format!("HIL_TEST_MARK={mark}");
    let carries = |pid: u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let is_zombie = stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'));
        !is_zombie && environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
    };
    let pids = std::fs::read_dir("/proc").expect("proc").flatten();
    pids.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok()).filter(|pid| carries(*pid)).collect()
}

fn wait(child: &mut Child, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if child.try_wait().expect("wait").is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// `HIL_KILLS` says how often; a soak has 30.
#[test]
fn whatever_is_killed_whenever_no_process_is_left() {
    if !has_parts() {
        return;
    }
    let kills: u32 = std::env::var("HIL_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(3);
    let project = Project::new();
    for n in 0..kills {
        let mark = format!("kill-{}-{n}", std::process::id());
        let out = project.path(&format!("run-{n}"));
        let features =
            ["features/micropython-lamp/improved.feature", "features/js-client", "features/raspberry-client"];
        let mut arguments = vec!["run", "--out", out.to_str().expect("path")];
        arguments.extend(features);
        let mut command = in_workspace(&arguments);
        let mut hil =
            command.env("HIL_TEST_MARK", &mark).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("hil");
        // Not a wait for anything: the moment is to be any moment.
        let moment = Duration::from_millis(200 + u64::from(n) * 7919 % 3000);
        assert!(!wait(&mut hil, moment), "it runs for longer");
        let others: Vec<u32> = marked(&mark).into_iter().filter(|pid| *pid != hil.id()).collect();
        let victim = if n % 3 == 0 { None } else { others.get(n as usize % others.len().max(1)) };
        let victim = victim.copied().unwrap_or(hil.id());
        if let Some(pid) = Pid::from_raw(victim.cast_signed()) {
            // It may just have ended.
            let _ = kill_process(pid, Signal::KILL);
        }
        if victim != hil.id() {
            // Its client is dead, `hil` is not: asked to end, it leaves nothing.
            assert!(!wait(&mut hil, Duration::from_millis(100)), "it goes on without its client");
            kill_process(Pid::from_child(&hil), Signal::TERM).expect("signal");
        }
        assert!(wait(&mut hil, Duration::from_secs(10)), "it ends");
        let deadline = Instant::now() + Duration::from_secs(5);
        while !marked(&mark).is_empty() {
            assert!(Instant::now() < deadline, "kill {n}: {:?} are left", marked(&mark));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
