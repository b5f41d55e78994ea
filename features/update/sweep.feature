@opt-in
Feature: An update of the lamp that is disturbed at many moments

  Takes some minutes: `hil run features/update/sweep.feature`.

  Background:
    Given the board "lamp-ota" runs the firmware "app-1"
    And "lamp-ota" has subscribed to "sooko/update"
    And the update "app-2" is offered
    When I publish to "sooko/update" with QoS 1, retained the text:
      """
      {"version": "${captured:update_version}", "url": "${captured:update_url}", "length": ${captured:update_size}, "sha256": "${captured:update_sha256}"}
      """

  Scenario: the power is cut at twenty moments
    Then "lamp-ota" survives 20 power cuts in its update from "app-1" to "app-2" within 600 s

  Scenario: it is reset at ten moments
    Then "lamp-ota" survives 10 resets in its update from "app-1" to "app-2" within 300 s

  Scenario: its network is silent at five moments
    Then "lamp-ota" survives 5 silences in its update from "app-1" to "app-2" within 300 s
