@requires:client
Feature: MQTT 5

  Background:
    Given the board "client" runs the firmware "mqtt-client"

  @requires:client-2
  Scenario: properties of a message reach its receiver
    Given the board "client-2" runs the firmware "mqtt-client"
    When I type at the console of "client":
      """
      connect id=receiver version=5
      subscribe a/#:1
      """
    Then "client" subscribes within 10 s to:
      | a/# | 1 | 1 |
    When I type at the console of "client-2":
      """
      connect id=sender version=5
      publish a/b 28 qos=1 user.unit=celsius content-type=text/plain expiry=60
      """
    Then "client" receives on "a/b" within 10 s with:
      | payload               | 28         |
      | user property unit    | celsius    |
      | property content type | text/plain |
      | property message expiry interval | /^(59\|60)$/ |

  @requires:client-2
  Scenario: a request names its response topic
    Given the board "client-2" runs the firmware "mqtt-client"
    When I type at the console of "client":
      """
      connect id=responder version=5
      subscribe ask/#:1
      """
    Then "client" subscribes within 10 s to:
      | ask/# | 1 | 1 |
    When I type at the console of "client-2":
      """
      connect id=requester version=5
      subscribe answer/me:1
      publish ask/temp "?" qos=1 response-topic=answer/me correlation=7
      """
    Then "client" receives on "ask/temp" within 10 s with:
      | property response topic   | answer/me |
      | property correlation data | 7         |
    When I type "publish answer/me 28 qos=1 correlation=7" at the console of "client"
    Then "client-2" receives on "answer/me" within 2 s with:
      | payload                   | 28 |
      | property correlation data | 7  |

  @requires:client-2
  Scenario: a message that has expired is not delivered
    When I type at the console of "client":
      """
      connect id=late version=5 clean=no session-expiry=60
      subscribe news/#:1
      disconnect
      """
    Then "client" disconnects within 10 s
    Given the board "client-2" runs the firmware "mqtt-client"
    When I type at the console of "client-2":
      """
      connect id=sender version=5
      publish news/old stale qos=1 expiry=1
      publish news/new fresh qos=1
      """
    Then the broker acknowledges the message of "client-2" within 10 s
    When the network of "client" goes silent for 2 s
    And I type "connect id=late version=5 clean=no session-expiry=60" at the console of "client"
    Then "client" receives on "news/#" in this order within 10 s:
      | fresh |

  Scenario: a session that has expired is gone
    When I type at the console of "client":
      """
      connect id=brief version=5 clean=no session-expiry=1
      subscribe news/#:1
      disconnect
      """
    Then "client" disconnects within 10 s
    When the network of "client" goes silent for 3 s
    And I type "connect id=brief version=5 clean=no session-expiry=1" at the console of "client"
    Then "client" connects within 10 s and finds no session

  Scenario: a will waits for its delay
    When I type "connect id=w version=5 session-expiry=60 will-topic=status/w will-payload=gone will-delay=2" at the console of "client"
    Then "client" connects within 10 s with:
      | will delay     | 2 s  |
      | session expiry | 60 s |
    When the connection of "client" is reset
    Then nothing is published outside "none" for 1500 ms
    And a subscriber to "status/w" receives "gone" within 5 s

  Scenario: a topic alias replaces its topic
    When I type at the console of "client":
      """
      connect id=alias version=5
      publish a/long/topic first alias=1 qos=1
      publish "" second alias=1 qos=1
      """
    Then "client" publishes to "a/long/topic" within 10 s with:
      | payload          | first |
      | topic alias used | no    |
    And "client" publishes to "a/long/topic" within 10 s with:
      | payload          | second |
      | topic alias used | yes    |
    And a subscriber to "a/long/topic" receives "second" within 10 s

  @requires:client-2
  Scenario: a shared subscription gives each message to one member
    Given the board "client-2" runs the firmware "mqtt-client"
    When I type at the console of "client":
      """
      connect id=one version=5
      subscribe $share/team/work:1
      """
    And I type at the console of "client-2":
      """
      connect id=two version=5
      subscribe $share/team/work:1
      """
    Then "client-2" subscribes within 10 s to:
      | $share/team/work | 1 | 1 |
    When I publish "job" to "work" with QoS 1
    Then the console of "client" or "client-2" shows "received `job`" exactly once within 2 s, settling for 500 ms

  @requires:client-2
  Scenario: a client whose name is taken over is disconnected
    Given the board "client-2" runs the firmware "mqtt-client"
    When I type "connect id=same version=5" at the console of "client"
    Then "client" connects within 10 s
    When I type "connect id=same version=5" at the console of "client-2"
    Then the broker disconnects "client" within 10 s
