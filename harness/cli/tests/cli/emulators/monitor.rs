//! Resets and pins of emulated boards, by the monitor that an emulator has and by programs that ask it.

use super::{part, stand_in, with_stand_in};
use crate::support::{assert_snapshot, workspace};

/// The stand-in with a monitor, as QEMU has one.
fn monitored(more: &str) -> String {
    stand_in(more).replace("\"{tap.port}\"]", "\"{tap.port}\", \"{qmp}\"]")
}

const RESET: &str = r#"Feature: f
  Scenario: it is reset while its process goes on
    Given the board "chip" runs the firmware "app"
    Then the console of "chip" shows "fake: start 1" within 5 s
    When the board "chip" is reset
    Then the console of "chip" shows "fake: reset after stop" within 5 s
    And the console of "chip" shows "fake: ready" within 5 s
    When the power of "chip" is cut for 100 ms
    Then the console of "chip" shows "fake: start 2" within 5 s
"#;

#[test]
fn a_board_is_reset_by_the_monitor_of_its_emulator_or_by_programs() {
    let commands = r#"[boards.chip.reset]
strategy = "command"
hold = ["./emulator", "--monitor", "{qmp}", "stop"]
run = ["./emulator", "--monitor", "{qmp}", "system_reset", "cont"]
loader = ["false"]"#;
    for reset in ["reset = \"qmp\"", commands] {
        let Some(project) = with_stand_in(RESET, &monitored(reset)) else { return };
        let outcome = project.hil(&["run", "--bench", "bench.toml", "-vv"]);
        assert_eq!(outcome.code, 0, "{reset}\n{}\n{}", outcome.stdout, outcome.stderr);
    }
}

const NOT_RESET: &str = r#"Feature: f
  Scenario: it is reset
    Given the board "chip" runs the firmware "app"
    When the board "chip" is reset
    Then "chip" connects within 5 s
"#;

#[test]
fn a_reset_that_the_emulator_does_not_do_is_the_fault_of_the_bench() {
    let refused = r#"[boards.chip.reset]
strategy = "command"
hold = ["./emulator", "--monitor", "{qmp}", "halt"]
run = ["true"]
loader = ["true"]"#;
    // Without `{qmp}` in its command, the emulator has no monitor there.
    let mut text = String::new();
    for bench in [stand_in("reset = \"qmp\""), monitored(refused)] {
        let Some(project) = with_stand_in(NOT_RESET, &bench) else { return };
        text.push_str(&project.hil(&["run", "--bench", "bench.toml"]).stable());
        text.push('\n');
    }
    assert_snapshot("emulators-not-reset", &without_paths(&text));
}

/// Without the path of the monitor, which is another one in each run.
fn without_paths(text: &str) -> String {
    let socket = |word: &str| word.contains("/hil-emulator-");
    let line = |line: &str| {
        line.split(' ').map(|word| if socket(word) { "SOCKET" } else { word }).collect::<Vec<_>>().join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

const BUTTON: &str = r#"
[boards.chip.pins.button]
on = ["./emulator", "--monitor", "{qmp}", "button-on"]
off = ["./emulator", "--monitor", "{qmp}", "button-off"]
"#;

const PINS: &str = r#"Feature: f
  Scenario: pins are programs
    Given the board "chip" runs the firmware "app"
    When I type "led on" at the console of "chip"
    Then the pin "led" of "chip" is on within 5 s
    When the pin "button" of "chip" is driven on
    Then the console of "chip" shows "fake: button is on" within 5 s
    When the pin "button" of "chip" is driven off
    Then the console of "chip" shows "fake: button is off" within 5 s
    When the power of "chip" is cut
    Then the pin "led" of "chip" is off within 5 s
    When the power of "chip" is restored
    Then the console of "chip" shows "fake: ready" within 5 s
    When the pin "button" of "chip" is driven on
    Then the console of "chip" shows "fake: button is on" within 5 s
"#;

/// Before the emulator runs there is nothing to drive, and its monitor can't be asked.
#[test]
fn pins_are_watched_and_driven_by_programs_that_ask_the_monitor() {
    let Some(python) = part("HIL_PYTHON", "target/parts/python/bin/python3") else { return };
    let word = workspace().join("fixtures/emulators/qemu_word.py").canonicalize().expect("fixture");
    let (python, word) = (python.display(), word.display());
    let led = format!("[boards.chip.pins.led]\nwatch = ['{python}', '{word}', '{{qmp}}', '0x1000']\n");
    let pins = format!("{led}{BUTTON}");
    let project = with_stand_in(PINS, &monitored(&pins)).expect("stand-in");
    let outcome = project.hil(&["run", "--bench", "bench.toml", "-vv"]);
    assert_eq!(outcome.code, 0, "{}\n{}", outcome.stdout, outcome.stderr);
    let log = project.read("target/hil/latest/console-chip.log");
    assert!(log.trim_end().ends_with("fake: button is off"), "it is released at the end: {log}");
}

const ABSENT: &str = r#"Feature: f
  Scenario: it can't be pressed while it is off
    Given the board "chip" runs the firmware "app"
    When the power of "chip" is cut
    And the pin "button" of "chip" is driven on
    Then the console of "chip" shows "fake: button is on" within 1 s
"#;

#[test]
fn a_pin_of_an_emulator_that_is_off_can_not_be_driven_on() {
    let Some(project) = with_stand_in(ABSENT, &monitored(BUTTON)) else { return };
    let outcome = project.hil(&["run", "--bench", "bench.toml"]);
    assert_eq!(outcome.code, 102, "{}\n{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stdout.contains("pin `button`"), "{}", outcome.stdout);
}
