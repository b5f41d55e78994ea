@requires:pi
Feature: Files for updates over the air

  Background:
    Given the board "pi" runs the firmware "downloader"

  Scenario: the app of a firmware is offered over HTTP
    Given the update "lamp-native" is offered
    When I type "get ${captured:update_url}" at the console of "pi"
    Then "pi" requests the update "lamp-native" within 5 s
    And "pi" loads the update "lamp-native" within 5 s
    And the console of "pi" shows "got 200, ${captured:update_size} bytes, sha256 ${captured:update_sha256}" within 5 s

  Scenario: and over HTTPS, with a certificate of the bench's CA
    Given the update "lamp-native" is offered
    When I type "gets ${captured:update_path}" at the console of "pi"
    Then "pi" loads the update "lamp-native" within 5 s
    And the console of "pi" shows "got 200, ${captured:update_size} bytes, sha256 ${captured:update_sha256}" within 5 s

  Scenario: a part of it is loaded
    Given the update "lamp-native" is offered
    When I type "get ${captured:update_path} 1000" at the console of "pi"
    Then "pi" loads the update "lamp-native" within 5 s
    And the console of "pi" shows "got 206," within 5 s

  Scenario: without a command nothing is requested
    Given the update "lamp-native" is offered
    Then "pi" does not request the update "lamp-native" for 500 ms

  Scenario Outline: the server misbehaves: <option> <value>
    Given the update "lamp-native" is offered with:
      | option   | value   |
      | <option> | <value> |
    When I type "get ${captured:update_path}" at the console of "pi"
    Then "pi" requests the update "lamp-native" within 5 s
    And the console of "pi" shows "<shown>" within 10 s

    Examples:
      | option    | value   | shown                           |
      | status    | 404     | failed: status 404              |
      | status    | 500     | failed: status 500              |
      | redirect  | yes     | got 200, ${captured:update_size} bytes |
      | encoding  | chunked | got 200, ${captured:update_size} bytes |
      | length    | +1000   | /^failed after .*IncompleteRead/ |
      | closes at | 50 %    | /^failed after .*IncompleteRead/ |
      | resets at | 50 %    | /^failed after/                 |
      | stalls at | 50 %    | /^failed after .*timed out/     |

  Scenario: a server that ignores ranges sends the whole file
    Given the update "lamp-native" is offered with:
      | option | value |
      | ranges | no    |
    When I type "get ${captured:update_path} 1000" at the console of "pi"
    Then the console of "pi" shows "got 200, ${captured:update_size} bytes" within 10 s

  Scenario: an altered file has another hash
    Given the update "lamp-native" is offered with:
      | option  | value   |
      | content | altered |
    When I type "get ${captured:update_path}" at the console of "pi"
    Then the console of "pi" shows "got 200, ${captured:update_size} bytes" within 5 s
    And the console of "pi" does not show "${captured:update_sha256}" for 300 ms

  Scenario: only the first request fails
    Given the update "lamp-native" is offered with:
      | option | value |
      | status | 503   |
      | times  | 1     |
    When I type "get ${captured:update_path}" at the console of "pi"
    Then the console of "pi" shows "failed: status 503" within 5 s
    When I type "get ${captured:update_path}" at the console of "pi"
    Then the console of "pi" shows "got 200" within 5 s

  Scenario: the network is silent in the middle of a load, which then goes on
    Given the update "lamp-native" is offered
    When the network of "pi" goes silent
    And I type "get ${captured:update_path}" at the console of "pi"
    And the network of "pi" goes silent for 500 ms
    And the network of "pi" recovers
    Then "pi" loads the update "lamp-native" within 5 s

  Scenario: connections are refused
    Given the update "lamp-native" is offered
    When connections of "pi" are refused
    And I type "get ${captured:update_path}" at the console of "pi"
    Then the console of "pi" shows "/^failed after 0 bytes: .*refused/" within 5 s

  Scenario: a power cut in the middle of a load is a silence
    Given the update "lamp-native" is offered with:
      | option    | value |
      | stalls at | 50 %  |
    When I type "get ${captured:update_path}" at the console of "pi"
    Then "pi" requests the update "lamp-native" within 5 s
    When "pi" has loaded 49 % of the update "lamp-native"
    And the power of "pi" is cut
    Then the console of "pi" does not show "failed" for 300 ms
