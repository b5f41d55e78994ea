@requires:pi
Feature: A node of Sparkplug B

  Payloads are Protocol Buffers. Tables and patterns about JSON see what they say: `values` has each metric by its name.

  Scenario: it is born with its device, and counts what it publishes
    Given the board "pi" runs the firmware "sparkplug-node"
    Then "pi" publishes to "spBv1.0/plant/NBIRTH/line-1" within 5 s with:
      | json $.seq                 | 0     |
      | json $.values.temperature  | 20.5  |
      | json $.metrics[0].dataType | Float |
    And "pi" publishes to "spBv1.0/plant/DBIRTH/line-1/oven" within 5 s with:
      | json $.values.temperature | 180.0 |
    When I type "data 21.5" at the console of "pi"
    Then "pi" publishes to "spBv1.0/plant/NDATA/line-1" within 5 s with:
      | json $.values.temperature | is above 21 |
      | retained                  | no          |
    When I type "device 181.5" at the console of "pi"
    Then "pi" publishes to "spBv1.0/plant/DDATA/line-1/oven" within 5 s with:
      | json $.values.temperature | 181.5 |
    And "pi" follows the rules of Sparkplug B for 1 s

  Scenario: without power its will says that it is dead
    Given the board "pi" runs the firmware "sparkplug-node"
    Then "pi" publishes to "spBv1.0/plant/NBIRTH/line-1" within 5 s with:
      | json $.seq | 0 |
    When the power of "pi" is cut
    Then the will of "pi" is published on "spBv1.0/plant/NDEATH/line-1"
