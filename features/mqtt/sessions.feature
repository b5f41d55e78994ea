@requires:client
Feature: Sessions

  Background:
    Given the board "client" runs the firmware "mqtt-client"

  Scenario: a persistent session receives what it missed
    When I type at the console of "client":
      """
      connect id=keeper clean=no
      subscribe news/#:1
      disconnect
      """
    Then "client" disconnects within 10 s
    When I publish "missed" to "news/today" with QoS 1
    And I type "connect id=keeper clean=no" at the console of "client"
    Then "client" connects within 10 s and finds its session
    And "client" receives "missed" on "news/today" within 10 s

  Scenario: a clean session starts empty
    When I type at the console of "client":
      """
      connect id=forgetful clean=no
      subscribe news/#:1
      disconnect
      connect id=forgetful clean=yes
      """
    Then "client" connects within 10 s and finds no session
    And "client" connects within 10 s and finds no session
    When I publish "news" to "news/today" with QoS 1
    Then "client" receives nothing on "#" for 300 ms

  Scenario: sessions and retained messages survive a restart of a broker that keeps its state
    Given the broker keeps its state over a restart
    When I type at the console of "client":
      """
      connect id=durable clean=no
      subscribe news/#:1
      publish state/x kept retain=yes qos=1
      """
    Then the broker acknowledges the message of "client" within 10 s
    When I type "disconnect" at the console of "client"
    Then "client" disconnects within 3 s
    When the broker restarts
    Then a late subscriber to "state/x" receives "kept", retained
    When I type "connect id=durable clean=no" at the console of "client"
    Then "client" connects within 10 s and finds its session

  Scenario: without persistence, a restart loses everything
    When I type at the console of "client":
      """
      connect id=gone clean=no
      publish state/x lost retain=yes qos=1
      disconnect
      """
    Then "client" disconnects within 10 s
    When the broker restarts
    Then nothing is retained on "state/x"
    When I type "connect id=gone clean=no" at the console of "client"
    Then "client" connects within 10 s and finds no session
