//! Whether a node of Sparkplug B follows its rules.

use cucumber::then;
use hil_timeline::{Stamp, escaped};
use hil_verdict::{SparkplugSession, seconds, signed};

use super::cause;
use crate::error::StepError;
use crate::parameters::{Span, Text};
use crate::spec::StepSpec;
use crate::stage::refs;
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[StepSpec::new(
    "{board} follows the rules of Sparkplug B for {span}",
    &[(
        r#"Then "edge" follows the rules of Sparkplug B for 5 s"#,
        "From the beginning of the scenario until this time after the mark, the board announces the death of a node with its \
         CONNECT and then its birth, with the same `bdSeq`, one more than that of the session before. `seq` counts from 0 at \
         each birth. A device is born before it has data, and aliases are those of births. QoS and retain are as they must \
         be. A board that publishes no NBIRTH has failed. Messages name the rule of the specification, without `tck-id-`. \
         After a reset, a reboot or a power cut in between, `bdSeq` may begin again.",
    )],
)];

#[then(expr = "{text} follows the rules of Sparkplug B for {span}")]
async fn follows(world: &mut HilWorld, board: Text, span: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let until = stage.mark().at + span.0;
    let mut session = SparkplugSession::new(&board);
    let first_wrong = |event: &hil_timeline::RunEvent| {
        session.take(event);
        (!session.wrong().is_empty()).then_some(())
    };
    let _ = stage.watch_all_from(stage.begin(), until, first_wrong).await;
    let mut session = SparkplugSession::new(&board);
    refs(&stage.events()).into_iter().filter(|event| event.at <= until).for_each(|event| session.take(event));
    let mark = stage.mark().at;
    let line = |(at, what): &(Stamp, String)| format!("{} at {}", escaped(what), signed(*at, mark));
    if !session.wrong().is_empty() {
        let details = session.wrong().iter().map(line).chain(stage.last_words(&board));
        return Err(StepError::failed(format!("`{board}` breaks rules of Sparkplug B")).with_details(details));
    }
    if session.births() == 0 {
        let (cause, span) = (cause(stage), seconds(span.0));
        let message = format!("`{board}` published no NBIRTH of Sparkplug B within {span} of {cause}");
        return Err(StepError::failed(message).with_details(stage.last_words(&board)));
    }
    Ok(())
}
