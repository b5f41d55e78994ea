@requires:client
Feature: Composite steps

  Scenario: a step that is made of other steps
    Given the client "client" is connected as "c"
    When the client "client" publishes "a \"b\"" to "t" every 100 ms
    Then "client" publishes 'a "b"' to "t" at least 2 times within 5 s
    And the client "client" is answered on "echo" within 10 s

  Scenario Outline: its arguments may come from examples
    Given the client "client" is connected as "<id>"
    Then "client" connects within 10 s with:
      | client id | <id> |

    Examples:
      | id |
      | x  |
      | y  |
