Feature: Flashing the lamp

  Scenario: the same image is not written twice
    Given the board "lamp-2" runs the firmware "lamp"
    Then "lamp-2" publishes "online" to "sooko/status", retained, within 10 s
    When the board "lamp-2" is flashed with the firmware "lamp"
    Then the flashing of "lamp-2" was skipped
    And the console of "lamp-2" shows "mqtt: starting" within 10 s

  Scenario: a corrupt image is refused by the bootloader, again and again
    When the board "lamp-2" is flashed with the firmware "lamp-corrupt"
    Then the console of "lamp-2" shows "esp_image: Checksum failed" within 10 s
    And the console of "lamp-2" shows "Factory app partition is not bootable" within 10 s
    And "lamp-2" boot-loops within 10 s
