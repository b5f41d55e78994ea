@requires:client
Feature: Contents, number and timing of messages

  Background:
    Given the board "client" runs the firmware "mqtt-client"

  Scenario: a payload as text, JSON and bytes
    When I type at the console of "client":
      """
      connect id=p
      publish sister/temp "Suhu: 28°C"
      publish sister/json '{"temp": {"value": 28.5, "unit": "C"}, "tags": ["a", "b"], "extra": true}'
      publish sister/raw "" hex=ff00a1
      """
    Then "client" publishes to "sister/temp" within 10 s the text:
      """
      Suhu: 28°C
      """
    And "client" publishes to "sister/json" within 10 s the JSON:
      """
      { "temp": { "value": 28.5 }, "tags": ["a", "b"] }
      """
    And "client" publishes to "sister/raw" within 10 s with:
      | hex  | ff 00 a1 |
      | size | 3 bytes  |

  Scenario: a value somewhere in JSON
    When I type at the console of "client":
      """
      connect id=p
      publish sister/json '{"temp": {"value": 28.5}, "list": [1, {"deep": "yes"}]}'
      """
    Then "client" publishes to "sister/json" within 10 s with:
      | json $.temp.value   | /^2[0-9][.]5$/ |
      | json $.list[1].deep | yes        |

  Scenario: one message every 500 ms
    When I type "connect id=p" at the console of "client"
    Then "client" connects within 10 s
    When I type "repeat 5 500 publish tick {n}" at the console of "client"
    Then "client" publishes "/^\d$/" to "tick" 5 times, every 500 ms ± 200 ms

  Scenario: three messages, no more and no fewer
    When I type "connect id=p" at the console of "client"
    Then "client" connects within 10 s
    When I type "repeat 3 10 publish tick {n}" at the console of "client"
    Then "client" publishes 3 messages to "tick" within 1 s

  Scenario: one message, once
    When I type "connect id=p" at the console of "client"
    Then "client" connects within 10 s
    When I type "publish once only" at the console of "client"
    Then "client" publishes "only" to "once" exactly once within 1 s, settling for 500 ms

  Scenario: a message is received once
    When I type at the console of "client":
      """
      connect id=p
      subscribe once:1
      """
    Then "client" subscribes within 10 s to:
      | once | 1 | 1 |
    When I publish "only" to "once" with QoS 1
    Then "client" receives "only" on "once" exactly once within 1 s, settling for 500 ms
    And 100 percent of the acknowledgements of "client" take no more than 1 s
