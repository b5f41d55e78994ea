@requires:pi
Feature: A Raspberry Pi client that subscribes

  Scenario Outline: it subscribes when it is connected, and prints what comes: <client>
    Given the board "pi" runs the firmware "<client>"
    Then "pi" subscribes within 5 s to:
      | raspberry/topic | 0 | 0 |
    And the console of "pi" shows "subscribed" within 5 s
    When I publish "halo" to "raspberry/topic"
    Then the console of "pi" shows "raspberry/topic halo" within 1 s

    Examples:
      | client |
      | paho   |
      | paho1  |

  Scenario Outline: it says why it is refused: code <code>, <client>
    Given the board "pi" runs the firmware "<client>"
    And "pi" has subscribed to "raspberry/topic"
    When the next CONNECT of "pi" is answered with code <code>
    And the connection of "pi" is closed
    Then the console of "pi" shows "refused with code <code>: <meaning>" within 5 s
    And "pi" connects within 10 s

    Examples:
      | client | code | meaning                   |
      | paho   | 2    | identifier rejected       |
      | paho   | 3    | server unavailable        |
      | paho   | 4    | bad user name or password |
      | paho   | 5    | not authorized            |
      | paho1  | 2    | identifier rejected       |
      | paho1  | 3    | server unavailable        |
      | paho1  | 4    | bad user name or password |
      | paho1  | 5    | not authorized            |

  Scenario Outline: code 0 is a connection: <client>
    Given the board "pi" runs the firmware "<client>"
    Then "pi" connects within 5 s
    And the console of "pi" shows "connected" within 5 s

    Examples:
      | client |
      | paho   |
      | paho1  |

  Scenario Outline: flaw: at code 1 it says nothing and asks again as MQTT 3.1: <client>
    Given the board "pi" runs the firmware "<client>"
    And "pi" has subscribed to "raspberry/topic"
    When the next CONNECT of "pi" is answered with code 1
    And the connection of "pi" is closed
    Then "pi" asks to connect within 5 s with:
      | version | 3.1.1 |
    And "pi" asks to connect within 5 s with:
      | version | 3.1 |

    Examples:
      | client |
      | paho   |
      | paho1  |

  Scenario Outline: it subscribes again when it is connected again: <client>
    Given the board "pi" runs the firmware "<client>"
    And "pi" has subscribed to "raspberry/topic"
    When the broker restarts
    Then "pi" connects within 10 s
    And "pi" subscribes within 10 s to:
      | raspberry/topic | 0 | 0 |
    When I publish "lagi" to "raspberry/topic"
    Then the console of "pi" shows "raspberry/topic lagi" within 1 s

    Examples:
      | client |
      | paho   |
      | paho1  |

  Scenario Outline: after it unsubscribes it receives nothing more: <client>
    Given the board "pi" runs the firmware "<client>"
    And "pi" has subscribed to "raspberry/topic"
    When I type "unsubscribe" at the console of "pi"
    Then "pi" unsubscribes from "raspberry/topic" within 2 s
    When I publish "halo" to "raspberry/topic"
    Then "pi" receives nothing on "raspberry/topic" for 1 s

    Examples:
      | client |
      | paho   |
      | paho1  |

  Scenario: an unreachable broker is reported until it can be reached
    When connections of "pi" are refused
    Given the board "pi" runs the firmware "paho"
    Then the console of "pi" shows "unreachable: Connection refused" within 5 s
    When connections of "pi" are accepted again
    Then "pi" connects within 5 s
