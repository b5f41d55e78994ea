Feature: A step of one's own

  Scenario: a lamp that is left alone is quiet
    Given the board "lamp" runs the firmware "lamp"
    And "lamp" has subscribed to "sooko/lampu"
    When I publish "nothing to do" to "sooko/lampu"
    Then the console of "lamp" shows at most 3 lines for 500 ms
    And "lamp" has sent only messages of at most 100 bytes
    And I am patient
