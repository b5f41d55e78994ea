//! Messages that the harness publishes.

use cucumber::{gherkin, when};
use hil_timeline::{Effect, Payload};

use super::{check_topic, column, doc_string};
use crate::error::StepError;
use crate::parameters::{Delivery, Text};
use crate::stage::Stage;
use crate::world::HilWorld;

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
