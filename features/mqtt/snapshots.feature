Feature: Traffic snapshots

  Background:
    Given the board "client" runs the firmware "mqtt-client"
    And snapshots of the traffic leave out the topic "heartbeat"
    And snapshots of the traffic show "/count [0-9]+/" as "count [n]"

  Scenario: a conversation matches its snapshot
    When I type at the console of "client":
      """
      connect id=client-c0ffee keep-alive=30 will-topic=gone will-payload=offline will-qos=1 will-retain=yes
      subscribe news/#:1
      publish news/a hello qos=1
      publish heartbeat 17
      publish news/b '{"z":1,"a":[2,3]}'
      publish log "count 42" qos=2
      """
    Then "client" publishes "count 42" to "log" within 10 s
    And the traffic of "client" matches the snapshot "conversation"
