Feature: The lamp takes updates over HTTPS only from a server that it can trust

  It has no clock of its own: it asks the network for the time before it checks a certificate.

  Background:
    Given the board "ota-lamp" runs the firmware "app-1"
    And "ota-lamp" has subscribed to "sooko/update"

  Scenario: a good certificate for a name that must be asked for
    Given the network of "ota-lamp" knows the name "updates.example"
    And the update "app-2" is offered
    When I publish to "sooko/update" with QoS 1, retained the text:
      """
      {"version": "${captured:update_version}", "url": "https://updates.example:${captured:update_port}${captured:update_path}", "length": ${captured:update_size}, "sha256": "${captured:update_sha256}"}
      """
    Then "ota-lamp" loads the update "app-2" within 45 s
    And "ota-lamp" runs the firmware "app-2" within 60 s

  Scenario Outline: a certificate that <flaw>
    Given the certificate of the server <flaw>
    And the update "app-2" is offered
    When I publish to "sooko/update" with QoS 1, retained the text:
      """
      {"version": "${captured:update_version}", "url": "${captured:update_https_url}", "length": ${captured:update_size}, "sha256": "${captured:update_sha256}"}
      """
    Then "ota-lamp" refuses the certificate of the server within 20 s
    And "ota-lamp" publishes "/^1\.1\.0\S* failed: \S+: its certificate <why> \(time \d+\), next attempt/" to "sooko/update/state", retained, within 30 s
    And "ota-lamp" does not request the update "app-2" for 6 s

    Examples:
      | flaw                | why                 |
      | has expired         | has expired         |
      | is for another name | is for another name |
      | is self-signed      | is of an unknown CA |

  Scenario: a clock that is wrong until it is set
    Given the clock of the network says 2038-01-19
    And the update "app-2" is offered
    When I publish to "sooko/update" with QoS 1, retained the text:
      """
      {"version": "${captured:update_version}", "url": "${captured:update_https_url}", "length": ${captured:update_size}, "sha256": "${captured:update_sha256}"}
      """
    Then "ota-lamp" refuses the certificate of the server within 20 s
    And "ota-lamp" publishes "/^1\.1\.0\S* failed: \S+: its certificate has expired \(time 21474\d+\), next attempt/" to "sooko/update/state", retained, within 30 s
    When the clock of the network is right
    Then "ota-lamp" runs the firmware "app-2" within 60 s

  Scenario: nothing says what time it is
    Given the clock of the network is silent
    And the update "app-2" is offered
    When I publish to "sooko/update" with QoS 1, retained the text:
      """
      {"version": "${captured:update_version}", "url": "${captured:update_https_url}", "length": ${captured:update_size}, "sha256": "${captured:update_sha256}"}
      """
    Then "ota-lamp" publishes "/^1\.1\.0\S* failed: the time server does not answer, next attempt/" to "sooko/update/state", retained, within 30 s
    And "ota-lamp" does not request the update "app-2" for 8 s
