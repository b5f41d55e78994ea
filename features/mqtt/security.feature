@requires:client
Feature: Users, access and certificates

  Background:
    Given the board "client" runs the firmware "mqtt-client"

  Scenario: the right password is accepted
    Given the broker requires the user "lamp" with the password "wonderland"
    When I type "connect id=u user=lamp password=wonderland" at the console of "client"
    Then "client" connects within 10 s with:
      | user     | lamp |
      | password | yes  |

  Scenario Outline: <who> is refused
    Given the broker requires the user "lamp" with the password "wonderland"
    When I type "connect id=u version=<version> <login>" at the console of "client"
    Then "client" is refused with code <code> within 10 s

    Examples:
      | who                             | version | login                           | code |
      | a wrong password                | 3.1.1   | user=lamp password=looking      | 5    |
      | an unknown user                 | 3.1.1   | user=alice password=wonderland  | 5    |
      | an anonymous client             | 3.1.1   |                                 | 5    |
      | a wrong password on MQTT 5      | 5       | user=lamp password=looking      | 0x87 |

  Scenario: an ACL denies access to other topics
    Given the broker allows everybody to read "open/#" only
    And the broker allows everybody to write "open/#" only
    When I type at the console of "client":
      """
      connect id=acl
      publish closed/a secret qos=1
      publish open/a public qos=1
      """
    Then a subscriber to "open/a" receives "public" within 10 s
    And nothing is published outside "open/#" for 500 ms

  Scenario: a certificate of a CA that the client trusts is accepted
    When I type "connect id=t over=tls" at the console of "client"
    Then "client" connects over "/^TLS 1\.[23]$/" within 10 s
    And "client" connects within 10 s

  Scenario: a client that does not trust the CA disconnects
    When I type "connect id=t over=tls trust=nobody" at the console of "client"
    Then the connection of "client" is refused within 10 s
    And the console of "client" shows "UnknownIssuer" within 10 s

  Scenario: a client with the required certificate is accepted
    Given the broker requires client certificates
    When I type "connect id=m over=tls certificate=yes" at the console of "client"
    Then "client" connects within 10 s

  Scenario: a client without the required certificate is refused
    Given the broker requires client certificates
    When I type "connect id=m over=tls" at the console of "client"
    Then the connection of "client" is refused within 10 s
