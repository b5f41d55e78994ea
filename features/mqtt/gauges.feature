Feature: Gauges and silent consoles

  @requires:client
  Scenario: a number on a console
    Given the board "client" runs the firmware "mqtt-client"
    And the gauge "heap" of "client" is "/heap (?<heap>\d+)/" on its console
    When I type "connect id=g" at the console of "client"
    Then "client" connects within 10 s
    When I type "subscribe in" at the console of "client"
    Then "client" subscribes within 10 s to:
      | in | 0 | 0 |
    When I publish to "in", one after another:
      | heap 21000 |
      | heap 20500 |
      | heap 20800 |
    Then the gauge "heap" of "client" is 20800 ± 0 within 5 s
    And the gauge "heap" of "client" is above 20000
    And the gauge "heap" of "client" stays between 20000 and 22000 for 500 ms
    And the gauge "heap" of "client" does not fall by more than 5 % over 600 ms
    And the console of "client" does not show "error" for 500 ms

  @requires:client
  Scenario: a number that a step finds on a console is a gauge from then on
    Given the board "client" runs the firmware "mqtt-client"
    When I type "connect id=g" at the console of "client"
    Then "client" connects within 10 s
    When I type "subscribe in" at the console of "client"
    Then "client" subscribes within 10 s to:
      | in | 0 | 0 |
    When I publish to "in", one after another:
      | left 3 |
      | left 2 |
    Then the console of "client" shows "/left (?<left>\d)/" within 5 s
    And the gauge "left" of "client" is 2 ± 0 within 5 s

  @requires:client
  Scenario: numbers in messages
    Given the board "client" runs the firmware "mqtt-client"
    And the gauge "temp" of "client" is what it publishes to "temp"
    And the gauge "rssi" of "client" is "$.wifi.rssi" in what it publishes to "state"
    When I type "connect id=g" at the console of "client"
    Then "client" connects within 10 s
    When I type at the console of "client":
      """
      publish temp 21.5
      publish state '{"wifi": {"rssi": -61}}'
      publish temp 22.25
      publish state '{"up": true}'
      """
    Then the gauge "temp" of "client" is 22.25 ± 0 within 5 s
    And the gauge "rssi" of "client" is below -60 within 5 s
    And the gauge "temp" of "client" does not rise by more than 1 over 500 ms

  @requires:lamp
  Scenario: a number over reconnects
    Given the board "lamp" runs the firmware "lamp"
    And the gauge "uptime" of "lamp" is "/^[IW] \((?<uptime>\d+)\)/" on its console
    And "lamp" is connected
    When the connection of "lamp" is closed 3 times
    Then the gauge "uptime" of "lamp" does not fall by more than 5 % over 3 reconnects
