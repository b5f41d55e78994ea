# A scenario that does not care which lamp it gets names a role. The bench file says which boards fit:
# `[roles.any-lamp] tags = ["lamp"]`. With two lamps, two scenarios run at a time.
@requires:any-lamp
Feature: Whichever lamp is free

  Scenario Outline: a free lamp answers `<command>`
    Given the board "any-lamp" runs the firmware "lamp"
    And "any-lamp" has subscribed to "sooko/lampu"
    When I publish "<command>" to "sooko/lampu" with QoS 1
    Then "any-lamp" publishes "<answer>" to "loger" within 2 s
    And the pin "led" of "any-lamp" is <command> within 1 s

    Examples:
      | command | answer     |
      | on      | saya hidup |
      | off     | saya mati  |

  @requires:other-lamp
  Scenario: two roles are two lamps
    Given the board "any-lamp" runs the firmware "lamp"
    And "any-lamp" has subscribed to "sooko/lampu"
    And the board "other-lamp" runs the firmware "lamp"
    And "other-lamp" has subscribed to "sooko/lampu"
    When the network of "other-lamp" goes silent
    And I publish "on" to "sooko/lampu" with QoS 1
    Then "any-lamp" publishes "saya hidup" to "loger" within 2 s
    And "other-lamp" does not publish to "loger" for 1 s
    And the pin "led" of "other-lamp" stays off for 1 s
