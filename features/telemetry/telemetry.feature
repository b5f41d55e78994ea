@requires:pub @requires:sub
Feature: Temperature telemetry from a publisher to a subscriber

  Scenario: the payload is exactly this text, in UTF-8
    Given the board "pub" runs the firmware "telemetry-publisher"
    And "pub" is connected
    Then "pub" publishes to "sister/temp" within 5 s with:
      | payload | Suhu: 28°C              |
      | hex     | 537568753a203238c2b043 |
      | QoS     | 0                       |

  Scenario: it comes every second
    Given the board "pub" runs the firmware "telemetry-publisher"
    And "pub" is connected
    Then "pub" publishes "/^Suhu: -?[0-9]+°C$/" to "sister/temp" 5 times, every 1 s ± 200 ms

  Scenario: every message reaches the subscriber, in order
    Given the board "sub" runs the firmware "telemetry-subscriber"
    And "sub" has subscribed to "sister/temp"
    And the board "pub" runs the firmware "telemetry-publisher"
    Then every message that "pub" sends for 3 s reaches "sub" within 200 ms, in order

  Scenario: the subscriber prints each message once
    Given the board "sub" runs the firmware "telemetry-subscriber"
    And "sub" has subscribed to "sister/temp"
    When I publish "Suhu: 31°C" to "sister/temp"
    Then the console of "sub" shows "got Suhu: 31°C" exactly once within 1 s, settling for 500 ms

  Scenario: flaw: a subscriber on another topic receives nothing and reports no error
    Given the board "sub" runs the firmware "telemetry-subscriber-elsewhere"
    And "sub" has subscribed to "sister/suhu"
    And the board "pub" runs the firmware "telemetry-publisher"
    And "pub" is connected
    Then "pub" publishes "Suhu: 28°C" to "sister/temp" within 2 s
    And "sub" receives nothing on "#" for 2 s

  Scenario Outline: without a broker, the clients report it and exit: <firmware>
    When connections of "<board>" are refused
    And the board "<board>" is flashed with the firmware "<firmware>"
    Then the console of "<board>" shows "connection refused: does a broker listen on port" within 5 s
    And the program of "<board>" ends with code 2 within 2 s

    Examples:
      | board | firmware             |
      | pub   | telemetry-publisher  |
      | sub   | telemetry-subscriber |

  Scenario: both exit cleanly
    Given the board "sub" runs the firmware "telemetry-subscriber"
    And "sub" has subscribed to "sister/temp"
    And the board "pub" runs the firmware "telemetry-publisher"
    And "pub" is connected
    When the program of "pub" is asked to end
    Then "pub" disconnects within 2 s
    And the program of "pub" ends with code 0 within 2 s
    When the program of "sub" is asked to end
    Then "sub" disconnects within 2 s
    And the program of "sub" ends with code 0 within 2 s
