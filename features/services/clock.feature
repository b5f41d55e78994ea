@requires:pi
Feature: The time

  Background:
    Given the board "pi" runs the firmware "downloader"

  Scenario Outline: the clock says <moment>
    Given the clock of the network says <moment>
    When I type "time" at the console of "pi"
    Then "pi" asks for the time within 5 s
    And the console of "pi" shows "<shown>" within 5 s

    Examples:
      | moment               | shown                  |
      | 2020-02-29           | time 2020-02-29T00:00: |
      | 2036-02-07T06:28:10Z | time 2036-02-07T06:28: |
      | 2038-01-19T03:14:07Z | time 2038-01-19T03:14: |

  Scenario: the clock is ten minutes slow, and then right
    Given the clock of the network is 10 min slow
    When I type "time" at the console of "pi"
    Then "pi" asks for the time within 5 s
    And the console of "pi" shows "/^time 20/" within 5 s
    When the clock of the network is right
    And I type "time" at the console of "pi"
    Then the console of "pi" shows "/^time 20/" within 5 s

  Scenario: the clock is silent
    Given the clock of the network is silent
    When I type "time" at the console of "pi"
    Then "pi" asks for the time within 5 s
    And the console of "pi" shows "no time" within 10 s

  Scenario: a silent network loses questions
    When the network of "pi" goes silent
    And I type "time" at the console of "pi"
    Then the console of "pi" shows "no time" within 10 s

  Scenario: without a command the time is not asked for
    Then "pi" does not ask for the time for 500 ms

  Scenario: connections that are refused do not keep questions away
    When connections of "pi" are refused
    Then "pi" does not ask for the time for 300 ms
    When I type "time" at the console of "pi"
    Then "pi" asks for the time within 5 s
