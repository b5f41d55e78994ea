//! The time that boards get from the network.

use cucumber::{gherkin, given, then, when};
use hil_services::NetworkClock;
use hil_timeline::{Exchange, RunEvent, What};
use hil_verdict::seconds;

use super::cause;
use crate::error::StepError;
use crate::parameters::{Moment, Span, Text};
use crate::spec::StepSpec;
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "the clock of the network says {moment}",
        &[
            (
                r"Given the clock of the network says 2038-01-19",
                "The time server at `{sntp.host}` and `{sntp.port}` says that it is this day, 00:00 UTC, and goes on from \
                 there. At first it has the time of this machine.",
            ),
            (r"Given the clock of the network says 2038-01-19T03:14:07Z", "The same with a time, in UTC."),
            (r"When the clock of the network says 2038-01-19", "From now on it says that."),
        ],
    ),
    StepSpec::new(
        "the clock of the network is {span} (?:fast|slow)",
        &[
            (r"Given the clock of the network is 10 min fast", "It is ahead of this machine's clock."),
            (r"Given the clock of the network is 30 s slow", "It is behind this machine's clock."),
        ],
    ),
    StepSpec::new(
        "the clock of the network is (?:silent|right)",
        &[
            (r"Given the clock of the network is silent", "The time server does not answer."),
            (r"When the clock of the network is silent", "From now on it does not."),
            (r"When the clock of the network is right", "It answers again, with the time of this machine."),
        ],
    ),
    StepSpec::new(
        "{board} asks for the time within {span}",
        &[(r#"Then "lamp" asks for the time within 10 s"#, "A question has reached the time server, answered or not.")],
    ),
    StepSpec::new(
        "{board} does not ask for the time for {span}",
        &[(
            r#"Then "lamp" does not ask for the time for 3 s"#,
            "No question has reached the time server; `errored` if the board's network could not have carried one.",
        )],
    ),
];

#[given(expr = "the clock of the network says {moment}")]
#[when(expr = "the clock of the network says {moment}")]
async fn says(world: &mut HilWorld, moment: Moment, #[step] step: &gherkin::Step) -> Result<(), StepError> {
    set(world, step, |clock| clock.set(&moment))
}

#[given(expr = "the clock of the network is {span} fast")]
async fn is_fast(world: &mut HilWorld, by: Span, #[step] step: &gherkin::Step) -> Result<(), StepError> {
    set(world, step, |clock| {
        clock.set_off(by.0, true);
        Ok(())
    })
}

#[given(expr = "the clock of the network is {span} slow")]
async fn is_slow(world: &mut HilWorld, by: Span, #[step] step: &gherkin::Step) -> Result<(), StepError> {
    set(world, step, |clock| {
        clock.set_off(by.0, false);
        Ok(())
    })
}

#[given("the clock of the network is silent")]
#[when("the clock of the network is silent")]
async fn is_silent(world: &mut HilWorld, #[step] step: &gherkin::Step) -> Result<(), StepError> {
    set(world, step, |clock| {
        clock.silence();
        Ok(())
    })
}

#[when("the clock of the network is right")]
async fn is_right(world: &mut HilWorld, #[step] step: &gherkin::Step) -> Result<(), StepError> {
    set(world, step, |clock| {
        clock.set_right();
        Ok(())
    })
}

/// Sets the clock, and records that.
fn set(
    world: &mut HilWorld,
    step: &gherkin::Step,
    change: impl FnOnce(&NetworkClock) -> Result<(), String>,
) -> Result<(), StepError> {
    let stage = world.stage()?;
    change(stage.network_clock()).map_err(StepError::errored)?;
    stage.note_change(step, "");
    Ok(())
}

#[then(expr = "{text} asks for the time within {span}")]
async fn asks(world: &mut HilWorld, board: Text, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    if stage.expect(within.0, |event| is_question(event, &board).then_some(())).await.is_some() {
        return Ok(());
    }
    stage.check_carries(&board)?;
    let (cause, within) = (cause(stage), seconds(within.0));
    let message = format!("`{board}` did not ask for the time within {within} of {cause}");
    Err(StepError::failed(message).with_details(stage.last_words(&board)))
}

#[then(expr = "{text} does not ask for the time for {span}")]
async fn does_not_ask(world: &mut HilWorld, board: Text, span: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    stage.check_carries(&board)?;
    let until = stage.mark().at + span.0;
    if stage.watch(until, |event| is_question(event, &board).then_some(())).await.is_some() {
        let message = format!("`{board}` asked for the time");
        return Err(StepError::failed(message).with_details(stage.last_words(&board)));
    }
    stage.check_carries(&board)?;
    stage.check_shows_life(&board)
}

fn is_question(event: &RunEvent, board: &str) -> bool {
    matches!(&event.what, What::Service { board: of, exchange: Exchange::Time { .. }, .. } if of == board)
}
