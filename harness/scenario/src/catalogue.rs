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
    doc(r#"Given "lamp" is connected"#, "Waits up to 10 s until the broker has accepted the board's CONNECT."),
    doc(
        r#"Given "lamp" has subscribed to "sooko/lampu""#,
        "Waits up to 10 s until the broker has granted a subscription that covers the topic.",
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
        r#"When I press the button "button" of "lamp" for 200 ms"#,
        "Drives a pin of the bench's to on, waits, and drives it to off. Deadlines count from when it went on.",
    ),
    doc(
        r#"When the pin "button" of "lamp" is driven on"#,
        "Drives a pin of the bench's; it is released when the scenario ends.",
    ),
    doc(r#"When the network of "lamp" goes silent for 3 s"#, "Goes silent, waits, and recovers."),
    doc(r#"When the network of "lamp" recovers"#, "Silence and delay end."),
    doc(r#"When the network of "lamp" is delayed by 200 ms"#, "Bytes of both directions arrive that much later."),
    doc(r#"When the connection of "lamp" is closed"#, "The tap sends FIN to both sides."),
    doc(r#"When the connection of "lamp" is reset"#, "The tap sends RST to both sides."),
    doc("When the broker stops", "Closes every connection; new ones are refused."),
    doc("When the broker starts", "It comes back on the same address; the embedded broker has forgotten everything."),
    doc("When the broker restarts", "Stops and starts at once."),
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
        r#"Then "lamp" does not publish to "loger" for 3 s"#,
        "Counted from the mark. Errored unless the board was connected all the time or silenced on purpose.",
    ),
    doc(r#"Then "lamp" receives "on" on "sooko/lampu" within 1 s"#, "The broker wrote this message towards the board."),
    doc(
        r#"Then "lamp" acknowledges the message within 500 ms"#,
        "The board answers the message of the latest When with PUBACK (QoS 1) or PUBREC (QoS 2).",
    ),
    doc(r#"Then "lamp" connects within 10 s"#, "The broker accepts a CONNECT of the board."),
    doc(
        r#"Then "lamp" connects within 10 s with:"#,
        "The same, and each row of the table holds: client id, keep alive, clean session, user, will, will topic, will payload, will QoS, will retained.",
    ),
    doc(
        r#"Then "lamp" tries to connect 3 times with growing pauses within 10 s"#,
        "At least so many attempts, each pause longer than the one before.",
    ),
    doc(
        r#"Then the will of "lamp" is published on "sooko/status""#,
        "Within the broker's will window after the board's last packet: an early will fails too.",
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
    doc(r#"Then "lamp" reboots once within 5 s"#, "One boot, and no second one within 1 s of it."),
    doc(r#"Then "lamp" does not reboot for 10 s"#, "Counted from the mark; a boot that a step asked for is none."),
    doc(r#"Then "lamp" boot-loops within 5 s"#, "Three boots within 10 s that nobody asked for."),
    doc(r#"Then the flashing of "lamp" was skipped"#, "The flash already held every byte of the latest firmware."),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cucumber::codegen::{StepConstructor, WorldInventory};
    use cucumber::gherkin::{Feature, GherkinEnv};

    use super::*;
    use crate::world::HilWorld;

    #[test]
    fn each_example_is_one_step_and_each_step_has_an_example() {
        let mut shown = BTreeSet::new();
        for step in STEPS {
            let source = format!("Feature: f\n  Scenario: s\n    {}\n", step.example);
            let feature = Feature::parse(source, GherkinEnv::default()).expect("Gherkin");
            let found = crate::dispatch::STEPS.find(&feature.scenarios[0].steps[0]);
            let (_, _, location, _) =
                found.expect("not ambiguous").unwrap_or_else(|| panic!("undefined: {}", step.example));
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
