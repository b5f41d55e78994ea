Feature: Two lamps on one topic

  Background:
    Given the board "lamp" runs the firmware "lamp"
    And "lamp" has subscribed to "sooko/lampu"
    And the board "lamp-2" runs the firmware "lamp"
    And "lamp-2" has subscribed to "sooko/lampu"

  Scenario: both answer one `on`, and each answer is its own lamp's
    When I publish "on" to "sooko/lampu" with QoS 1
    Then "lamp" publishes "saya hidup" to "loger" exactly once within 2 s, settling for 500 ms
    And "lamp-2" publishes "saya hidup" to "loger" exactly once within 2 s, settling for 500 ms
    And the pin "led" of "lamp" is on within 1 s
    And the pin "led" of "lamp-2" is on within 1 s

  Scenario: when one has no network the other answers alone
    When the network of "lamp-2" goes silent
    And I publish "on" to "sooko/lampu" with QoS 1
    Then "lamp" publishes "saya hidup" to "loger" within 2 s
    And "lamp-2" does not publish to "loger" for 2 s
    And the pin "led" of "lamp-2" stays off for 2 s
