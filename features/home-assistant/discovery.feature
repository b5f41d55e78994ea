@requires:pi
Feature: A light that Home Assistant finds by MQTT discovery

  Scenario: it announces itself, and uses every topic that it names
    Given the board "pi" runs the firmware "home-assistant-light"
    Then "pi" announces itself to Home Assistant as a "light" within 5 s

  Scenario: it does what Home Assistant asks, and reports it
    Given the board "pi" runs the firmware "home-assistant-light"
    And "pi" has subscribed to "kitchen/set"
    When I publish "ON" to "kitchen/set"
    Then "pi" publishes to "kitchen/state" within 1 s with:
      | payload  | ON  |
      | retained | yes |

  Scenario: Home Assistant finds it when it starts later
    Given the board "pi" runs the firmware "home-assistant-light"
    Then "pi" announces itself to Home Assistant as a "light" within 5 s
    And a late subscriber to "homeassistant/light/kitchen/config" receives "/kitchen-light/", retained

  Scenario: it is unavailable without power
    Given the board "pi" runs the firmware "home-assistant-light"
    Then "pi" announces itself to Home Assistant as a "light" within 5 s
    When the power of "pi" is cut
    Then the will of "pi" is published on "kitchen/status"
