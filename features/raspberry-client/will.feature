@requires:pi
Feature: The will of a Raspberry Pi client

  Background:
    Given the board "pi" runs the firmware "paho"
    And "pi" has subscribed to "raspberry/topic"

  Scenario: when the network is lost its will is published, in time
    When the network of "pi" goes silent
    Then the will of "pi" is published on "raspberry/status"

  Scenario: when the power is cut its will is published, in time
    When the power of "pi" is cut
    Then the will of "pi" is published exactly once on "raspberry/status", settling for 1 s

  Scenario: when its program crashes its will is published at once: the system closes its connection
    When the program of "pi" is killed
    Then "pi" goes without DISCONNECT within 1 s
    And a subscriber to "raspberry/status" receives "/Off/" within 1 s

  Scenario: after a clean disconnect there is no will
    When the program of "pi" is asked to end
    Then "pi" disconnects within 2 s
    And the program of "pi" ends with code 0 within 3 s
    And no will of "pi" is published for 6 s

  Scenario: when the power is back it works again
    When the power of "pi" is cut
    Then the will of "pi" is published on "raspberry/status"
    When the power of "pi" is restored
    Then "pi" connects within 5 s
    Given "pi" has subscribed to "raspberry/topic"
    When I publish "halo" to "raspberry/topic"
    Then the console of "pi" shows "raspberry/topic halo" within 1 s
