//! Messages that the harness publishes.

use cucumber::{gherkin, when};
use hil_timeline::{Effect, Payload};

use super::below::TEXT;
use super::{check_topic, column, doc_string};
use crate::error::StepError;
use crate::parameters::{Delivery, Text};
use crate::spec::{BelowDoc, StepSpec, Takes};
use crate::stage::Stage;
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "I publish {text} to {topic}(?: with QoS {qos})?(?:, retained)?",
        &[
            (
                r#"When I publish "on" to "sooko/lampu""#,
                "Publishes at QoS 0. Deadlines count from when the message was written towards the board.",
            ),
            (
                r#"When I publish "on" to "sooko/lampu" with QoS 1"#,
                "Publishes at QoS 0, 1 or 2 and waits for the broker.",
            ),
            (r#"When I publish "on" to "sooko/lampu" with QoS 1, retained"#, "Publishes a retained message."),
        ],
    ),
    StepSpec::new(
        "I publish to {topic}(?: with QoS {qos})?(?:, retained)?, one after another:",
        &[(
            r#"When I publish to "sooko/lampu" with QoS 1, one after another:"#,
            "Publishes each row without waiting for the board. Deadlines count from the first one.",
        )],
    )
    .above(&PAYLOADS),
    StepSpec::new(
        "I publish to {topic}(?: with QoS {qos})?(?:, retained)? the text:",
        &[(
            r#"When I publish to "sister/temp" the text:"#,
            "Publishes the text below as it is. `with QoS 1` and `, retained` are allowed, as above.",
        )],
    )
    .above(&TEXT),
];

/// Payloads to publish.
const PAYLOADS: BelowDoc = BelowDoc {
    name: "Payloads to publish",
    takes: Takes::Payloads,
    about: "A table with one column and no heading: one payload per row.",
    fields: &[],
    example: &["| on  |", "| off |", "| on  |"],
};

#[when(expr = "I publish {text} to {text}{delivery}")]
async fn publish(world: &mut HilWorld, payload: Text, topic: Text, delivery: Delivery) -> Result<(), StepError> {
    publish_one(world, &payload, &topic, delivery).await
}

#[when(expr = "I publish to {text}{delivery} the text:")]
async fn publish_text(
    world: &mut HilWorld,
    topic: Text,
    delivery: Delivery,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    publish_one(world, doc_string(step)?, &topic, delivery).await
}

async fn publish_one(world: &mut HilWorld, text: &str, topic: &str, delivery: Delivery) -> Result<(), StepError> {
    check_topic(topic)?;
    world.stage()?.publish(topic, Payload::from(text), delivery.qos, delivery.retained).await
}

#[when(expr = "I publish to {text}{delivery}, one after another:")]
async fn publish_all(
    world: &mut HilWorld,
    topic: Text,
    delivery: Delivery,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    check_topic(&topic)?;
    let payloads = column(step)?;
    let publish = async |stage: &mut Stage| {
        let mut first = None;
        for payload in payloads {
            let payload = Payload::from(payload.as_str());
            let event = stage.observer().publish(&topic, payload, delivery.qos, delivery.retained).await?;
            first.get_or_insert(event);
        }
        first.map(|event| Effect::of(&event)).ok_or_else(|| StepError::errored("the table has no row to publish"))
    };
    world.stage()?.act(publish).await
}
