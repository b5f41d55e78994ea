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
