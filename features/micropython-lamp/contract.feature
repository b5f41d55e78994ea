@requires:micropython
Feature: The lamp in MicroPython keeps the lamp's contract

  Scenario Outline: `on` lights it and is answered: <firmware>
    Given the board "micropython" runs the firmware "<firmware>"
    And "micropython" has subscribed to "sooko/lampu"
    When I publish "on" to "sooko/lampu" with QoS 1
    Then the pin "led" of "micropython" is on within 1 s
    And "micropython" publishes "saya hidup" to "loger" within 2 s

    Examples:
      | firmware                    |
      | lamp-micropython            |
      | lamp-micropython-documented |

  Scenario Outline: `off` puts it out and is answered: <firmware>
    Given the board "micropython" runs the firmware "<firmware>"
    And "micropython" has subscribed to "sooko/lampu"
    When I publish "on" to "sooko/lampu"
    Then the pin "led" of "micropython" is on within 1 s
    When I publish "off" to "sooko/lampu"
    Then the pin "led" of "micropython" is off within 1 s
    And "micropython" publishes "saya mati" to "loger" within 2 s

    Examples:
      | firmware                    |
      | lamp-micropython            |
      | lamp-micropython-documented |

  Scenario Outline: anything else is ignored: <firmware>, <payload>
    Given the board "micropython" runs the firmware "<firmware>"
    And "micropython" has subscribed to "sooko/lampu"
    When I publish "<payload>" to "sooko/lampu"
    Then "micropython" receives "<payload>" on "sooko/lampu" within 1 s
    And "micropython" does not publish to "loger" for 1 s
    And the pin "led" of "micropython" stays off for 1 s

    Examples:
      | firmware                    | payload |
      | lamp-micropython            | ON      |
      | lamp-micropython            | nyala   |
      | lamp-micropython-documented | ON      |
      | lamp-micropython-documented | nyala   |

  Scenario: the same scripts are not uploaded twice
    Given the board "micropython" runs the firmware "lamp-micropython"
    When the board "micropython" is flashed with the firmware "lamp-micropython"
    Then the flashing of "micropython" was skipped
    And the console of "micropython" shows "mqtt: starting" within 10 s
