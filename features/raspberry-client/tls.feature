@requires:pi
Feature: A Raspberry Pi client over TLS

  Scenario: it trusts the broker's CA and shows its own certificate
    Given the broker requires client certificates
    And the board "pi" runs the firmware "paho-tls"
    Then "pi" connects over "/^TLS 1\.[23]$/" within 5 s
    Given "pi" has subscribed to "raspberry/topic"
    When I publish "halo" to "raspberry/topic"
    Then the console of "pi" shows "raspberry/topic halo" within 1 s

  Scenario: without a certificate of its own it is refused
    Given the broker requires client certificates
    And the board "pi" runs the firmware "paho-tls-anonymous"
    Then the connection of "pi" is refused within 5 s
