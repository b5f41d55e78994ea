@requires:client
Feature: Faults of the network

  Background:
    Given the board "client" runs the firmware "mqtt-client"

  Scenario Outline: the tap answers a CONNECT with code <code>
    When the next CONNECT of "client" is answered with code <code>
    And I type "connect id=x" at the console of "client"
    Then "client" is refused with code <code> within 10 s
    And the console of "client" shows "refused with code <code>" within 10 s

    Examples:
      | code |
      | 1    |
      | 3    |
      | 5    |

  Scenario: a held CONNACK arrives when it is released
    When the next CONNACK to "client" is held for 500 ms
    And I type "connect id=x" at the console of "client"
    Then "client" connects within 10 s

  Scenario: a dropped message does not arrive
    When I type at the console of "client":
      """
      connect id=c
      subscribe a/#:1
      """
    Then "client" subscribes within 10 s to:
      | a/# | 1 | 1 |
    When the next PUBLISH on "a/b" to "client" is dropped
    And I publish "lost" to "a/b"
    And I publish "found" to "a/b"
    Then "client" receives "found" on "a/b" within 1 s
    And "client" receives nothing on "a/b" for 300 ms

  Scenario: a duplicated message arrives twice
    When I type at the console of "client":
      """
      connect id=c
      subscribe a/#:0
      """
    Then "client" subscribes within 10 s to:
      | a/# | 0 | 0 |
    When the next PUBLISH to "client" is duplicated
    And I publish "twice" to "a/b"
    Then "client" receives on "a/b" in this order within 1 s:
      | twice |
      | twice |

  Scenario: an overtaken message arrives after the next
    When I type at the console of "client":
      """
      connect id=c
      subscribe a/#:0
      """
    Then "client" subscribes within 10 s to:
      | a/# | 0 | 0 |
    When the next PUBLISH to "client" is overtaken
    And I publish "first" to "a/b"
    And I publish "second" to "a/b"
    Then the console of "client" shows "second" within 1 s
    And the console of "client" shows "first" within 1 s

  Scenario: a corrupted message arrives changed
    When I type at the console of "client":
      """
      connect id=c
      subscribe a/#:0
      """
    Then "client" subscribes within 10 s to:
      | a/# | 0 | 0 |
    When the next PUBLISH to "client" is corrupted
    And I publish "on" to "a/b"
    Then "client" receives "oo" on "a/b" within 1 s

  Scenario: a delayed packet arrives late
    When I type at the console of "client":
      """
      connect id=c
      subscribe a/#:0
      """
    Then "client" subscribes within 10 s to:
      | a/# | 0 | 0 |
    When the next PUBLISH to "client" is delayed by 400 ms
    And I publish "slow" to "a/b"
    Then "client" receives "slow" on "a/b" within 2 s

  Scenario: a refused client connects when connections are accepted again
    When connections of "client" are refused
    And I type "connect id=x" at the console of "client"
    Then the console of "client" shows "no connection" within 10 s
    When connections of "client" are accepted again
    And I type "connect id=x" at the console of "client"
    Then "client" connects within 10 s

  Scenario: a narrow network is slow but loses nothing
    When I type at the console of "client":
      """
      connect id=c
      subscribe a/#:1
      """
    Then "client" subscribes within 10 s to:
      | a/# | 1 | 1 |
    When the network of "client" carries no more than 200 B/s
    And I publish "a message of a hundred bytes or so, which takes half a second at two hundred bytes in a second" to "a/b" with QoS 1
    Then "client" receives "/hundred bytes/" on "a/b" within 5 s
    And "client" acknowledges the message within 5 s

  Scenario: a slow network is late but in order
    When I type at the console of "client":
      """
      connect id=c
      subscribe a/#:1
      """
    Then "client" subscribes within 10 s to:
      | a/# | 1 | 1 |
    When the network of "client" is delayed by 100 ms ± 50 ms
    And I publish to "a/b" with QoS 1, one after another:
      | 1 |
      | 2 |
      | 3 |
    Then "client" receives on "a/b" in this order within 3 s:
      | 1 |
      | 2 |
      | 3 |
    And 100 percent of the acknowledgements of "client" take no more than 1 s

  Scenario: silence in one direction
    When I type at the console of "client":
      """
      connect id=c
      subscribe a/#:1
      """
    Then "client" subscribes within 10 s to:
      | a/# | 1 | 1 |
    When the network of "client" goes silent towards the broker
    And I publish "heard" to "a/b"
    Then "client" receives "heard" on "a/b" within 1 s
    When the network of "client" recovers
    Then "client" publishes nothing for 300 ms
