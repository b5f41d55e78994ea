Feature: Session of the lamp

  Scenario: it connects with its will, a keep alive and a clean session
    Given the board "lamp" runs the firmware "lamp"
    Then "lamp" connects within 10 s with:
      | client id     | /^lamp-[0-9a-f]{6}$/ |
      | keep alive    | 5 s                  |
      | clean session | yes                  |
      | will          | yes                  |
      | will topic    | sooko/status         |
      | will payload  | offline              |
      | will QoS      | 1                    |
      | will retained | yes                  |
    And "lamp" publishes "online" to "sooko/status", retained, within 10 s
    And a late subscriber to "sooko/status" receives "online", retained

  Scenario: after a restart of the broker it comes back with growing pauses
    Given the board "lamp" runs the firmware "lamp"
    And "lamp" is connected
    When the broker stops
    Then "lamp" tries to connect 3 times with growing pauses within 20 s
    When the broker starts
    Then "lamp" connects within 10 s
    Given "lamp" has subscribed to "sooko/lampu"
    When I publish "on" to "sooko/lampu" with QoS 1
    Then "lamp" publishes "saya hidup" to "loger" within 2 s

  Scenario: it does not hammer a broker that is away
    Given the board "lamp" runs the firmware "lamp"
    And "lamp" is connected
    When the broker stops
    Then "lamp" tries to connect 4 times with growing pauses of no more than 2500 ms within 20 s
    And "lamp" tries to connect no more than 20 times a minute for 3 s

  Scenario: a reset is one reboot, and the lamp says why
    Given the board "lamp" runs the firmware "lamp"
    And "lamp" is connected
    When the board "lamp" is reset
    Then "lamp" reboots once within 5 s
    And the console of "lamp" shows "reset reason: " within 10 s
    And "lamp" connects within 15 s
