@requires:client
Feature: Wills

  Background:
    Given the board "client" runs the firmware "mqtt-client"

  Scenario Outline: a will keeps its QoS and its retain flag
    When I type at the console of "client":
      """
      connect id=w keep-alive=2 will-topic=status/w will-payload=gone will-qos=<qos> will-retain=<retained>
      """
    Then "client" connects within 10 s with:
      | will         | yes        |
      | will topic   | status/w   |
      | will payload | gone       |
      | will QoS     | <qos>      |
      | will retained| <retained> |
    When the network of "client" goes silent
    Then the will of "client" is published on "status/w"

    Examples:
      | qos | retained |
      | 0   | no       |
      | 2   | yes      |

  Scenario: a late subscriber gets a retained will
    When I type "connect id=w will-topic=status/w will-payload=gone will-qos=1 will-retain=yes" at the console of "client"
    Then "client" connects within 10 s
    When the connection of "client" is reset
    Then a subscriber to "status/w" receives "gone" within 2 s
    And a late subscriber to "status/w" receives "gone", retained

  Scenario: a client that disconnects leaves no will
    When I type "connect id=w will-topic=status/w will-payload=gone" at the console of "client"
    Then "client" connects within 10 s
    When I type "disconnect" at the console of "client"
    Then "client" disconnects within 1 s
    And nothing is published outside "none" for 500 ms

  @requires:client-2
  Scenario: a second client of the same name takes over, and the first one's will is published
    Given the board "client-2" runs the firmware "mqtt-client"
    When I type "connect id=same will-topic=status/w will-payload=taken" at the console of "client"
    Then "client" connects within 10 s
    When I type "connect id=same" at the console of "client-2"
    Then "client-2" connects within 10 s
    And the broker disconnects "client" within 10 s
    And a subscriber to "status/w" receives "taken" within 10 s
