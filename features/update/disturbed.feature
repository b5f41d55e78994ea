Feature: An update of the lamp that is disturbed

  Background:
    Given the board "lamp-ota-2" runs the firmware "app-1"
    And "lamp-ota-2" has subscribed to "sooko/update"
    And the update "app-2" is offered
    When I publish to "sooko/update" with QoS 1, retained the text:
      """
      {"version": "${captured:update_version}", "url": "${captured:update_url}", "length": ${captured:update_size}, "sha256": "${captured:update_sha256}"}
      """

  Scenario: after a power cut in the middle it runs the old version, and takes the update again
    When "lamp-ota-2" has loaded 60 % of the update "app-2"
    And the power of "lamp-ota-2" is cut for 500 ms
    Then "lamp-ota-2" runs the firmware "app-1" within 10 s
    And the slot of "lamp-ota-2" is "ota_0"
    And "lamp-ota-2" runs the firmware "app-2" within 30 s

  Scenario: a new version that does not reach the broker gives the old one its place back
    When "lamp-ota-2" has loaded 90 % of the update "app-2"
    And connections of "lamp-ota-2" are refused
    Then "lamp-ota-2" runs the firmware "app-2" within 30 s
    Then "lamp-ota-2" has gone back to the firmware "app-1" within 20 s
    And the slot of "lamp-ota-2" is "ota_0"
    When connections of "lamp-ota-2" are accepted again
    Then "lamp-ota-2" publishes "/^1\.1\.0\S* refused: it was taken back$/" to "sooko/update/state", retained, within 30 s

  Scenario: a new version is on trial for one start
    When "lamp-ota-2" has loaded 90 % of the update "app-2"
    And connections of "lamp-ota-2" are refused
    Then "lamp-ota-2" runs the firmware "app-2" within 30 s
    And the console of "lamp-ota-2" shows "wifi: connected" within 10 s
    When the power of "lamp-ota-2" is cut for 100 ms
    Then "lamp-ota-2" has gone back to the firmware "app-1" within 10 s

  Scenario: whenever its power is cut, it comes back with one of the two versions
    Then "lamp-ota-2" survives 4 power cuts in its update from "app-1" to "app-2" within 300 s
