//! The list of all steps.

use super::below::{CONNECT, GRANTED, JSON, LINES, MESSAGE, PATTERNS, PAYLOADS, TEXT};
use super::{StepGroup, doc, with};

/// All steps by topic, in the order in which they are shown.
pub const GROUPS: &[StepGroup] = &[
    StepGroup {
        name: "Boards and firmware",
        steps: &[
            doc(
                r#"Given the board "lamp" runs the firmware "lamp""#,
                "Powers the board, flashes the firmware unless the flash already holds it, resets the board and waits until the app is up. Deadlines count from the reset.",
            ),
            doc(
                r#"Given the board "lamp" is flashed with the firmware "lamp""#,
                "The same, but does not wait for the app: for images that can't boot.",
            ),
            doc(r#"When the board "lamp" is flashed with the firmware "lamp""#, "The same, as an action."),
            doc(
                r#"Then the flashing of "lamp" was skipped"#,
                "The flash already held every byte of the latest firmware.",
            ),
            doc(r#"When the board "lamp" is reset"#, "Pulls EN low and releases it."),
            doc(
                r#"Given "lamp" may reboot"#,
                "The firmware restarts by design. Without this step an unexpected reboot fails the scenario. A panic, an abort, a brown-out or a watchdog reset always does.",
            ),
            doc(
                r#"Then "lamp" does not reboot for 10 s"#,
                "Counted from the mark. A boot that a step asked for does not count. Errored unless the board has shown a sign of life since it was started.",
            ),
            doc(
                r#"Then "lamp" reboots once within 5 s"#,
                "One boot, and no second one within 1 s. Reboots up to this step are expected.",
            ),
            doc(r#"Then "lamp" boot-loops within 5 s"#, "Three unexpected boots within 10 s."),
            doc(
                r#"Then the reset cause of "lamp" is "power-on" within 5 s"#,
                "The reason for the boot, in one word for every chip: `power-on`, `external`, `software`, `watchdog`, `brown-out`, `deep-sleep`, `usb` or `soft-reset`. Some chips report the EN pin as `power-on`.",
            ),
        ],
    },
    StepGroup {
        name: "Publishing",
        steps: &[
            doc(
                r#"When I publish "on" to "sooko/lampu""#,
                "Publishes at QoS 0. Deadlines count from when the message was written towards the board.",
            ),
            doc(
                r#"When I publish "on" to "sooko/lampu" with QoS 1"#,
                "Publishes at QoS 0, 1 or 2 and waits for the broker.",
            ),
            doc(r#"When I publish "on" to "sooko/lampu" with QoS 1, retained"#, "Publishes a retained message."),
            with(
                r#"When I publish to "sooko/lampu" with QoS 1, one after another:"#,
                "Publishes each row without waiting for the board. Deadlines count from the first one.",
                &PAYLOADS,
            ),
            with(
                r#"When I publish to "sister/temp" the text:"#,
                "Publishes the text below as it is. `with QoS 1` and `, retained` are allowed, as above.",
                &TEXT,
            ),
        ],
    },
    StepGroup {
        name: "Connections and sessions",
        steps: &[
            doc(
                r#"Given "lamp" is connected"#,
                "Waits up to `connects-within` (10 s unless the bench file says otherwise) until the broker has accepted the board's CONNECT.",
            ),
            doc(
                r#"Given "lamp" has subscribed to "sooko/lampu""#,
                "Waits up to `connects-within` until the broker has granted a subscription that covers the topic or topic filter; a shared subscription covers what its filter covers.",
            ),
            doc(r#"Then "lamp" connects within 10 s"#, "The broker accepts a CONNECT of the board."),
            with(r#"Then "lamp" connects within 10 s with:"#, "The same, and every row of the table holds.", &CONNECT),
            with(
                r#"Then "pi" asks to connect within 2 s with:"#,
                "A CONNECT of the board matches every row, whether or not the broker accepts it.",
                &CONNECT,
            ),
            doc(
                r#"Then "lamp" connects within 10 s and finds its session"#,
                "The broker answers with session present.",
            ),
            doc(
                r#"Then "lamp" connects within 10 s and finds no session"#,
                "The broker answers without session present.",
            ),
            doc(
                r#"Then "lamp" connects over "/^TLS/" within 5 s"#,
                "The layers above TCP: `TLS 1.2`, `TLS 1.3`, `WebSocket`.",
            ),
            doc(
                r#"Then the connection of "lamp" stays open for 10 s"#,
                "Neither the board nor the broker ends it, counted from the mark; a board that has lost its power ends nothing.",
            ),
            doc(r#"Then "lamp" disconnects within 2 s"#, "It sends DISCONNECT."),
            doc(r#"Then "lamp" goes without DISCONNECT within 2 s"#, "Its connection ends without DISCONNECT."),
            doc(
                r#"Then the broker disconnects "lamp" with code 0x8e within 2 s"#,
                "The broker ends the connection; the code is that of its DISCONNECT (MQTT 5).",
            ),
            doc(r#"Then the broker disconnects "lamp" within 2 s"#, "The same, however it ends the connection."),
            doc(
                r#"Then "lamp" is refused with code 5 within 2 s"#,
                "The return code (3.1.1) or reason code (5) of CONNACK.",
            ),
            doc(
                r#"Then the connection of "lamp" is refused within 2 s"#,
                "No broker answers, or a TLS or WebSocket handshake fails.",
            ),
            doc(
                r#"Given "lamp" may break the protocol"#,
                "Packets that break the MQTT protocol don't fail the scenario: for tests of how a broker handles them.",
            ),
        ],
    },
    StepGroup {
        name: "Connection attempts",
        steps: &[
            doc(
                r#"Then "lamp" tries to connect 3 times with growing pauses within 10 s"#,
                "At least that many attempts, with each pause longer than the one before.",
            ),
            doc(
                r#"Then "lamp" tries to connect 5 times with growing pauses of no more than 4 s within 20 s"#,
                "The pauses grow up to the limit and stay near it.",
            ),
            doc(
                r#"Then "js" tries to connect 4 times, every 500 ms ± 200 ms"#,
                "Each pause between the attempts is within the tolerance.",
            ),
            doc(
                r#"Then "lamp" tries to connect no more than 10 times a minute for 30 s"#,
                "In any minute of that time.",
            ),
        ],
    },
    StepGroup {
        name: "Subscriptions",
        steps: &[
            with(r#"Then "lamp" subscribes within 2 s to:"#, "One SUBSCRIBE with these filters.", &GRANTED),
            doc(
                r#"Then the subscription of "lamp" to "secret/#" is refused within 2 s"#,
                "SUBACK has a code from 0x80 on for it.",
            ),
            doc(r#"Then "lamp" unsubscribes from "sooko/lampu" within 2 s"#, "And the broker confirms it."),
        ],
    },
    StepGroup {
        name: "Messages that a board sends",
        steps: &[
            doc(
                r#"Then "lamp" publishes "saya hidup" to "loger" within 2 s"#,
                r#"The board itself sends this PUBLISH. The payload may be a regular expression: "/^Suhu: -?\d+°C$/". Each message satisfies one step."#,
            ),
            doc(
                r#"Then "lamp" publishes "online" to "sooko/status", retained, within 5 s"#,
                "The same, and the board asks the broker to retain it.",
            ),
            with(
                r#"Then "lamp" publishes to "sister/temp" within 2 s the text:"#,
                "The payload is exactly the text below.",
                &TEXT,
            ),
            with(
                r#"Then "lamp" publishes to "sister/temp" within 2 s the JSON:"#,
                "The payload is JSON and holds at least what the text below does.",
                &JSON,
            ),
            with(
                r#"Then "lamp" publishes to "sister/temp" within 2 s with:"#,
                "One message matches every row of the table.",
                &MESSAGE,
            ),
            with(
                r#"Then "lamp" publishes to "loger" in this order within 2 s:"#,
                "The board's next messages on the topic are the rows of the table, in order and with nothing between them.",
                &PATTERNS,
            ),
            doc(
                r#"Then "lamp" publishes "on" to "loger" exactly once within 2 s, settling for 1 s"#,
                "And no second one comes within the settle time. A message that is sent again with DUP and the same packet identifier is the same message.",
            ),
            doc(
                r#"Then "lamp" publishes 3 messages to "loger" within 2 s"#,
                "No more and no fewer, counted from the mark to the end of the time.",
            ),
            doc(
                r#"Then "lamp" publishes "/^Suhu/" to "sister/temp" 5 times, every 1 s ± 200 ms"#,
                "The gaps between the messages are within the tolerance; the first may be as old as the mark, or come one period after the step begins.",
            ),
            doc(
                r#"Then "lamp" does not publish to "loger" for 3 s"#,
                "Counted from the mark. Errored unless the board was connected all the time or silenced on purpose.",
            ),
            doc(
                r#"Then "lamp" publishes nothing for 3 s"#,
                "On no topic. Errored unless the board was connected all the time or silenced on purpose.",
            ),
            doc(
                r#"Then "lamp" publishes its message again with DUP within 5 s"#,
                "The same packet identifier, topic and payload as an earlier message (MQTT 3.1.1 §3.3.1.1).",
            ),
            doc(
                r#"Then the broker acknowledges the message of "lamp" within 500 ms"#,
                "PUBACK at QoS 1, PUBCOMP at QoS 2.",
            ),
        ],
    },
    StepGroup {
        name: "Messages that a board receives",
        steps: &[
            doc(
                r#"Then "lamp" receives "on" on "sooko/lampu" within 1 s"#,
                "The broker sends this message to the board.",
            ),
            with(
                r#"Then "lamp" receives on "sooko/lampu" within 1 s with:"#,
                "As `publishes … with:`, for a message to the board.",
                &MESSAGE,
            ),
            with(
                r#"Then "lamp" receives on "sooko/lampu" in this order within 2 s:"#,
                "The next messages on the topic are the rows of the table, in order.",
                &PATTERNS,
            ),
            doc(
                r#"Then "lamp" receives "on" on "sooko/lampu" exactly once within 1 s, settling for 1 s"#,
                "And no second one within the settle time.",
            ),
            doc(
                r#"Then "lamp" receives nothing on "sooko/#" for 1 s"#,
                "Errored unless the board was connected all the time or silenced on purpose.",
            ),
            doc(
                r#"Then "lamp" receives a message again with DUP within 5 s"#,
                "The broker delivers an unacknowledged message again.",
            ),
            doc(
                r#"Then "lamp" acknowledges the message within 500 ms"#,
                "The board answers the message of the latest When with PUBACK (QoS 1) or PUBREC (QoS 2).",
            ),
            doc(
                r#"Then "lamp" and the broker complete the QoS 2 exchange within 1 s"#,
                "PUBLISH, PUBREC, PUBREL and PUBCOMP with one packet identifier, in either direction.",
            ),
            doc(
                r#"Then 95 percent of the acknowledgements of "lamp" take no more than 50 ms"#,
                "Counts all messages delivered to the board in this scenario at QoS 1 and 2.",
            ),
            doc(
                r#"Then every message that "pub" sends reaches "sub" within 200 ms, in order"#,
                "All messages that the first board has sent in this scenario since the second one subscribed. The step fails if there are none. It is errored if equal messages lie closer together than the time.",
            ),
            doc(
                r#"Then every message that "pub" sends for 5 s reaches "sub" within 200 ms, in order"#,
                "The same, up to that long after the mark.",
            ),
        ],
    },
    StepGroup {
        name: "Wills and retained messages",
        steps: &[
            doc(
                r#"Then the will of "lamp" is published on "sooko/status""#,
                "Within the broker's window: one and a half keep alives after the last packet, or at once if the connection ends, is taken over, or the board sends DISCONNECT with a reason other than 0x00; plus the will delay. An early will fails too. A message that a client published is not a will.",
            ),
            doc(
                r#"Then the will of "lamp" is published exactly once on "sooko/status", settling for 2 s"#,
                "The same, and no second one comes within the settle time.",
            ),
            doc(r#"Then no will of "lamp" is published for 3 s"#, "Counted from the mark."),
            doc(
                r#"Then a late subscriber to "sooko/status" receives "offline", retained"#,
                "A client that subscribes only now gets the message, marked as retained.",
            ),
            doc(
                r#"Then nothing is retained on "sooko/status""#,
                "A client that subscribes only now gets nothing at first. Errored unless a board has been connected since it was started, or a step has published there.",
            ),
            doc(
                r#"Then a subscriber to "$SYS/broker/clients/connected" receives "/^[1-9]/" within 12 s"#,
                "The harness is the subscriber. It is always subscribed to `#`, and to topics with `$` from this step on.",
            ),
            doc(
                r#"Then nothing is published outside "sooko/#, loger" for 3 s"#,
                "No message on any topic that none of these filters matches. Errored unless a board has been connected since it was started.",
            ),
        ],
    },
    StepGroup {
        name: "Power",
        steps: &[
            doc(r#"When the power of "lamp" is cut"#, "Switches all rails off. The board's connections fall silent."),
            doc(
                r#"When the power of "lamp" is cut for 500 ms"#,
                "Switches all rails off, waits, and switches them on again.",
            ),
            doc(
                r#"When the power of "lamp" is restored"#,
                "Switches all rails on. The step is errored if the board does not boot from power-on: its power was not off.",
            ),
        ],
    },
    StepGroup {
        name: "Pins",
        steps: &[
            doc(
                r#"Then the pin "led" of "lamp" is on within 1 s"#,
                "The pin is on, or turns on in time. Steps about a pin see its changes in order, each change once.",
            ),
            doc(r#"Then the pin "led" of "lamp" stays off for 1 s"#, "The pin does not change, counted from the mark."),
            doc(
                r#"Then the pin "led" of "lamp" pulses 3 times within 5 s"#,
                "It goes on and off exactly that many times between the mark and the end of the time.",
            ),
            doc(
                r#"When I press the button "button" of "lamp" for 200 ms"#,
                "Drives a pin of the bench on, waits, and drives it off. Deadlines count from when it went on.",
            ),
            doc(
                r#"When the pin "button" of "lamp" is driven on"#,
                "Drives a pin of the bench. It is released when the scenario ends.",
            ),
        ],
    },
    StepGroup {
        name: "Consoles",
        steps: &[
            doc(
                r#"Then the console of "lamp" shows "mqtt running" within 10 s"#,
                r#"A line contains the text, or matches "/a regular expression/"."#,
            ),
            doc(
                r#"Then the console of "sub" shows "got Suhu: 28°C" exactly once within 1 s, settling for 500 ms"#,
                "And no second time within the settle time.",
            ),
            doc(
                r#"Then the console of "client" or "client-2" shows "job" exactly once within 2 s, settling for 500 ms"#,
                "One of them shows it, once.",
            ),
            doc(
                r#"When I type "connect id=a" at the console of "client""#,
                "Sends the line to the board's UART. Deadlines count from just before it.",
            ),
            with(r#"When I type at the console of "client":"#, "Sends each line of the text.", &LINES),
        ],
    },
    StepGroup {
        name: "Programs",
        steps: &[
            doc(
                r#"When the program of "pi" is asked to end"#,
                "Sends SIGTERM to the program of a `process` board. A well-behaved client disconnects cleanly.",
            ),
            doc(
                r#"When the program of "pi" is killed"#,
                "Sends SIGKILL. The system closes the connections, so the broker notices at once; a power cut is silent.",
            ),
            doc(
                r#"Then the program of "pi" ends with code 0 within 2 s"#,
                "On its own, or because a step asked it to.",
            ),
        ],
    },
    StepGroup {
        name: "Network faults",
        steps: &[
            doc(
                r#"When the network of "lamp" goes silent"#,
                "Nothing gets through any more, not even FIN. Bytes are held, and delivered in order when the network recovers.",
            ),
            doc(r#"When the network of "lamp" goes silent for 3 s"#, "Goes silent, waits, and recovers."),
            doc(
                r#"When the network of "lamp" goes silent towards the broker"#,
                "Holds only what the board sends. `towards the board` holds only what is sent to it.",
            ),
            doc(
                r#"When the network of "lamp" recovers"#,
                "Ends silence, delay and all other network faults. Faults that still wait for a packet are dropped.",
            ),
            doc(
                r#"When the network of "lamp" is delayed by 200 ms"#,
                "Bytes arrive that much later, in both directions.",
            ),
            doc(r#"When the network of "lamp" is delayed by 200 ms ± 50 ms"#, "The same, with jitter."),
            doc(
                r#"When the network of "lamp" carries no more than 10 kB/s"#,
                "Limits each direction: `B/s`, `kB/s` (1000) or `MB/s`.",
            ),
            doc(
                r#"When connections of "lamp" are refused"#,
                "The tap stops listening: the system answers new connections with RST. Open connections stay.",
            ),
            doc(r#"When connections of "lamp" are accepted again"#, "The tap listens again."),
            doc(r#"When the connection of "lamp" is closed"#, "The tap sends FIN to both sides."),
            doc(r#"When the connection of "lamp" is reset"#, "The tap sends RST to both sides."),
        ],
    },
    StepGroup {
        name: "Packet faults",
        steps: &[
            doc(r#"When the next CONNACK to "lamp" is held for 2 s"#, "Holds that packet and everything after it."),
            doc(r#"When the next CONNACK to "lamp" is held"#, "The same, until the network recovers."),
            doc(
                r#"When the next CONNECT of "lamp" is answered with code 5"#,
                "The tap answers with this return or reason code (`5`, `0x87`) and closes the connection, as a broker would. The broker does not see the CONNECT.",
            ),
            doc(
                r#"When the next PUBACK from "lamp" is dropped"#,
                r#"Also `duplicated`, `corrupted` (flips one bit of its last byte) or `overtaken` (by the packet after it). `to "lamp"` selects what the board is sent; `the next PUBLISH on "a/#" to "lamp"` selects by topic filter."#,
            ),
            doc(r#"When the next PUBACK from "lamp" is delayed by 2 s"#, "Delays that packet and everything after it."),
            doc(
                r#"Then a PUBACK to "client" is dropped within 1 s"#,
                "A fault dropped it. `from` selects what the board sends.",
            ),
        ],
    },
    StepGroup {
        name: "The broker",
        steps: &[
            doc(
                r#"Given the broker requires the user "lamp" with the password "wonderland""#,
                "From now on only named users may connect. `${secret:NAME}` keeps the password out of the file; it must have at least 4 characters so that it can be hidden everywhere. Restarts the broker.",
            ),
            doc(
                r#"Given the broker allows the user "lamp" to read "sooko/#" only"#,
                "Denies everything that no such step allows: `read`, `write` or `read and write`. Restarts the broker.",
            ),
            doc(
                r#"Given the broker allows everybody to read "%c/#" only"#,
                "The same for all users. `%c` is the client id and `%u` the user name.",
            ),
            doc(
                "Given the broker takes no more than 2 connections",
                "The harness itself does not count. Restarts the broker.",
            ),
            doc(
                "Given the broker keeps its state over a restart",
                "Sessions and retained messages survive `the broker restarts`. Restarts the broker.",
            ),
            doc(
                "Given the broker requires client certificates",
                "A board must connect over TLS and show a certificate that the bench's CA signed. Restarts the broker.",
            ),
            doc("When the broker stops", "Closes every connection; new ones are refused."),
            doc(
                "When the broker starts",
                "The broker runs again at the same address. The embedded broker has lost its state.",
            ),
            doc("When the broker restarts", "Stops and starts the broker."),
            doc("When the broker crashes", "Kills the broker without a chance to save (`mosquitto` only)."),
            doc(
                "When the broker is paused",
                "The broker stops working and its connections stay open (`mosquitto` only).",
            ),
            doc("When the broker goes on", "The broker continues where it was paused."),
        ],
    },
    StepGroup {
        name: "Traffic snapshots",
        steps: &[
            doc(
                r#"Then the traffic of "lamp" matches the snapshot "lamp-on""#,
                "Waits until the board has sent and received nothing for 300 ms, and up to 3 s for whatever the snapshot has beyond that. Then compares all packets of the board in this scenario with `snapshots/lamp-on.snap` beside the feature. `cargo insta review` and `INSTA_UPDATE` work as for any insta snapshot.",
            ),
            doc(
                r#"Given snapshots of the traffic leave out the topic "tele/#""#,
                "Leaves messages on matching topics out of every snapshot of this scenario: periodic messages can't be compared.",
            ),
            doc(
                r#"Given snapshots of the traffic show "/\d+ °C/" as "[temperature]""#,
                "Replaces a text, or whatever a regular expression matches, in the snapshots of this scenario. UUIDs, MAC addresses, times and client id suffixes are replaced anyway. Packet ids, keep alives and retransmissions are left out; JSON keys are sorted.",
            ),
        ],
    },
];
