Feature: Commands of the lamp

  Background:
    Given the board "lamp" runs the firmware "lamp"
    And "lamp" has subscribed to "sooko/lampu"

  Scenario: `on` lights the lamp and is answered
    When I publish "on" to "sooko/lampu" with QoS 1
    Then the pin "led" of "lamp" is on within 1 s
    And "lamp" publishes "saya hidup" to "loger" within 2 s

  Scenario: `off` puts the lamp out and is answered
    When I publish "on" to "sooko/lampu" with QoS 1
    Then the pin "led" of "lamp" is on within 1 s
    When I publish "off" to "sooko/lampu" with QoS 1
    Then the pin "led" of "lamp" is off within 1 s
    And "lamp" publishes "saya mati" to "loger" within 2 s

  Scenario Outline: anything else is ignored: <payload>
    When I publish "<payload>" to "sooko/lampu" with QoS 1
    Then "lamp" receives "<payload>" on "sooko/lampu" within 1 s
    And "lamp" does not publish to "loger" for 1 s
    And the pin "led" of "lamp" stays off for 1 s

    Examples:
      | payload |
      | ON      |
      | on off  |
      | 1       |

  Scenario: three fast toggles arrive in order and none is lost
    When I publish to "sooko/lampu" with QoS 1, one after another:
      | on  |
      | off |
      | on  |
    Then "lamp" publishes to "loger" in this order within 2 s:
      | saya hidup |
      | saya mati  |
      | saya hidup |
    And the pin "led" of "lamp" is on within 2 s

  Scenario: a command at QoS 1 is acknowledged
    When I publish "on" to "sooko/lampu" with QoS 1
    Then "lamp" acknowledges the message within 500 ms
