//! Every step with an example: `hil steps`, suggestions and the documentation are made of this.

/// One way to write a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepDoc {
    /// A whole line of a feature.
    pub example: &'static str,
    /// What it does.
    pub about: &'static str,
}

impl StepDoc {
    /// `Given`, `When` or `Then`.
    #[must_use]
    pub fn keyword(&self) -> &'static str {
        self.example.split_once(' ').map_or("", |(keyword, _)| keyword)
    }

    /// The line without its keyword.
    #[must_use]
    pub fn text(&self) -> &'static str {
        self.example.split_once(' ').map_or("", |(_, text)| text)
    }
}

const fn doc(example: &'static str, about: &'static str) -> StepDoc {
    StepDoc { example, about }
}

/// All steps, in the order in which they are shown.
pub const STEPS: &[StepDoc] = &[
    doc(
        r#"Given the board "lamp" runs the firmware "lamp""#,
        "Powers the board, flashes the firmware unless the flash holds it already, resets the board and waits until its app is up. Deadlines count from the reset.",
    ),
    doc(
        r#"Given the board "lamp" is flashed with the firmware "lamp""#,
        "As above, but does not wait for the app: for images that can't boot.",
    ),
    doc(r#"When the board "lamp" is flashed with the firmware "lamp""#, "The same as an action."),
    doc(
        r#"Given "lamp" may reboot"#,
        "The firmware restarts itself by design. Without this step a board that reboots unasked fails the scenario; one that panics, aborts, browns out or hits a watchdog fails it all the same.",
    ),
    doc(
        r#"Given "lamp" may break the protocol"#,
        "Packets that break the MQTT protocol don't fail the scenario: for tests of what a broker makes of them.",
    ),
    doc(
        r#"Given "lamp" is connected"#,
        "Waits up to `connects-within` (10 s unless the bench file says otherwise) until the broker has accepted the board's CONNECT.",
    ),
    doc(
        r#"Given "lamp" has subscribed to "sooko/lampu""#,
        "Waits up to `connects-within` until the broker has granted a subscription that covers the topic or topic filter; a shared subscription covers what its filter covers.",
    ),
    doc(
        r#"Given the broker requires the user "lamp" with the password "wonderland""#,
        "Only users that are named may connect from now on. `${secret:NAME}` keeps the password out of the file; 4 characters or more, so that it can be hidden everywhere. The broker starts anew.",
    ),
    doc(
        r#"Given the broker allows the user "lamp" to read "sooko/#" only"#,
        "Whatever no such step allows is denied: `read`, `write` or `read and write`. The broker restarts.",
    ),
    doc(
        r#"Given the broker allows everybody to read "%c/#" only"#,
        "The same for all users; `%c` is the client id and `%u` the user.",
    ),
    doc(
        "Given the broker takes no more than 2 connections",
        "The harness itself does not count. The broker starts anew.",
    ),
    doc(
        "Given the broker keeps its state over a restart",
        "Sessions and retained messages outlive `the broker restarts`. The broker starts anew.",
    ),
    doc(
        "Given the broker requires client certificates",
        "A board must come over TLS and show a certificate that the bench's CA signed. The broker starts anew.",
    ),
    doc(
        r#"When I publish "on" to "sooko/lampu""#,
        "Publishes at QoS 0. Deadlines count from when the message was written towards the board.",
    ),
    doc(r#"When I publish "on" to "sooko/lampu" with QoS 1"#, "Publishes at QoS 0, 1 or 2 and waits for the broker."),
    doc(r#"When I publish "on" to "sooko/lampu" with QoS 1, retained"#, "Publishes a retained message."),
    doc(
        r#"When I publish to "sooko/lampu" with QoS 1, one after another:"#,
        "Publishes each row of the table without waiting for the board. Deadlines count from the first.",
    ),
    doc(r#"When the power of "lamp" is cut"#, "Switches all rails off: the board's connections fall silent."),
    doc(r#"When the power of "lamp" is cut for 500 ms"#, "Switches all rails off, waits, and switches them on again."),
    doc(
        r#"When the power of "lamp" is restored"#,
        "Switches all rails on; errored where the board does not boot afresh: then its power was not off.",
    ),
    doc(r#"When the board "lamp" is reset"#, "Pulls EN low and releases it."),
    doc(
        r#"When the network of "lamp" goes silent"#,
        "Nothing gets through any more, not even FIN; bytes are held and delivered in order when it recovers.",
    ),
    doc(
        r#"When I type "connect id=a" at the console of "client""#,
        "Sends the line to the board's UART. Deadlines count from before it.",
    ),
    doc(r#"When I type at the console of "client":"#, "Sends each line of the text below."),
    doc(
        r#"When I press the button "button" of "lamp" for 200 ms"#,
        "Drives a pin of the bench's to on, waits, and drives it to off. Deadlines count from when it went on.",
    ),
    doc(
        r#"When the pin "button" of "lamp" is driven on"#,
        "Drives a pin of the bench's; it is released when the scenario ends.",
    ),
    doc(r#"When the network of "lamp" goes silent for 3 s"#, "Goes silent, waits, and recovers."),
    doc(
        r#"When the network of "lamp" recovers"#,
        "Silence, delay and all other faults of the network end; what waited for a packet is forgotten.",
    ),
    doc(r#"When the network of "lamp" is delayed by 200 ms"#, "Bytes of both directions arrive that much later."),
    doc(
        r#"When the network of "lamp" goes silent towards the broker"#,
        "Only what the board sends is held; `towards the board`: only what it is sent.",
    ),
    doc(r#"When the network of "lamp" is delayed by 200 ms ± 50 ms"#, "The same, give or take."),
    doc(r#"When the network of "lamp" carries no more than 10 kB/s"#, "Each way: `B/s`, `kB/s` (1000) or `MB/s`."),
    doc(
        r#"When connections of "lamp" are refused"#,
        "Nobody listens any more: the system answers new connections with RST. Those that stand are not touched.",
    ),
    doc(r#"When connections of "lamp" are accepted again"#, "Somebody listens again."),
    doc(r#"When the next CONNACK to "lamp" is held for 2 s"#, "It and all that follows it."),
    doc(r#"When the next CONNACK to "lamp" is held"#, "The same, until the network recovers."),
    doc(
        r#"When the next CONNECT of "lamp" is answered with code 5"#,
        "The tap answers with this return or reason code (`5`, `0x87`) and closes the connection, as a broker would; the broker never hears of it.",
    ),
    doc(
        r#"When the next PUBACK from "lamp" is dropped"#,
        "Also `duplicated`, `corrupted` (one bit of its last byte flips) or `overtaken` (by the packet after it); `to \"lamp\"` for what it is sent; `the next PUBLISH on \"a/#\" to \"lamp\"` for a topic filter.",
    ),
    doc(r#"When the next PUBACK from "lamp" is delayed by 2 s"#, "It and all that follows it."),
    doc(r#"When the connection of "lamp" is closed"#, "The tap sends FIN to both sides."),
    doc(r#"When the connection of "lamp" is reset"#, "The tap sends RST to both sides."),
    doc("When the broker stops", "Closes every connection; new ones are refused."),
    doc("When the broker starts", "It comes back on the same address; the embedded broker has forgotten everything."),
    doc("When the broker restarts", "Stops and starts at once."),
    doc("When the broker crashes", "Ends at once and saves nothing (`mosquitto` only)."),
    doc("When the broker is paused", "It does nothing any more, its connections stay open (`mosquitto` only)."),
    doc("When the broker goes on", "It does what it has missed."),
    doc(
        r#"Then "lamp" publishes "saya hidup" to "loger" within 2 s"#,
        "The board itself sends this PUBLISH. The payload may be a regular expression: \"/^Suhu: -?\\d+°C$/\". Each message satisfies one step.",
    ),
    doc(
        r#"Then "lamp" publishes "online" to "sooko/status", retained, within 5 s"#,
        "The same, and the board asks the broker to retain it.",
    ),
    doc(
        r#"Then "lamp" publishes to "loger" in this order within 2 s:"#,
        "The board's next messages on the topic are the rows of the table, in order and with nothing between them.",
    ),
    doc(
        r#"Then "lamp" publishes to "sister/temp" within 2 s with:"#,
        "A message on a topic matching the filter, of which each row of the table holds: topic, payload, QoS, retained, DUP, size, hex, json (at least what is given), `json $.a[0].b`, topic alias used, `property NAME`, `user property KEY`. Values may be regular expressions.",
    ),
    doc(
        r#"Then "lamp" publishes to "sister/temp" within 2 s the JSON:"#,
        "The payload is JSON and holds at least what the text below does.",
    ),
    doc(r#"Then "lamp" publishes to "sister/temp" within 2 s the text:"#, "The payload is exactly the text below."),
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
        r#"Then "lamp" publishes nothing for 3 s"#,
        "On no topic. Errored unless the board was connected all the time or silenced on purpose.",
    ),
    doc(
        r#"Then "lamp" publishes its message again with DUP within 5 s"#,
        "The same packet identifier, topic and payload as a message before (MQTT 3.1.1 §3.3.1.1).",
    ),
    doc(
        r#"Then "lamp" does not publish to "loger" for 3 s"#,
        "Counted from the mark. Errored unless the board was connected all the time or silenced on purpose.",
    ),
    doc(r#"Then "lamp" receives "on" on "sooko/lampu" within 1 s"#, "The broker wrote this message towards the board."),
    doc(
        r#"Then "lamp" acknowledges the message within 500 ms"#,
        "The board answers the message of the latest When with PUBACK (QoS 1) or PUBREC (QoS 2).",
    ),
    doc(
        r#"Then "lamp" receives on "sooko/lampu" within 1 s with:"#,
        "As `publishes … with:`, for what is written towards the board.",
    ),
    doc(
        r#"Then "lamp" receives "on" on "sooko/lampu" exactly once within 1 s, settling for 1 s"#,
        "And no second one within the settle time.",
    ),
    doc(
        r#"Then "lamp" receives on "sooko/lampu" in this order within 2 s:"#,
        "The next messages on the topic are the rows of the table, in order.",
    ),
    doc(
        r#"Then "lamp" receives nothing on "sooko/#" for 1 s"#,
        "Errored unless the board was connected all the time or silenced on purpose.",
    ),
    doc(
        r#"Then "lamp" receives a message again with DUP within 5 s"#,
        "The broker delivers again what was not acknowledged.",
    ),
    doc(r#"Then the broker acknowledges the message of "lamp" within 500 ms"#, "PUBACK at QoS 1, PUBCOMP at QoS 2."),
    doc(
        r#"Then "lamp" and the broker complete the QoS 2 exchange within 1 s"#,
        "PUBLISH, PUBREC, PUBREL and PUBCOMP with one packet identifier, either way.",
    ),
    doc(
        r#"Then 95 percent of the acknowledgements of "lamp" take no more than 50 ms"#,
        "Of all messages that were delivered to the board in this scenario at QoS 1 and 2.",
    ),
    doc(r#"Then "lamp" connects within 10 s"#, "The broker accepts a CONNECT of the board."),
    doc(
        r#"Then "lamp" connects within 10 s with:"#,
        "The same, and each row of the table holds: version, client id, keep alive, clean session, session expiry, user, password, will, will topic, will payload, will QoS, will retained, will delay, `property NAME`, `user property KEY`.",
    ),
    doc(
        r#"Then "lamp" tries to connect 3 times with growing pauses within 10 s"#,
        "At least so many attempts, each pause longer than the one before.",
    ),
    doc(r#"Then "lamp" connects within 10 s and finds its session"#, "The broker answers with session present."),
    doc(r#"Then "lamp" connects within 10 s and finds no session"#, "The broker answers without session present."),
    doc(r#"Then "lamp" connects over "/^TLS/" within 5 s"#, "What lies above TCP: `TLS 1.2`, `TLS 1.3`, `WebSocket`."),
    doc(r#"Then "lamp" is refused with code 5 within 2 s"#, "The return code (3.1.1) or reason code (5) of CONNACK."),
    doc(
        r#"Then the connection of "lamp" is refused within 2 s"#,
        "No broker answers, or a handshake of TLS or WebSocket fails.",
    ),
    doc(r#"Then "lamp" disconnects within 2 s"#, "It sends DISCONNECT."),
    doc(
        r#"Then the console of "sub" shows "got Suhu: 28°C" exactly once within 1 s, settling for 500 ms"#,
        "And no second time within the settle time.",
    ),
    doc(
        r#"When I publish to "sister/temp" the text:"#,
        "Publishes the text below, as it stands; `with QoS 1` and `, retained` as above.",
    ),
    doc(
        r#"Then "pi" asks to connect within 2 s with:"#,
        "A CONNECT of the board holds each row of the table, whether or not the broker accepts it.",
    ),
    doc(
        r#"Then every message that "pub" sends reaches "sub" within 200 ms, in order"#,
        "All that the one has sent in this scenario since the other first subscribed to it; failed where that is nothing, errored where equal messages lie closer together than the time.",
    ),
    doc(
        r#"Then every message that "pub" sends for 5 s reaches "sub" within 200 ms, in order"#,
        "The same, up to that long after the mark.",
    ),
    doc(
        r#"When the program of "pi" is asked to end"#,
        "SIGTERM to the program of a `process` board; a clean disconnect, if it is a good one.",
    ),
    doc(
        r#"When the program of "pi" is killed"#,
        "SIGKILL: the system ends its connections, so the broker hears of it at once. A power cut is silence.",
    ),
    doc(r#"Then the program of "pi" ends with code 0 within 2 s"#, "By itself, or because it was asked to."),
    doc(
        r#"Then the connection of "lamp" stays open for 10 s"#,
        "Neither the board nor the broker ends it, counted from the mark; a board that has lost its power ends nothing.",
    ),
    doc(r#"Then "lamp" goes without DISCONNECT within 2 s"#, "Its connection ends, and it has not said good-bye."),
    doc(
        r#"Then the broker disconnects "lamp" with code 0x8e within 2 s"#,
        "The connection is ended by the broker; the code is that of its DISCONNECT (MQTT 5).",
    ),
    doc(r#"Then the broker disconnects "lamp" within 2 s"#, "The same, however it ends the connection."),
    doc(
        r#"Then "lamp" tries to connect 5 times with growing pauses of no more than 4 s within 20 s"#,
        "The pauses grow until they are near the bound, and stay there.",
    ),
    doc(
        r#"Then a PUBACK to "client" is dropped within 1 s"#,
        "By the fault that a step has asked for; `from` for what the board sends.",
    ),
    doc(
        r#"Then "js" tries to connect 4 times, every 500 ms ± 200 ms"#,
        "Each pause between the attempts is within the tolerance.",
    ),
    doc(r#"Then "lamp" tries to connect no more than 10 times a minute for 30 s"#, "In any minute of that time."),
    doc(
        r#"Then "lamp" subscribes within 2 s to:"#,
        "One SUBSCRIBE with these filters; columns: filter, QoS asked for, QoS granted (or a code from 0x80 on).",
    ),
    doc(
        r#"Then the subscription of "lamp" to "secret/#" is refused within 2 s"#,
        "SUBACK has a code from 0x80 on for it.",
    ),
    doc(r#"Then "lamp" unsubscribes from "sooko/lampu" within 2 s"#, "And the broker confirms it."),
    doc(
        r#"Then the will of "lamp" is published on "sooko/status""#,
        "In the broker's window: one and a half keep alives after the last packet, or at once where the connection ends, is taken over or the board sends DISCONNECT with a reason but 0x00; later by the will delay. An early will fails too. A message that a client published is not a will.",
    ),
    doc(
        r#"Then the will of "lamp" is published exactly once on "sooko/status", settling for 2 s"#,
        "The same, and no second one comes within the settle time.",
    ),
    doc(r#"Then no will of "lamp" is published for 3 s"#, "Counted from the mark."),
    doc(
        r#"Then a late subscriber to "sooko/status" receives "offline", retained"#,
        "Somebody who subscribes only now gets the message, marked as retained.",
    ),
    doc(
        r#"Then nothing is retained on "sooko/status""#,
        "A client that subscribes only now gets nothing at first. Errored unless a board has been connected since it was started, or a step has published there.",
    ),
    doc(
        r#"Then a subscriber to "$SYS/broker/clients/connected" receives "/^[1-9]/" within 12 s"#,
        "The harness itself is the subscriber; it is subscribed to `#` all the time, and to `$…` from this step on.",
    ),
    doc(
        r#"Then nothing is published outside "sooko/#, loger" for 3 s"#,
        "No message on any topic that none of these filters matches. Errored unless a board has been connected since it was started.",
    ),
    doc(
        r#"Then the pin "led" of "lamp" is on within 1 s"#,
        "The pin is or becomes on. Steps about a pin see its changes in order, each change once.",
    ),
    doc(
        r#"Then the pin "led" of "lamp" pulses 3 times within 5 s"#,
        "It goes on and off again so many times, no more and no fewer, counted from the mark to the end of the time.",
    ),
    doc(r#"Then the pin "led" of "lamp" stays off for 1 s"#, "The pin does not change, counted from the mark."),
    doc(
        r#"Then the console of "lamp" shows "mqtt running" within 10 s"#,
        "A line contains the text, or matches \"/a regular expression/\".",
    ),
    doc(
        r#"Then the console of "client" or "client-2" shows "job" exactly once within 2 s, settling for 500 ms"#,
        "One of them shows it, once.",
    ),
    doc(
        r#"Then "lamp" reboots once within 5 s"#,
        "One boot, and no second one within 1 s of it. A reboot up to this step is then asked for.",
    ),
    doc(
        r#"Then the reset cause of "lamp" is "power-on" within 5 s"#,
        "Why the chip boots, in one word for every chip: `power-on`, `external`, `software`, `watchdog`, `brown-out`, `deep-sleep`, `usb` or `soft-reset`. Some chips report the EN pin as `power-on`.",
    ),
    doc(
        r#"Then "lamp" does not reboot for 10 s"#,
        "Counted from the mark; a boot that a step asked for is none. Errored unless the board has given a sign of life since it was started.",
    ),
    doc(r#"Then "lamp" boot-loops within 5 s"#, "Three boots within 10 s that nobody asked for."),
    doc(r#"Then the flashing of "lamp" was skipped"#, "The flash already held every byte of the latest firmware."),
    doc(
        r#"Given snapshots of the traffic leave out the topic "tele/#""#,
        "Messages on topics of this filter are in no snapshot of this scenario: what comes by the clock can't be compared.",
    ),
    doc(
        r#"Given snapshots of the traffic show "/\d+ °C/" as "[temperature]""#,
        "Replaces a text, or what a regular expression between slashes matches, in snapshots of this scenario. UUIDs, MAC addresses, times and the ends of client ids are replaced already; packet ids, keep alives and retransmissions are left out, and JSON is written with its keys in order.",
    ),
    doc(
        r#"Then the traffic of "lamp" matches the snapshot "lamp-on""#,
        "Waits until the board has sent and got nothing for 300 ms, and up to 3 s for what the snapshot has beyond that, and compares all of its packets in this scenario with `snapshots/lamp-on.snap` beside the feature. `cargo insta review` and `INSTA_UPDATE` work as with any snapshot of insta.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cucumber::codegen::{StepConstructor, WorldInventory};
    use cucumber::gherkin::StepType;

    use super::*;
    use crate::dispatch::bare_step;
    use crate::world::HilWorld;

    #[test]
    fn each_example_is_one_step_and_each_step_has_an_example() {
        let mut shown = BTreeSet::new();
        for step in STEPS {
            let ty = match step.keyword() {
                "Given" => StepType::Given,
                "When" => StepType::When,
                _ => StepType::Then,
            };
            let found =
                crate::dispatch::STEPS.find(&bare_step(step.text(), ty)).map(|found| found.map(|found| found.2));
            let location = found.expect("not ambiguous").unwrap_or_else(|| panic!("undefined: {}", step.example));
            shown.insert((step.keyword(), location.map(|location| (location.path, location.line))));
        }
        let registered = all::<<HilWorld as WorldInventory>::Given>("Given")
            .chain(all::<<HilWorld as WorldInventory>::When>("When"))
            .chain(all::<<HilWorld as WorldInventory>::Then>("Then"));
        for step in registered {
            assert!(shown.contains(&step), "no example for {step:?}");
        }
    }

    type Registered = (&'static str, Option<(&'static str, u32)>);

    fn all<S>(keyword: &'static str) -> impl Iterator<Item = Registered>
    where
        S: cucumber::codegen::inventory::Collect + StepConstructor<HilWorld>,
    {
        let location = |step: &'static S| step.inner().0;
        cucumber::codegen::inventory::iter::<S>
            .into_iter()
            .map(location)
            .map(move |l| (keyword, Some((l.path, l.line))))
    }
}
