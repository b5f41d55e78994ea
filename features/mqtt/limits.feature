@requires:client @requires:client-2
Feature: Limits and statistics of the broker

  Background:
    Given the board "client" runs the firmware "mqtt-client"
    And the board "client-2" runs the firmware "mqtt-client"

  Scenario: a full broker accepts no more clients
    Given the broker takes no more than 1 connection
    When I type "connect id=first" at the console of "client"
    Then "client" connects within 10 s
    When I type "connect id=second" at the console of "client-2"
    Then the console of "client-2" shows "/refused with code|connection lost/" within 10 s

  Scenario: the broker counts its clients
    When I type "connect id=first" at the console of "client"
    And I type "connect id=second" at the console of "client-2"
    Then a subscriber to "$SYS/broker/clients/connected" receives "/^[3-9]$/" within 14 s
