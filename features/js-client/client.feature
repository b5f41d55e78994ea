@requires:js
Feature: A JavaScript client

  Scenario Outline: it connects, subscribes with a wildcard and sends JSON with metadata: <firmware>
    Given the board "js" runs the firmware "<firmware>"
    Then "js" connects within 5 s
    And "js" subscribes within 5 s to:
      | js/+/data | 1 | 1 |
    And "js" publishes to "js/status" within 5 s the JSON:
      """
      { "state": "online", "meta": { "source": "js-client", "connections": 1, "unit": "°C" } }
      """
    When I publish to "js/teras/data" the text:
      """
      {"value": 28.5, "meta": {"unit": "°C"}}
      """
    Then the console of "js" shows "got js/teras/data 28.5 °C" within 1 s

    Examples:
      | firmware     |
      | js           |
      | js-websocket |

  Scenario: it connects over WebSocket
    Given the board "js" runs the firmware "js-websocket"
    Then "js" connects over "/^WebSocket/" within 5 s

  Scenario Outline: it tries again every half second, and comes back by itself: <firmware>
    Given the board "js" runs the firmware "<firmware>"
    And "js" has subscribed to "js/teras/data"
    When the broker stops
    Then the console of "js" shows "closed" within 2 s
    And the console of "js" shows "reconnecting" within 2 s
    And "js" tries to connect 4 times, every 500 ms ± 200 ms
    When the broker starts
    Then "js" connects within 3 s
    And "js" subscribes within 3 s to:
      | js/+/data | 1 | 1 |

    Examples:
      | firmware     |
      | js           |
      | js-websocket |

  Scenario: it gives up a connection that is not answered in time
    Given the board "js" runs the firmware "js"
    And "js" has subscribed to "js/teras/data"
    When the next CONNACK to "js" is held for 10 s
    And the connection of "js" is closed
    Then "js" asks to connect within 2 s with:
      | client id | js-client |
    And the console of "js" shows "error: connack timeout" within 5 s
    And "js" goes without DISCONNECT within 5 s
