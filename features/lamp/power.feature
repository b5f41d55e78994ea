Feature: The lamp and its supply

  Background:
    Given the board "lamp" runs the firmware "lamp"
    And "lamp" is connected

  Scenario: after a power cut its will comes once, in time, and is retained
    When the power of "lamp" is cut
    Then no will of "lamp" is published for 3 s
    And the will of "lamp" is published exactly once on "sooko/status", settling for 2 s
    And a late subscriber to "sooko/status" receives "offline", retained

  Scenario: when the power is back it reports online and works
    When the power of "lamp" is cut
    Then the will of "lamp" is published on "sooko/status"
    When the power of "lamp" is restored
    Then the reset cause of "lamp" is "power-on" within 5 s
    And "lamp" connects within 15 s
    And "lamp" publishes "online" to "sooko/status", retained, within 15 s
    Given "lamp" has subscribed to "sooko/lampu"
    When I publish "on" to "sooko/lampu" with QoS 1
    Then "lamp" publishes "saya hidup" to "loger" within 2 s
    And the pin "led" of "lamp" is on within 1 s

  Scenario: a network that is silent for less than a keep alive loses nothing
    Given "lamp" has subscribed to "sooko/lampu"
    When the network of "lamp" goes silent
    And I publish to "sooko/lampu" with QoS 1, one after another:
      | on  |
      | off |
    Then no will of "lamp" is published for 3 s
    When the network of "lamp" recovers
    Then "lamp" publishes to "loger" in this order within 2 s:
      | saya hidup |
      | saya mati  |
    And no will of "lamp" is published for 5 s
