Feature: NAME

  # What the lamp that is part of hil does: it takes commands on sooko/lampu and answers on loger.
  # Replace this by what your firmware does. `hil steps` lists all steps.
  Background:
    Given the board "NAME" runs the firmware "NAME"
    And "NAME" has subscribed to "sooko/lampu"

  Scenario: `on` lights the lamp and is answered
    When I publish "on" to "sooko/lampu" with QoS 1
    Then the pin "led" of "NAME" is on within 1 s
    And "NAME" publishes "saya hidup" to "loger" within 2 s
