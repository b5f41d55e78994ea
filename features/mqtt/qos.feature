@requires:client
Feature: Quality of service

  Background:
    Given the board "client" runs the firmware "mqtt-client"

  Scenario: a message at QoS 0 is sent and forgotten
    When I type at the console of "client":
      """
      connect id=c keep-alive=30
      publish a/b hello
      """
    Then "client" publishes to "a/b" within 10 s with:
      | payload | hello |
      | QoS     | 0     |
    And a subscriber to "a/b" receives "hello" within 10 s

  Scenario Outline: a message is acknowledged as its QoS asks
    When I type at the console of "client":
      """
      connect id=c keep-alive=30
      publish a/b hello qos=<qos>
      """
    Then "client" publishes to "a/b" within 10 s with:
      | payload | hello |
      | QoS     | <qos> |
      | DUP     | no    |
    And a subscriber to "a/b" receives "hello" within 10 s
    And <acknowledgement>

    Examples:
      | qos | acknowledgement                                                        |
      | 1   | the broker acknowledges the message of "client" within 10 s            |
      | 2   | "client" and the broker complete the QoS 2 exchange within 10 s        |

  Scenario Outline: a message arrives at the lower of both QoS
    When I type at the console of "client":
      """
      connect id=c
      subscribe a/#:<subscribed>
      """
    Then "client" subscribes within 10 s to:
      | a/# | <subscribed> | <subscribed> |
    When I publish "x" to "a/b" with QoS <published>
    Then "client" receives on "a/b" within 1 s with:
      | payload | x         |
      | QoS     | <arrives> |

    Examples:
      | published | subscribed | arrives |
      | 2         | 0          | 0       |
      | 1         | 2          | 1       |
      | 2         | 2          | 2       |
      | 0         | 2          | 0       |

  Scenario: an exchange at QoS 2 towards a client has four packets
    When I type at the console of "client":
      """
      connect id=c
      subscribe a/#:2
      """
    Then "client" subscribes within 10 s to:
      | a/# | 2 | 2 |
    When I publish "once" to "a/b" with QoS 2
    Then "client" and the broker complete the QoS 2 exchange within 1 s
    And "client" acknowledges the message within 1 s

  Scenario: a message whose acknowledgement is lost is sent again with DUP when the session resumes
    When I type at the console of "client":
      """
      connect id=again clean=no
      """
    Then "client" connects within 10 s
    When the next PUBACK to "client" is dropped
    And I type "publish a/b important qos=1" at the console of "client"
    Then "client" publishes "important" to "a/b" within 1 s
    And a PUBACK to "client" is dropped within 2 s
    When I type at the console of "client":
      """
      drop
      connect id=again clean=no
      """
    Then "client" connects within 10 s and finds its session
    And "client" publishes its message again with DUP within 10 s
    And the broker acknowledges the message of "client" within 10 s

  Scenario: what a client does not acknowledge is delivered again with DUP
    When I type at the console of "client":
      """
      connect id=lazy clean=no
      acknowledge no
      subscribe a/#:1
      """
    Then "client" subscribes within 10 s to:
      | a/# | 1 | 1 |
    When I publish "precious" to "a/b" with QoS 1
    Then "client" receives "precious" on "a/b" within 1 s
    And the console of "client" shows "received `precious`" within 1 s
    When I type at the console of "client":
      """
      acknowledge yes
      drop
      connect id=lazy clean=no
      """
    Then "client" receives a message again with DUP within 10 s
