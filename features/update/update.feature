Feature: The lamp takes updates over the air

  The same program as another version is offered, and announced with a message that the broker keeps.

  Background:
    Given the board "lamp-ota" runs the firmware "app-1"
    And "lamp-ota" has subscribed to "sooko/update"

  Scenario: it takes an update, and the next one
    Given the update "app-2" is offered
    When I publish to "sooko/update" with QoS 1, retained the text:
      """
      {"version": "${captured:update_version}", "url": "${captured:update_url}", "length": ${captured:update_size}, "sha256": "${captured:update_sha256}"}
      """
    Then "lamp-ota" loads the update "app-2" within 30 s
    And "lamp-ota" runs the firmware "app-2" within 30 s
    And the slot of "lamp-ota" is "ota_1"
    And "lamp-ota" publishes "/^1\.1\.0\S* runs$/" to "sooko/update/state", retained, within 30 s
    When the board "lamp-ota" is reset
    Then "lamp-ota" runs the firmware "app-2" within 10 s
    And "lamp-ota" connects within 20 s
    Given the update "app-1" is offered with:
      | option   | value   |
      | encoding | chunked |
      | redirect | yes     |
    When I publish to "sooko/update" with QoS 1, retained the text:
      """
      {"version": "${captured:update_version}", "url": "${captured:update_url}", "length": ${captured:update_size}, "sha256": "${captured:update_sha256}"}
      """
    Then "lamp-ota" runs the firmware "app-1" within 30 s
    And the slot of "lamp-ota" is "ota_0"
    And "lamp-ota" publishes "/^1\.0\.0\S* runs$/" to "sooko/update/state", retained, within 30 s

  Scenario: an update whose hash is wrong is not started
    Given the update "app-2" is offered with:
      | option  | value   |
      | content | altered |
    When I publish to "sooko/update" with QoS 1, retained the text:
      """
      {"version": "${captured:update_version}", "url": "${captured:update_url}", "length": ${captured:update_size}, "sha256": "${captured:update_sha256}"}
      """
    Then "lamp-ota" loads the update "app-2" within 30 s
    And "lamp-ota" still runs the firmware "app-1" for 7 s
    And "lamp-ota" publishes "/^1\.1\.0\S* refused: its SHA-256 is not the announced one$/" to "sooko/update/state", retained, within 10 s
    And the slot of "lamp-ota" is "ota_0"

  Scenario: an update that is larger than a slot is not even loaded
    Given the update "app-2" is offered
    When I publish to "sooko/update" with QoS 1, retained the text:
      """
      {"version": "${captured:update_version}", "url": "${captured:update_url}", "length": 1310721, "sha256": "${captured:update_sha256}"}
      """
    Then "lamp-ota" publishes "/^1\.1\.0\S* refused: 1310721 bytes, and the slot has 1310720$/" to "sooko/update/state", retained, within 5 s
    And "lamp-ota" does not request the update "app-2" for 2 s

  Scenario: a server that stalls costs an attempt, and the lamp answers meanwhile
    Given the update "app-2" is offered with:
      | option    | value |
      | stalls at | 50 %  |
      | times     | 1     |
    When I publish to "sooko/update" with QoS 1, retained the text:
      """
      {"version": "${captured:update_version}", "url": "${captured:update_url}", "length": ${captured:update_size}, "sha256": "${captured:update_sha256}"}
      """
    And "lamp-ota" has loaded 49 % of the update "app-2"
    And I publish "on" to "sooko/lampu" with QoS 1
    Then "lamp-ota" publishes "saya hidup" to "loger" within 2 s
    And "lamp-ota" publishes "/^1\.1\.0\S* failed: the server is silent for 10 s, next attempt in \d+ ms$/" to "sooko/update/state", retained, within 20 s
    And "lamp-ota" runs the firmware "app-2" within 30 s
