//! The names that boards ask the network for.

use cucumber::{gherkin, given, then, when};
use hil_timeline::{Exchange, RunEvent, What};
use hil_verdict::seconds;

use super::cause;
use crate::error::StepError;
use crate::parameters::{Span, Text};
use crate::spec::StepSpec;
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "the network of {resolving} (?:knows|does not know) the name {text}",
        &[
            (
                r#"Given the network of "lamp" knows the name "broker.example""#,
                "Its name server answers with this machine's address. For virtual boards that execute their firmware: other \
                 boards have a name server that the bench does not control. A name of which no step says anything is \
                 resolved as on this machine.",
            ),
            (
                r#"Given the network of "lamp" does not know the name "broker.example""#,
                "It answers that there is none.",
            ),
            (r#"When the network of "lamp" knows the name "broker.example""#, "From now on it does."),
        ],
    ),
    StepSpec::new(
        "the network of {resolving} answers no questions for names",
        &[(r#"Given the network of "lamp" answers no questions for names"#, "Its name server is silent.")],
    ),
    StepSpec::new(
        "{resolving} asks for the name {text} within {span}",
        &[(r#"Then "lamp" asks for the name "broker.example" within 10 s"#, "Whether it is answered or not.")],
    ),
];

#[given(expr = "the network of {text} knows the name {text}")]
#[when(expr = "the network of {text} knows the name {text}")]
async fn knows(world: &mut HilWorld, board: Text, name: Text, #[step] step: &gherkin::Step) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.know_name(&board, &name)?;
    stage.note_change(step, &board);
    Ok(())
}

#[given(expr = "the network of {text} does not know the name {text}")]
async fn does_not_know(
    world: &mut HilWorld,
    board: Text,
    name: Text,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.board(&board)?.asked_names()?.forget(&name);
    stage.note_change(step, &board);
    Ok(())
}

#[given(expr = "the network of {text} answers no questions for names")]
async fn answers_nothing(world: &mut HilWorld, board: Text, #[step] step: &gherkin::Step) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.board(&board)?.asked_names()?.silence();
    stage.note_change(step, &board);
    Ok(())
}

#[then(expr = "{text} asks for the name {text} within {span}")]
async fn asks(world: &mut HilWorld, board: Text, name: Text, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    stage.board(&board)?.asked_names()?;
    if stage.expect(within.0, |event| is_question(event, &board, &name).then_some(())).await.is_some() {
        return Ok(());
    }
    stage.check_carries(&board)?;
    let (cause, within) = (cause(stage), seconds(within.0));
    let message = format!("`{board}` did not ask for the name `{}` within {within} of {cause}", &*name);
    Err(StepError::failed(message).with_details(stage.last_words(&board)))
}

fn is_question(event: &RunEvent, board: &str, wanted: &str) -> bool {
    let same = |name: &str| name.trim_end_matches('.').eq_ignore_ascii_case(wanted.trim_end_matches('.'));
    matches!(&event.what, What::Service { board: of, exchange: Exchange::Name { name, .. }, .. }
        if of == board && same(name))
}
