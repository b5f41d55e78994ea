@requires:micropython
Feature: The improved lamp does what a lamp should

  Background:
    Given the board "micropython" runs the firmware "lamp-micropython"
    And "micropython" has subscribed to "sooko/lampu"

  Scenario: it connects with its will, a keep alive and a clean session
    Then "micropython" connects within 10 s with:
      | client id     | /^lamp-[0-9a-f]{6}$/ |
      | keep alive    | 5 s                  |
      | clean session | yes                  |
      | will          | yes                  |
      | will topic    | sooko/status         |
      | will payload  | offline              |
      | will QoS      | 1                    |
      | will retained | yes                  |
    And "micropython" publishes "online" to "sooko/status", retained, within 15 s
    And a late subscriber to "sooko/status" receives "online", retained

  Scenario: three fast toggles arrive in order and none is lost
    When I publish to "sooko/lampu" with QoS 1, one after another:
      | on  |
      | off |
      | on  |
    Then "micropython" publishes to "loger" in this order within 2 s:
      | saya hidup |
      | saya mati  |
      | saya hidup |
    And the pin "led" of "micropython" is on within 2 s

  Scenario: a command at QoS 1 is acknowledged
    When I publish "on" to "sooko/lampu" with QoS 1
    Then "micropython" acknowledges the message within 500 ms

  Scenario: after a power cut its will comes once, in time, and is retained
    When the power of "micropython" is cut
    Then no will of "micropython" is published for 3 s
    And the will of "micropython" is published exactly once on "sooko/status", settling for 2 s
    And a late subscriber to "sooko/status" receives "offline", retained

  Scenario: when the power is back it reports online and works
    When the power of "micropython" is cut
    Then the will of "micropython" is published on "sooko/status"
    When the power of "micropython" is restored
    Then the reset cause of "micropython" is "power-on" within 5 s
    And "micropython" connects within 15 s
    And "micropython" publishes "online" to "sooko/status", retained, within 10 s
    Given "micropython" has subscribed to "sooko/lampu"
    When I publish "on" to "sooko/lampu" with QoS 1
    Then "micropython" publishes "saya hidup" to "loger" within 2 s
    And the pin "led" of "micropython" is on within 1 s

  Scenario: a network that is silent for less than a keep alive loses nothing
    When the network of "micropython" goes silent
    And I publish to "sooko/lampu" with QoS 1, one after another:
      | on  |
      | off |
    Then no will of "micropython" is published for 3 s
    When the network of "micropython" recovers
    Then "micropython" publishes to "loger" in this order within 2 s:
      | saya hidup |
      | saya mati  |
    And no will of "micropython" is published for 5 s

  Scenario: a network that is lost for longer is noticed by both sides, and it comes back
    When the network of "micropython" goes silent
    Then the will of "micropython" is published on "sooko/status"
    And the console of "micropython" shows "mqtt: lost: the broker does not answer" within 15 s
    When the network of "micropython" recovers
    Then "micropython" connects within 15 s
    And "micropython" publishes "online" to "sooko/status", retained, within 15 s

  Scenario: after a restart of the broker it comes back with growing pauses
    When the broker stops
    Then "micropython" tries to connect 3 times with growing pauses within 20 s
    When the broker starts
    Then "micropython" connects within 10 s
    Given "micropython" has subscribed to "sooko/lampu"
    When I publish "on" to "sooko/lampu" with QoS 1
    Then "micropython" publishes "saya hidup" to "loger" within 2 s

  Scenario: it does not hammer a broker that is away
    When the broker stops
    Then "micropython" tries to connect 4 times with growing pauses of no more than 2 s within 20 s
    And "micropython" tries to connect no more than 20 times a minute for 3 s

  Scenario: a reset is one reboot, and the lamp says why
    When the board "micropython" is reset
    Then "micropython" reboots once within 5 s
    And the console of "micropython" shows "reset reason: " within 10 s
    And "micropython" connects within 15 s
