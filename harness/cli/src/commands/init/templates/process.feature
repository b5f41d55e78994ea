Feature: NAME

  Background:
    Given the board "NAME" runs the firmware "NAME"
    And "NAME" has subscribed to "NAME/set"

  Scenario: a command is acknowledged and answered
    When I publish "on" to "NAME/set" with QoS 1
    Then "NAME" acknowledges the message within 1 s
    And "NAME" publishes "on" to "NAME/state" within 2 s
