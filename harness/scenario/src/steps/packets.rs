//! Faults of single packets.

use cucumber::{then, when};
use hil_mqtt::{Fault, PacketAction, PacketMatch, parse_code};
use hil_timeline::{Direction, Disposition, RunEvent, What};
use hil_verdict::seconds;

use super::network::apply;
use crate::error::StepError;
use crate::parameters::{Code, Effect, FromOrTo, OnFilter, PacketName, Span, Text};
use crate::spec::StepSpec;
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "the next CONNACK to {board} is held(?: for {span})?",
        &[
            (r#"When the next CONNACK to "lamp" is held for 2 s"#, "Holds that packet and everything after it."),
            (r#"When the next CONNACK to "lamp" is held"#, "The same, until the network recovers."),
        ],
    ),
    StepSpec::new(
        "the next CONNECT of {board} is answered with code {refusal}",
        &[(
            r#"When the next CONNECT of "lamp" is answered with code 5"#,
            "The tap answers with this return or reason code (`5`, `0x87`) and closes the connection, as a \
             broker would. The broker does not see the CONNECT.",
        )],
    ),
    StepSpec::new(
        "the next {packet}(?: on {filter})? {direction} {board} is \
         (?:dropped|duplicated|corrupted|overtaken|delayed by {span})",
        &[
            (
                r#"When the next PUBACK from "lamp" is dropped"#,
                "Also `duplicated`, `corrupted` (flips one bit of its last byte) or `overtaken` (by the packet \
                 after it). `to \"lamp\"` selects what the board is sent; `the next PUBLISH on \"a/#\" to \"lamp\"` \
                 selects by topic filter.",
            ),
            (r#"When the next PUBACK from "lamp" is delayed by 2 s"#, "Delays that packet and everything after it."),
        ],
    ),
    StepSpec::new(
        "an? {packet} {direction} {board} is dropped within {span}",
        &[(
            r#"Then a PUBACK to "client" is dropped within 1 s"#,
            "A fault dropped it. `from` selects what the board sends.",
        )],
    ),
];

#[when(expr = "the next CONNACK to {text} is held")]
async fn connack_is_held(world: &mut HilWorld, board: Text) -> Result<(), StepError> {
    apply(world, &board, &Fault::HoldConnack(None)).await
}

#[when(expr = "the next CONNACK to {text} is held for {span}")]
async fn connack_is_held_for(world: &mut HilWorld, board: Text, span: Span) -> Result<(), StepError> {
    apply(world, &board, &Fault::HoldConnack(Some(span.0))).await
}

#[when(expr = "the next CONNECT of {text} is answered with code {code}")]
async fn connect_is_answered(world: &mut HilWorld, board: Text, code: Code) -> Result<(), StepError> {
    let code = parse_code(&code).map_err(StepError::errored)?;
    if code == 0 {
        return Err(StepError::errored("code 0 is not a refusal").with_hint("`0` means accepted (MQTT 3.1.1 §3.2.2.3)"));
    }
    apply(world, &board, &Fault::AnswerConnect(code)).await
}

#[when(expr = "the next {packet}{on_filter} {direction} {text} is {effect}")]
async fn next_packet(
    world: &mut HilWorld,
    name: PacketName,
    filter: OnFilter,
    direction: FromOrTo,
    board: Text,
    effect: Effect,
) -> Result<(), StepError> {
    let action = match &*effect {
        "dropped" => PacketAction::Drop,
        "duplicated" => PacketAction::Duplicate,
        "corrupted" => PacketAction::Corrupt,
        _ => PacketAction::Swap,
    };
    let packet = packet(&name, filter.0, &direction)?;
    apply(world, &board, &Fault::Next(action, packet)).await
}

#[when(expr = "the next {packet}{on_filter} {direction} {text} is delayed by {span}")]
async fn next_packet_is_delayed(
    world: &mut HilWorld,
    name: PacketName,
    filter: OnFilter,
    direction: FromOrTo,
    board: Text,
    by: Span,
) -> Result<(), StepError> {
    let packet = packet(&name, filter.0, &direction)?;
    apply(world, &board, &Fault::Next(PacketAction::Delay(by.0), packet)).await
}

#[then(expr = "a(n) {packet} {direction} {text} is dropped within {span}")]
async fn is_dropped(
    world: &mut HilWorld,
    name: PacketName,
    direction: FromOrTo,
    board: Text,
    within: Span,
) -> Result<(), StepError> {
    let wanted = packet(&name, None, &direction)?;
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let dropped = |event: &RunEvent| match &event.what {
        What::Packet { board: of, direction, disposition: Some(Disposition::Dropped), packet, .. } => {
            (*of == board && *direction == wanted.direction && packet.name() == wanted.name).then_some(())
        }
        _ => None,
    };
    if stage.expect(within.0, dropped).await.is_some() {
        return Ok(());
    }
    let message = format!("no {} {} `{board}` was dropped within {}", wanted.name, &*direction, seconds(within.0));
    Err(StepError::failed(message).with_details(stage.last_words(&board)))
}

fn packet(name: &str, topic: Option<String>, direction: &str) -> Result<PacketMatch, StepError> {
    if !hil_mqtt::PACKET_NAMES.contains(&name) {
        let hint = format!("one of {}", hil_mqtt::PACKET_NAMES.join(", "));
        return Err(StepError::errored(format!("MQTT has no packet `{name}`")).with_hint(hint));
    }
    if name != "PUBLISH" && topic.is_some() {
        return Err(StepError::errored(format!("{name} has no topic")).with_hint("only PUBLISH has one"));
    }
    let direction = if direction == "from" { Direction::FromBoard } else { Direction::ToBoard };
    Ok(PacketMatch { name: name.to_owned(), direction, topic })
}
