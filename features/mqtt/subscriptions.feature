@requires:client
Feature: Topics and subscriptions

  Background:
    Given the board "client" runs the firmware "mqtt-client"

  Scenario: several filters in one SUBSCRIBE are granted one by one
    When I type at the console of "client":
      """
      connect id=many
      subscribe a/b:0 c/+:1 d/#:2
      """
    Then "client" subscribes within 10 s to:
      | a/b | 0 | 0 |
      | c/+ | 1 | 1 |
      | d/# | 2 | 2 |

  Scenario Outline: a filter receives only what it matches
    When I type at the console of "client":
      """
      connect id=filters
      subscribe <filter>:1
      """
    Then "client" subscribes within 10 s to:
      | <filter> | 1 | 1 |
    When I publish "in" to "<inside>" with QoS 1
    Then "client" receives "in" on "<inside>" within 1 s
    When I publish "out" to "<outside>" with QoS 1
    Then "client" receives nothing on "#" for 300 ms

    Examples:
      | filter       | inside       | outside        |
      | sensor/+     | sensor/temp  | sensor/temp/1  |
      | sensor/#     | sensor       | sensors/temp   |
      | +/temp       | kitchen/temp | kitchen/a/temp |
      | sensor/+/now | sensor/a/now | sensor/a/then  |

  Scenario: a client that unsubscribed receives nothing more
    When I type at the console of "client":
      """
      connect id=c
      subscribe news/#:1
      """
    Then "client" subscribes within 10 s to:
      | news/# | 1 | 1 |
    When I type "unsubscribe news/#" at the console of "client"
    Then "client" unsubscribes from "news/#" within 2 s
    When I publish "late" to "news/today" with QoS 1
    Then "client" receives nothing on "news/#" for 300 ms

  Scenario: messages of one publisher arrive in their order
    When I type at the console of "client":
      """
      connect id=c
      subscribe log/#:1
      """
    Then "client" subscribes within 10 s to:
      | log/# | 1 | 1 |
    When I publish to "log/line" with QoS 1, one after another:
      | one   |
      | two   |
      | three |
    Then "client" receives on "log/line" in this order within 2 s:
      | one   |
      | two   |
      | three |
