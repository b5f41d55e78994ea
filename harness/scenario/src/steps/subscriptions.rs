//! Subscribing and unsubscribing.

use cucumber::{gherkin, then};
use hil_timeline::{Packet, RunEvent};
use hil_verdict::{Asked, Granted, seconds};

use super::rows;
use crate::error::StepError;
use crate::parameters::{Span, Text};
use crate::spec::{BelowDoc, StepSpec, Takes};
use crate::stage::Stage;
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "{board} subscribes within {span} to:",
        &[(r#"Then "lamp" subscribes within 2 s to:"#, "One SUBSCRIBE with these filters.")],
    )
    .above(&GRANTED),
    StepSpec::new(
        "the subscription of {board} to {filter} is refused within {span}",
        &[(
            r#"Then the subscription of "lamp" to "secret/#" is refused within 2 s"#,
            "SUBACK has a code from 0x80 on for it.",
        )],
    ),
    StepSpec::new(
        "{board} unsubscribes from {filter} within {span}",
        &[(r#"Then "lamp" unsubscribes from "sooko/lampu" within 2 s"#, "And the broker confirms it.")],
    ),
];

/// Filters, with requested and granted QoS.
const GRANTED: BelowDoc = BelowDoc {
    name: "Rows of a subscription",
    takes: Takes::Table { columns: &["filter", "QoS", "granted"], check: |rows| Granted::read(rows).map(drop) },
    about: "A table with the columns `filter`, `QoS` (asked for: 0, 1 or 2) and `granted` (0, 1, 2, or a code from \
            `0x80` on); the heading row is optional.",
    fields: &[],
    example: &["| filter      | QoS | granted |", "| sooko/lampu | 1   | 1       |", "| secret/#    | 0   | 0x80    |"],
};

/// The first SUBACK since the mark that answers a SUBSCRIBE which `wanted` takes, with what was asked; else the last.
async fn answered(
    stage: &mut Stage,
    board: &str,
    within: std::time::Duration,
    wanted: impl Fn(&[Granted]) -> bool,
) -> Result<Vec<Granted>, Vec<Granted>> {
    let mut asked = Asked::by(board);
    let found = stage.expect(within, |event| asked.take(event).filter(|granted| wanted(granted))).await;
    found.ok_or(asked.closest)
}

#[then(expr = "{text} subscribes within {span} to:")]
async fn subscribes_to(
    world: &mut HilWorld,
    board: Text,
    within: Span,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    let wanted = Granted::read(rows(step)?)?;
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    match answered(stage, &board, within.0, |granted| granted == wanted).await {
        Ok(_) => Ok(()),
        Err(closest) => {
            let message =
                format!("`{board}` did not subscribe as expected in one SUBSCRIBE within {}", seconds(within.0));
            let details = std::iter::once(Granted::shown(&closest)).chain(stage.last_words(&board));
            Err(StepError::failed(message).with_details(details))
        }
    }
}

#[then(expr = "the subscription of {text} to {text} is refused within {span}")]
async fn subscription_is_refused(
    world: &mut HilWorld,
    board: Text,
    filter: Text,
    within: Span,
) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let refused = |granted: &[Granted]| granted.iter().any(|granted| granted.filter == filter && granted.code >= 0x80);
    match answered(stage, &board, within.0, refused).await {
        Ok(_) => Ok(()),
        Err(closest) => {
            let message =
                format!("the subscription of `{board}` to `{filter}` was not refused within {}", seconds(within.0));
            let details = std::iter::once(Granted::shown(&closest)).chain(stage.last_words(&board));
            Err(StepError::failed(message).with_details(details))
        }
    }
}

#[then(expr = "{text} unsubscribes from {text} within {span}")]
async fn unsubscribes(world: &mut HilWorld, board: Text, filter: Text, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let mut asked = None;
    let pick = |event: &RunEvent| {
        if let Some((of, on, Packet::Unsubscribe { packet_id, filters, .. })) = event.what.sent_by_board()
            && of == board
            && let Some(at) = filters.iter().position(|asked| *asked == filter)
        {
            asked = Some((on, *packet_id, at));
        }
        match event.what.reached_board()? {
            (of, on, Packet::Unsuback { packet_id, codes, .. }) if of == board => {
                let (_, _, at) = asked.filter(|asked| (asked.0, asked.1) == (on, *packet_id))?;
                // 3.1.1 has no codes.
                codes.get(at).is_none_or(|code| *code < 0x80).then_some(())
            }
            _ => None,
        }
    };
    if stage.expect(within.0, pick).await.is_some() {
        return Ok(());
    }
    let message = match asked {
        None => format!("`{board}` did not unsubscribe from `{filter}` within {}", seconds(within.0)),
        Some(_) => format!("the broker did not confirm that `{board}` unsubscribes from `{filter}`"),
    };
    Err(StepError::failed(message).with_details(stage.last_words(&board)))
}
