@requires:client
Feature: WebSocket, and versions of MQTT

  Background:
    Given the board "client" runs the firmware "mqtt-client"

  Scenario Outline: messages travel over <over>
    When I type at the console of "client":
      """
      connect id=ws over=<over>
      subscribe a/#:1
      """
    Then "client" connects over "WebSocket" within 10 s
    And "client" subscribes within 10 s to:
      | a/# | 1 | 1 |
    When I publish "hello" to "a/b" with QoS 1
    Then "client" receives "hello" on "a/b" within 1 s
    And "client" acknowledges the message within 1 s

    Examples:
      | over |
      | ws   |
      | wss  |

  Scenario Outline: a client names its MQTT version
    When I type "connect id=v version=<version>" at the console of "client"
    Then "client" connects within 10 s with:
      | version | <version> |

    Examples:
      | version |
      | 3.1.1   |
      | 5       |
