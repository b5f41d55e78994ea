@requires:client @requires:mosquitto
Feature: A broker that crashes or hangs

  Background:
    Given the board "client" runs the firmware "mqtt-client"

  Scenario: a crash loses what was not saved
    When I type at the console of "client":
      """
      connect id=c clean=no
      publish state/x lost retain=yes qos=1
      """
    Then the broker acknowledges the message of "client" within 10 s
    When the broker crashes
    Then the broker disconnects "client" within 1 s
    When the broker starts
    Then nothing is retained on "state/x"
    When I type "connect id=c clean=no" at the console of "client"
    Then "client" connects within 10 s and finds no session

  Scenario: a paused broker answers when it resumes
    When I type "connect id=c" at the console of "client"
    Then "client" connects within 10 s
    When the broker is paused
    And I type "publish a/b waiting qos=1" at the console of "client"
    Then "client" receives nothing on "#" for 300 ms
    When the broker goes on
    Then the broker acknowledges the message of "client" within 2 s
