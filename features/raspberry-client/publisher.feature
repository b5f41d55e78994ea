@requires:pi
Feature: A Raspberry Pi client that publishes

  Scenario Outline: it sends 0 to 4, one a second, at QoS 0 and not retained: <client>
    Given the board "pi" runs the firmware "<client>"
    And "pi" is connected
    Then "pi" publishes "/^[0-4]$/" to "raspberry/topic" 5 times, every 1 s ± 200 ms
    And the program of "pi" ends with code 0 within 8 s

    Examples:
      | client          |
      | paho-publisher  |
      | paho1-publisher |

  Scenario: in order, and none is retained
    Given the board "pi" runs the firmware "paho-publisher"
    And "pi" is connected
    Then "pi" publishes to "raspberry/topic" in this order within 7 s:
      | 0 |
      | 1 |
      | 2 |
      | 3 |
      | 4 |
    And nothing is retained on "raspberry/topic"

  Scenario: each message is sent at QoS 0 and not retained
    Given the board "pi" runs the firmware "paho-publisher"
    And "pi" is connected
    Then "pi" publishes to "raspberry/topic" within 5 s with:
      | payload  | 0  |
      | QoS      | 0  |
      | retained | no |
