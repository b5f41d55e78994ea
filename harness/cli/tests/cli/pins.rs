//! Steps about pins.

use crate::support::{Project, assert_snapshot};

const BENCH: &str = r#"
[boards.lamp]
kind = "virtual"
pins = { led = { line = "GPIO2", active-low = true }, button = { line = "GPIO5", direction = "drive" } }
[firmware.lamp]
image = "builtin:lamp"
nvs = { "mqtt.host" = "{tap.host}", "mqtt.port" = "{tap.port}" }
ready = "mqtt: starting"
"#;

#[test]
fn pulses_are_counted_and_buttons_pressed() {
    let project = Project::with_feature(
        r#"Feature: f
  Background:
    Given the board "lamp" runs the firmware "lamp"
    And "lamp" has subscribed to "sooko/lampu"

  Scenario Outline: <count> pulses
    When I publish to "sooko/lampu" with QoS 1, one after another:
      | on  |
      | off |
      | on  |
      | off |
    Then the pin "led" of "lamp" pulses <count> times within 1 s
    Examples:
      | count |
      | 2     |
      | 3     |

  Scenario: button
    When I press the button "button" of "lamp" for 50 ms
    And the pin "button" of "lamp" is driven on
    Then the pin "button" of "lamp" is on within 1 s
"#,
    );
    project.file("bench.toml", BENCH);
    let run = project.hil(&["run", "--bench", "bench.toml"]);
    assert_snapshot("pins", &run.stable());
}

/// The lamp is lit by its first message. A dead board's pins float high, so that the LED, which is lit by a low level, is
/// off without supply.
const CUT: &str = "Feature: f\n  Scenario: s\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    And \"lamp\" has subscribed to \"sooko/lampu\"\n    \
     When I publish \"on\" to \"sooko/lampu\" with QoS 1\n    Then the pin \"led\" of \"lamp\" is on within 5 s\n    \
     When the power of \"lamp\" is cut for 200 ms\n    Then \"lamp\" connects within 10 s\n";

fn cut(feature: &str, active_low: bool) -> crate::support::Outcome {
    let project = Project::with_feature(feature);
    project.file(
        "bench.toml",
        &BENCH
            .replace("active-low = true }", &format!("active-low = {active_low} }}"))
            .replace("[firmware", "power-pin = \"led\"\n[firmware"),
    );
    project.hil(&["run", "--bench", "bench.toml", "-vv"])
}

#[test]
fn a_pin_that_was_on_and_goes_off_proves_a_cut() {
    let run = cut(CUT, true);
    assert_eq!(run.code, 0, "{}", run.stdout);
    let said = "lamp power cut sensed: its pin `led` was on before the cut and is off after it";
    assert!(run.stdout.contains(said), "{}", run.stdout);
}

/// It is off whether there is supply or not.
#[test]
fn a_pin_that_was_never_on_proves_no_cut() {
    let never_lit = CUT.lines().filter(|line| !line.contains("sooko/lampu") && !line.contains("the pin"));
    let run = cut(
        &never_lit
            .collect::<Vec<_>>()
            .join("\n")
            .replace("    When the power", "    And \"lamp\" is connected\n    When the power"),
        true,
    );
    assert_eq!(run.code, 0, "{}", run.stdout);
    let said = "lamp power cut unproven: its pin `led` was off before the cut already";
    assert!(run.stdout.contains(said), "{}", run.stdout);
}

#[test]
fn a_pin_that_stays_on_contradicts_a_cut() {
    let run = cut(&CUT.replace("is on within", "is off within"), false);
    assert_eq!(run.code, 102, "{}", run.stdout);
    assert!(run.stdout.contains("lamp power cut contradicted: its pin `led` is still on"), "{}", run.stdout);
    let said = "the power of board `lamp` was cut, but it still has supply: its pin `led` is still on";
    assert!(run.stdout.contains(said), "{}", run.stdout);
}
