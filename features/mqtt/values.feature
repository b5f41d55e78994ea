@requires:client
Feature: Numbers, every message, and values for later steps

  Background:
    Given the board "client" runs the firmware "mqtt-client"
    When I type "connect id=v" at the console of "client"
    Then "client" connects within 10 s

  Scenario Outline: a payload is a number: <payload> is <condition>
    When I type "publish temp <payload>" at the console of "client"
    Then "client" publishes to "temp" a number <condition> within 5 s

    Examples:
      | payload | condition       |
      | 21.5    | above 15        |
      | -3      | below 0         |
      | 15      | at least 15     |
      | 1e400   | at least 15     |
      | 15.0    | at most 15      |
      | 20.5    | of 20 ± 0.5     |
      | 5       | between 1 and 5 |

  Scenario: numbers and absent fields in a table
    When I type "publish temp '{\"temp\": 21.5, \"unit\": \"C\", \"big\": 1e300}'" at the console of "client"
    Then "client" publishes to "temp" within 5 s with:
      | field        | value               |
      | json $.temp  | is between 20 and 22 |
      | json $.big   | is above 1000       |
      | json $.unit  | C                   |
      | json $.error | is absent           |
      | size         | is at most 100      |

  Scenario: every message of a board, and every message on a topic
    When I type "repeat 5 100 publish temp 2{n}.5" at the console of "client"
    Then every message that "client" publishes to "temp" for 1 s is a number between 20 and 25
    And every message that "client" publishes to "temp" for 1 s matches:
      | payload | /^2\d\.5$/    |
      | QoS     | 0             |
      | size    | is at least 4 |
    And every message on "temp" for 1 s matches "/^2/"
    And every message on "#" for 1 s is a number

  Scenario: a message, whatever its payload is, and several
    When I type "repeat 4 50 publish tick {n}" at the console of "client"
    Then "client" publishes to "tick" within 5 s
    And "client" publishes "/^[12]$/" to "tick" at least 2 times within 5 s
    And "client" publishes to "tick" at least 1 time within 5 s

  Scenario: a value of a message in later steps
    When I type at the console of "client":
      """
      subscribe dev/+/set
      publish dev/new '{"id": "a.7", "key": 42}'
      """
    Then "client" publishes to "dev/new" within 5 s with:
      | json $.id  | /(?<id>.+)/   |
      | json $.key | /^(?<key>.*)$/ |
    When I publish '{"for": "${captured:id}", "key": ${captured:key}}' to "dev/${captured:id}/set"
    Then "client" receives '/"for": *"${captured:id}"/' on "dev/a.7/set" within 5 s
    And the console of "client" shows "/QoS (?<qos>\d)/" within 5 s
    When I publish to "dev/${captured:qos}/set" the text:
      """
      ${captured:key}
      """
    Then "client" receives on "dev/0/set" within 5 s with:
      | payload | is 42 ± 0 |

  Scenario: what came during a wait has come
    When I type "repeat 3 50 publish tick {n}" at the console of "client"
    And I wait 500 ms
    Then "client" publishes "2" to "tick" within 1 s
    And "client" publishes nothing for 300 ms
