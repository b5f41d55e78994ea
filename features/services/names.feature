Feature: Names of the network

  Scenario: a name that the network knows
    Given the network of "lamp" knows the name "broker.example"
    And the board "lamp" runs the firmware "lamp-by-name"
    Then "lamp" asks for the name "broker.example" within 10 s
    And "lamp" connects within 10 s

  Scenario: a name that the network does not know yet
    Given the network of "lamp" does not know the name "broker.example"
    And the board "lamp" runs the firmware "lamp-by-name"
    Then "lamp" asks for the name "broker.example" within 10 s
    And "lamp" asks for the name "broker.example" within 20 s
    When the network of "lamp" knows the name "broker.example"
    Then "lamp" connects within 20 s

  Scenario: a name server that does not answer
    Given the network of "lamp" answers no questions for names
    And the board "lamp" runs the firmware "lamp-by-name"
    Then "lamp" asks for the name "broker.example" within 10 s
    And "lamp" asks for the name "broker.example" within 20 s
