//! What a device announces to Home Assistant.

use cucumber::then;
use hil_verdict::{Announced, Component, DISCOVERY_PREFIX, seconds};

use super::{cause, check_topic};
use crate::error::StepError;
use crate::parameters::{Span, Text};
use crate::spec::StepSpec;
use crate::stage::{Stage, refs};
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[StepSpec::new(
    "{board} announces itself to Home Assistant as an? {component}(?: below {topic})? within {span}",
    &[
        (
            r#"Then "lamp" announces itself to Home Assistant as a "light" within 5 s"#,
            "By MQTT discovery: a retained announcement on `homeassistant/light/…/config`, or as a part of \
             `homeassistant/device/…/config`. It is complete, and the board uses every topic that it names: it is \
             subscribed to those of commands, has published to those of states, and its availability, if it names a topic for \
             it, follows from what it publishes and from its will. Several announcements of the component must all be \
             right. They may have been before the mark.",
        ),
        (
            r#"Then "lamp" announces itself to Home Assistant as a "sensor" below "ha" within 5 s"#,
            "The same with another discovery prefix.",
        ),
    ],
)];

#[then(expr = "{text} announces itself to Home Assistant as a/an {text} within {span}")]
async fn announces(world: &mut HilWorld, board: Text, component: Text, within: Span) -> Result<(), StepError> {
    announced(world.stage()?, &board, &component, DISCOVERY_PREFIX, within).await
}

#[then(expr = "{text} announces itself to Home Assistant as a/an {text} below {text} within {span}")]
async fn announces_below(
    world: &mut HilWorld,
    board: Text,
    component: Text,
    prefix: Text,
    within: Span,
) -> Result<(), StepError> {
    check_topic(&prefix)?;
    announced(world.stage()?, &board, &component, &prefix, within).await
}

async fn announced(
    stage: &mut Stage,
    board: &str,
    component: &str,
    prefix: &str,
    within: Span,
) -> Result<(), StepError> {
    let Some(component) = Component::named(component) else {
        return Err(StepError::errored(format!("`{component}` is not a component of Home Assistant")));
    };
    stage.check_packets(board)?;
    let mut rule = Announced::new(board, component, prefix);
    // What the board has announced stays with the broker, and what it is subscribed to holds: they count from before the
    // mark as well.
    let until = stage.mark().at + within.0;
    let complete = |event: &hil_timeline::RunEvent| {
        rule.take(event);
        rule.wrong().is_empty().then_some(())
    };
    if stage.watch_all_from(stage.begin(), until, complete).await.is_some() {
        return Ok(());
    }
    let mut rule = Announced::new(board, component, prefix);
    refs(&stage.events()).into_iter().filter(|event| event.at <= until).for_each(|event| rule.take(event));
    let message = format!(
        "`{board}` did not announce itself to Home Assistant as `{}` within {} of {}",
        component.word,
        seconds(within.0),
        cause(stage)
    );
    Err(StepError::failed(message).with_details(rule.wrong().into_iter().chain(stage.last_words(board))))
}
