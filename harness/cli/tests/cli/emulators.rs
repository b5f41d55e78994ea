//! Boards that an emulator plays: a real one, Debian's `qemu-system-riscv32`, and a stand-in whose guest speaks MQTT.

mod flash;
mod monitor;

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::support::{Outcome, Project, assert_snapshot, workspace};

/// A part that `ci/install-parts` installs, by the variable that names it or in its place.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn part(variable: &str, place: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let found = named.or_else(|| Some(workspace().join(place)).filter(|path| path.exists()));
    assert!(found.is_some() || std::env::var_os("HIL_REQUIRE_PARTS").is_none(), "{place} is missing");
    if found.is_none() {
        eprintln!("skipped: `ci/install-parts` installs what this test needs");
    }
    found.map(|path| std::path::absolute(path).expect("absolute"))
}

/// A project in which `emulator` is the stand-in.
fn with_stand_in(feature: &str, bench: &str) -> Option<Project> {
    let python = part("HIL_PYTHON", "target/parts/python/bin/python3")?;
    let program = workspace().join("fixtures/emulators/fake.py").canonicalize().expect("stand-in");
    let project = Project::with_feature(feature);
    let script = format!("#!/bin/sh\nexec '{}' '{}' \"$@\"\n", python.display(), program.display());
    project.file("emulator", &script);
    std::fs::set_permissions(project.path("emulator"), std::fs::Permissions::from_mode(0o755)).expect("executable");
    project.file("setting.bin", "a setting");
    project.file("bench.toml", bench);
    Some(project)
}

const STAND_IN: &str = r#"
[boards.chip]
kind = "emulator"
command = ["./emulator", "{flash}", "{efuse}", "{console}", "{tap.host}", "{tap.port}"]
chip = "esp32c3"
esp-image = false
flash-size = 2
mac = "24:0a:c4:00:00:07"
CONSOLE
[firmware.app]
image = { 0x10000 = "setting.bin" }
ready = "fake: ready"
"#;

fn stand_in(console: &str) -> String {
    STAND_IN.replace("CONSOLE", console)
}

const LIFE: &str = r#"Feature: f
  Scenario: it lives, falls silent in a cut, and keeps its flash
    Given the board "chip" runs the firmware "app"
    Then the console of "chip" shows "start 1, flash 0o600 of 2 MiB, mac 24:0a:c4:00:00:07, setting a setting" within 5 s
    And "chip" connects within 5 s
    When I publish "1" to "fake/set"
    Then "chip" publishes "1" to "fake/state" within 2 s
    When the power of "chip" is cut
    Then the will of "chip" is published on "fake/status"
    When the power of "chip" is restored
    Then the console of "chip" shows "start 2, flash 0o600 of 2 MiB, mac 24:0a:c4:00:00:07, setting a setting" within 5 s
    And "chip" connects within 5 s
    When the board "chip" is reset
    Then the console of "chip" shows "start 3" within 5 s
    And "chip" connects within 5 s
    When I type "hello" at the console of "chip"
    Then the console of "chip" shows "fake: heard hello" within 2 s
    And "chip" does not reboot for 1 s
"#;

fn passes(console: &str) {
    let Some(project) = with_stand_in(LIFE, &stand_in(console)) else { return };
    let outcome = project.hil(&["run", "--bench", "bench.toml", "-vv"]);
    assert_eq!(outcome.code, 0, "{}\n{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stdout.contains("(all boards emulated)"), "{}", outcome.stdout);
    let events = project.read("target/hil/latest/events.jsonl");
    assert!(events.contains("\"emulator\":\"fake emulator 1.0\""), "the report names program and version");
    let summary = project.read("target/hil/latest/summary.md");
    assert!(summary.contains("emulator esp32c3, emulated by fake emulator 1.0"), "{summary}");
}

#[test]
fn a_board_behind_a_terminal_lives_falls_silent_and_keeps_its_flash() {
    passes("");
}

#[test]
fn a_board_behind_a_socket_lives_falls_silent_and_keeps_its_flash() {
    passes("console = \"tcp\"");
}

const DIES: &str = r#"Feature: f
  Scenario: it dies
    Given the board "chip" runs the firmware "app"
    When I type "die" at the console of "chip"
    Then the console of "chip" shows "never" within 5 s
"#;

fn dies(console: &str) -> Option<Outcome> {
    let project = with_stand_in(DIES, &stand_in(console))?;
    let outcome = project.hil(&["run", "--bench", "bench.toml"]);
    let log = project.read("target/hil/latest/console-chip.log");
    assert!(log.contains("fake: last words"), "its last output is recorded: {log}");
    Some(outcome)
}

#[test]
fn an_emulator_that_dies_is_the_fault_of_the_bench() {
    let Some(outcome) = dies("") else { return };
    assert_eq!(outcome.code, 102, "{}\n{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stdout.contains("the emulator of `chip` ended with code 7, and no step asked for it"));
    assert!(outcome.stdout.contains("it wrote `fake: instruction 0xdeadbeef is not known`"), "{}", outcome.stdout);
    assert_eq!(dies("console = \"tcp\"").expect("stand-in").code, 102);
}

const NEVER_STARTS: &str = r#"Feature: f
  Scenario: there is no such program
    Given the board "gone" runs the firmware "app"
    Then "gone" connects within 5 s

  Scenario: another board
    Given the board "ends" runs the firmware "app"
    Then "ends" connects within 5 s

  Scenario: it ends at once
    Given the board "ends" runs the firmware "app"
    Then "ends" connects within 5 s

  Scenario: its flash is too small
    Given the board "ends" runs the firmware "large"
    Then "ends" connects within 5 s
"#;

const NEVER_STARTS_BENCH: &str = r#"
[boards.gone]
kind = "emulator"
command = ["no-such-emulator", "{flash}"]
esp-image = false
[boards.ends]
kind = "emulator"
command = ["sh", "-c", "echo 'no machine of that name' >&2; exit 1"]
flash-size = 2
esp-image = false
[firmware.app]
image = { 0x10000 = "setting.bin" }
[firmware.large]
image = { 0x1fffff = "setting.bin" }
"#;

#[test]
fn an_emulator_that_can_not_be_started_is_reported() {
    let project = Project::with_feature(NEVER_STARTS);
    project.file("setting.bin", "a setting");
    project.file("bench.toml", NEVER_STARTS_BENCH);
    // One after the other: scenarios on different boards overlap.
    let run = |name: &&str| project.hil(&["run", "--bench", "bench.toml", "--name", name]).stable();
    // A program that is missing is reported before the scenario of the other board runs.
    let text: Vec<_> = ["no such program|another board", "ends at once", "too small"].iter().map(run).collect();
    assert_snapshot("emulators-that-never-start", &text.join("\n"));
}

#[test]
fn wrong_keys_of_emulators_are_reported() {
    let project = Project::new();
    project.file("bench.toml", WRONG_KEYS);
    assert_snapshot("emulators-wrong-keys", &project.hil(&["boards", "--bench", "bench.toml"]).stable());
}

const WRONG_KEYS: &str = r#"
[boards.none]
kind = "emulator"
[boards.unknown]
kind = "emulator"
preset = "qemu-esp32c5"
[boards.wrong]
kind = "emulator"
preset = "qemu-esp32"
command = ["qemu", "{flash}", "{disk}"]
flash-size = 32
console = "serial"
reset = "auto"
mac = "24:0a"
esp-image = 1
port = { usb-serial = "A5" }
rails = []
pins = { led = { line = "GPIO2" } }
[boards.empty]
kind = "emulator"
command = []
[boards.real]
kind = "virtual"
preset = "qemu-esp32"
"#;

#[test]
fn boards_doctor_and_commands_outside_of_a_run_know_emulators() {
    let project = Project::new();
    project.file("bench.toml", PRESETS);
    let boards = project.hil(&["boards", "--bench", "bench.toml"]);
    assert_snapshot("emulators-boards", &boards.stable());
    let doctor = project.hil(&["doctor", "--bench", "bench.toml"]);
    let lines: Vec<_> = doctor.stdout.lines().collect();
    let of = |name: &str| {
        let at = lines.iter().position(|line| line.contains(&format!("emulator of {name} "))).expect("checked");
        let has_hint = lines.get(at + 1).is_some_and(|line| line.trim_start().starts_with("hint:"));
        lines[at..=at + usize::from(has_hint)].join("\n")
    };
    let text = ["esp32", "own", "sim"].map(of).join("\n");
    assert_snapshot("emulators-doctor", &text);
    assert_snapshot("emulators-reset", &project.hil(&["reset", "esp32", "--bench", "bench.toml"]).stable());
}

const PRESETS: &str = r#"
[boards.esp32]
kind = "emulator"
preset = "qemu-esp32"
program = "/nowhere/qemu-system-xtensa"
[boards.own]
kind = "emulator"
command = ["sh", "{flash}"]
[boards.sim]
kind = "emulator"
preset = "esp32sim"
program = "sh"
"#;

/// The program in `fixtures/emulators/virt.s`.
fn virt_image() -> Vec<u8> {
    let text = std::fs::read_to_string(workspace().join("fixtures/emulators/virt.hex")).expect("fixture");
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex");
    digits.chunks(2).map(byte).collect()
}

fn virt_bench(more: &str) -> String {
    let command = r#"command = ["qemu-system-riscv32", "-M", "virt", "-m", "32", "-bios", "none", "-display", "none", "-monitor", "none",
  "-drive", "if=pflash,unit=0,format=raw,file={flash}", "-serial", "SERIAL", "-qmp", "unix:{qmp},server=on,wait=off"]"#;
    let bench = r#"
[boards.virt]
kind = "emulator"
COMMAND
flash-size = 32
esp-image = false
MORE
[firmware.app]
image = { 0x0 = "virt.bin", 0x10000 = "setting.bin" }
ready = "virt: ready"
"#;
    bench.replace("COMMAND", command).replace("MORE", more)
}

const VIRT: &str = r#"Feature: f
  Scenario: it runs from its flash and keeps it
    Given the board "virt" runs the firmware "app"
    Then the console of "virt" shows "virt: setting a setting" within 5 s
    And the console of "virt" shows "virt: start 1" within 5 s
    When I type "hello" at the console of "virt"
    Then the console of "virt" shows "virt: heard hello" within 5 s
    When the power of "virt" is cut for 100 ms
    Then the console of "virt" shows "virt: start 2" within 10 s
    And the console of "virt" shows "virt: ready" within 10 s
    When the board "virt" is reset
    Then the console of "virt" shows "virt: start 3" within 10 s
    And the console of "virt" shows "virt: ready" within 10 s
"#;

fn virt(serial: &str, more: &str, feature: &str) -> Option<(Project, Outcome)> {
    let qemu = part("HIL_QEMU_SYSTEM_RISCV32", "target/parts/bin/qemu-system-riscv32")?;
    let project = Project::with_feature(feature);
    std::fs::write(project.path("virt.bin"), virt_image()).expect("write");
    project.file("setting.bin", "a setting");
    let program = format!("program = \"{}\"\n{more}", qemu.display());
    project.file("bench.toml", &virt_bench(&program).replace("SERIAL", serial));
    let outcome = project.hil(&["run", "--bench", "bench.toml", "-vv"]);
    Some((project, outcome))
}

/// The lamp from source, in an emulator of others: `fixtures/benches/qemu-virt.toml`. Its pin is read by the QEMU monitor.
#[test]
fn the_lamp_passes_its_features_in_qemu() {
    let Some(qemu) = part("HIL_QEMU_SYSTEM_RISCV32", "target/parts/bin/qemu-system-riscv32") else { return };
    let folder = qemu.parent().expect("folder");
    let path = std::env::join_paths(
        std::iter::once(folder.to_owned()).chain(std::env::var_os("PATH").iter().flat_map(std::env::split_paths)),
    );
    let features = ["commands", "power"].map(|name| format!("features/lamp/{name}.feature"));
    let out = Project::new();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hil"));
    command.current_dir(workspace()).env("PATH", path.expect("path")).args(["run", "--bench"]);
    command.arg("fixtures/benches/qemu-virt.toml").args(features).arg("--out").arg(out.path("run"));
    let output = command.output().expect("hil runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("10 passed"), "{said}");
    let events = out.read("run/events.jsonl");
    assert!(events.contains("\"runs\":\"emulated\""), "the record says what runs it");
}

#[test]
fn qemu_runs_what_was_flashed_behind_a_terminal() {
    let Some((project, outcome)) = virt("{console}", "", VIRT) else { return };
    assert_eq!(outcome.code, 0, "{}\n{}", outcome.stdout, outcome.stderr);
    let summary = project.read("target/hil/latest/summary.md");
    assert!(summary.contains("emulated by QEMU emulator version"), "{summary}");
}

#[test]
fn qemu_runs_what_was_flashed_behind_a_socket() {
    let Some((_, outcome)) = virt("tcp:{console}", "console = \"tcp\"", VIRT) else { return };
    assert_eq!(outcome.code, 0, "{}\n{}", outcome.stdout, outcome.stderr);
}

#[test]
fn qemu_runs_what_was_flashed_on_its_own_streams_and_is_reset_by_its_monitor() {
    let Some((project, outcome)) = virt("stdio", "console = \"stdio\"\nreset = \"qmp\"", VIRT) else { return };
    assert_eq!(outcome.code, 0, "{}\n{}", outcome.stdout, outcome.stderr);
    let events = project.read("target/hil/latest/events.jsonl");
    let starts = events.matches("\"finding\":\"boot\"").count();
    assert_eq!(starts, 2, "once, and again after the cut: not for the reset");
}

#[test]
fn a_qemu_that_ends_by_itself_is_the_fault_of_the_bench() {
    let feature = VIRT.replace("\"hello\"", "\"quit\"").replace("heard hello", "never");
    let Some((_, outcome)) = virt("{console}", "", &feature) else { return };
    assert_eq!(outcome.code, 102, "{}\n{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stdout.contains("the emulator of `virt` ended with code 3"), "{}", outcome.stdout);
}
