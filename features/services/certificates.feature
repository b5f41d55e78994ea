Feature: Certificates that must be refused

  @requires:pi
  Scenario Outline: where files are loaded: it <flaw>
    Given the certificate of the server <flaw>
    And the board "pi" runs the firmware "downloader"
    And the update "lamp-native" is offered to "pi"
    When I type "gets ${captured:update_path}" at the console of "pi"
    Then "pi" refuses the certificate of the server within 10 s
    And the console of "pi" shows "/^failed after 0 bytes: .*CERTIFICATE_VERIFY_FAILED/" within 5 s

    Examples:
      | flaw                 |
      | has expired          |
      | is not yet valid     |
      | is for another name  |
      | is of an unknown CA  |
      | is self-signed       |
      | lacks its chain      |
      | has a weak signature |

  Scenario Outline: at the broker: it <flaw>
    Given the board "client" runs the firmware "mqtt-client"
    And the certificate of the broker <flaw>
    When I type "connect id=t over=tls" at the console of "client"
    Then "client" refuses the certificate within 10 s

    Examples:
      | flaw                 |
      | has expired          |
      | is not yet valid     |
      | is for another name  |
      | is of an unknown CA  |
      | is self-signed       |
      | lacks its chain      |
      | has a weak signature |

  Scenario: the next scenario has its own certificate again
    Given the board "client" runs the firmware "mqtt-client"
    When I type "connect id=t over=tls" at the console of "client"
    Then "client" connects over "/^TLS 1\.[23]$/" within 10 s
