Feature: The lamp and its access point

  Background:
    Given the board "lamp" runs the firmware "lamp"
    And "lamp" is connected

  Scenario: after a lost access point the lamp comes back by itself
    When the access point of "lamp" goes away
    Then the console of "lamp" shows "wifi: disconnected" within 10 s
    And the will of "lamp" is published on "sooko/status"
    When the access point of "lamp" comes back
    Then "lamp" connects within 20 s
    And "lamp" publishes "online" to "sooko/status", retained, within 20 s
    Given "lamp" has subscribed to "sooko/lampu"
    When I publish "on" to "sooko/lampu" with QoS 1
    Then "lamp" publishes "saya hidup" to "loger" within 2 s

  Scenario: the access point of all boards is away for a moment
    When the access point goes away
    Then the console of "lamp" shows "wifi: disconnected" within 10 s
    When the access point comes back
    Then "lamp" connects within 20 s
