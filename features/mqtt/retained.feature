@requires:client
Feature: Retained messages

  Background:
    Given the board "client" runs the firmware "mqtt-client"

  Scenario: a late subscriber gets the last retained message
    When I type at the console of "client":
      """
      connect id=r
      publish state/door open retain=yes qos=1
      publish state/door closed retain=yes qos=1
      """
    Then "client" publishes to "state/door" within 10 s with:
      | payload  | closed |
      | retained | yes    |
    And the broker acknowledges the message of "client" within 10 s
    And a late subscriber to "state/door" receives "closed", retained

  Scenario: a live message is not marked as retained
    When I type at the console of "client":
      """
      connect id=c
      subscribe state/#:1
      """
    Then "client" subscribes within 10 s to:
      | state/# | 1 | 1 |
    When I publish "open" to "state/door" with QoS 1, retained
    Then "client" receives on "state/door" within 1 s with:
      | payload  | open |
      | retained | no   |

  Scenario: an empty retained message clears it
    When I publish "open" to "state/door" with QoS 1, retained
    Then a late subscriber to "state/door" receives "open", retained
    When I type at the console of "client":
      """
      connect id=r
      publish state/door "" retain=yes qos=1
      """
    Then the broker acknowledges the message of "client" within 10 s
    And nothing is retained on "state/door"
