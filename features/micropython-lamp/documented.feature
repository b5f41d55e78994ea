@requires:micropython-2
Feature: What the documented lamp does, and what that costs

  Background:
    Given the board "micropython-2" runs the firmware "lamp-micropython-documented"
    And "micropython-2" has subscribed to "sooko/lampu"

  Scenario: flaw: it asks for no keep alive and leaves no will
    Then "micropython-2" connects within 10 s with:
      | keep alive    | 0 s |
      | clean session | yes |
      | will          | no  |

  Scenario: flaw: a power cut is never noticed
    When the power of "micropython-2" is cut
    Then the connection of "micropython-2" stays open for 10 s
    And nothing is published outside "sooko/lampu" for 10 s

  Scenario: flaw: a message published at QoS 2 reaches it at QoS 0
    When I publish "on" to "sooko/lampu" with QoS 2
    Then "micropython-2" receives on "sooko/lampu" within 1 s with:
      | payload | on |
      | QoS     | 0  |
    And "micropython-2" publishes "saya hidup" to "loger" within 2 s

  Scenario: flaw: when the broker goes it leaves the network and resets itself, until the broker is back
    Given "micropython-2" may reboot
    When the broker stops
    Then the console of "micropython-2" shows "mqtt stopped" within 5 s
    And the console of "micropython-2" shows "wifi: left" within 5 s
    And the reset cause of "micropython-2" is "software" within 10 s
    When the broker starts
    Given "micropython-2" has subscribed to "sooko/lampu"
    When I publish "on" to "sooko/lampu"
    Then "micropython-2" publishes "saya hidup" to "loger" within 2 s

  Scenario: flaw: a network that is silent for long is not noticed, and what was held comes late
    When the network of "micropython-2" goes silent
    And I publish "on" to "sooko/lampu"
    Then the connection of "micropython-2" stays open for 10 s
    And "micropython-2" does not publish to "loger" for 10 s
    When the network of "micropython-2" recovers
    Then "micropython-2" publishes "saya hidup" to "loger" within 2 s
