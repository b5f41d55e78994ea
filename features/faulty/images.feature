@faulty @opt-in
Feature: Faulty lamps, each caught by the step that its fault breaks

  Every scenario here must fail: `hil run features/faulty` ends with exit code 100, and a test compares each message.

  Scenario: a lamp that never acknowledges
    Given the board "lamp" runs the firmware "lamp-never-acks"
    And "lamp" has subscribed to "sooko/lampu"
    When I publish "on" to "sooko/lampu" with QoS 1
    Then "lamp" acknowledges the message within 500 ms

  Scenario: a lamp without a will
    Given the board "lamp" runs the firmware "lamp-no-will"
    And "lamp" is connected
    When the power of "lamp" is cut
    Then the will of "lamp" is published on "sooko/status"

  Scenario: a lamp without a keep alive
    Given the board "lamp" runs the firmware "lamp-no-keep-alive"
    Then a subscriber to "sooko/status" receives "online" within 10 s
    When the power of "lamp" is cut
    Then the will of "lamp" is published on "sooko/status"

  Scenario: a lamp that reboots on `on`
    Given the board "lamp" runs the firmware "lamp-reboots-on-on"
    And "lamp" has subscribed to "sooko/lampu"
    When I publish "on" to "sooko/lampu" with QoS 1
    Then "lamp" publishes "saya hidup" to "loger" within 1 s

  Scenario: a lamp that does not survive its command
    Given the board "lamp" runs the firmware "lamp-reboots-on-on"
    And "lamp" has subscribed to "sooko/lampu"
    When I publish "on" to "sooko/lampu" with QoS 1
    Then "lamp" does not reboot for 2 s

  Scenario: a lamp that connects but never subscribes
    Given the board "lamp" runs the firmware "lamp-never-subscribes"
    And "lamp" has subscribed to "sooko/lampu"
    Then the pin "led" of "lamp" is off within 1 s

  Scenario: an image that the bootloader refuses
    Given the board "lamp" runs the firmware "lamp-corrupt"
    Then "lamp" connects within 10 s
