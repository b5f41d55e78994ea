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

  Scenario: not a button
    When I press the button "led" of "lamp" for 50 ms
    Then the pin "led" of "lamp" is on within 1 s
"#,
    );
    project.file("bench.toml", BENCH);
    let run = project.hil(&["run", "--bench", "bench.toml"]);
    assert_snapshot("pins", &run.stable());
}

/// A dead board's pins float high: a pin that is on then stands for a supply that is still there.
#[test]
fn a_pin_proves_a_cut_or_contradicts_it() {
    for (active_low, code) in [(true, 0), (false, 102)] {
        let project = Project::with_feature(
            "Feature: f\n  Scenario: s\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    And \"lamp\" is connected\n    \
             When the power of \"lamp\" is cut for 200 ms\n    Then \"lamp\" connects within 10 s\n",
        );
        project.file(
            "bench.toml",
            &BENCH
                .replace("active-low = true }", &format!("active-low = {active_low} }}"))
                .replace("[firmware", "power-pin = \"led\"\n[firmware"),
        );
        let run = project.hil(&["run", "--bench", "bench.toml", "-vv"]);
        assert_eq!(run.code, code, "{}", run.stdout);
        let said = if active_low {
            "lamp bench: the cut is proven: its pin `led` is off"
        } else {
            "the power of board `lamp` was cut, but it still has supply: its pin `led` is still on"
        };
        assert!(run.stdout.contains(said), "{}", run.stdout);
    }
}
