//! Faults of a board's network.

use cucumber::{then, when};
use hil_link::PathDirection;
use hil_mqtt::{Fault, PacketAction, PacketMatch, parse_code, parse_rate};
use hil_timeline::{Direction, Disposition, RunEvent, What};
use hil_verdict::seconds;

use crate::error::StepError;
use crate::parameters::{Code, Effect, FromOrTo, OnFilter, PacketName, Rate, Side, Span, Text};
use crate::world::HilWorld;

async fn apply(world: &mut HilWorld, board: &str, fault: &Fault) -> Result<(), StepError> {
    world.stage()?.apply_fault(board, fault).await
}

#[when(expr = "the network of {text} goes silent")]
async fn goes_silent(world: &mut HilWorld, board: Text) -> Result<(), StepError> {
    apply(world, &board, &Fault::Silence(PathDirection::BOTH.to_vec())).await
}

#[when(expr = "the network of {text} goes silent towards the {side}")]
async fn goes_silent_towards(world: &mut HilWorld, board: Text, side: Side) -> Result<(), StepError> {
    let direction = if &*side == "broker" { PathDirection::Upstream } else { PathDirection::Downstream };
    apply(world, &board, &Fault::Silence(vec![direction])).await
}

#[when(expr = "the network of {text} goes silent for {span}")]
async fn goes_silent_for(world: &mut HilWorld, board: Text, span: Span) -> Result<(), StepError> {
    apply(world, &board, &Fault::Silence(PathDirection::BOTH.to_vec())).await?;
    tokio::time::sleep(span.0).await;
    world.stage()?.end_silence(&board)
}

#[when(expr = "the network of {text} recovers")]
async fn recovers(world: &mut HilWorld, board: Text) -> Result<(), StepError> {
    apply(world, &board, &Fault::Recover).await
}

#[when(expr = "the network of {text} is delayed by {span}")]
async fn is_delayed(world: &mut HilWorld, board: Text, by: Span) -> Result<(), StepError> {
    apply(world, &board, &Fault::Delay { by: by.0, jitter: std::time::Duration::ZERO }).await
}

#[when(expr = "the network of {text} is delayed by {span} ± {span}")]
async fn is_delayed_with_jitter(world: &mut HilWorld, board: Text, by: Span, jitter: Span) -> Result<(), StepError> {
    apply(world, &board, &Fault::Delay { by: by.0, jitter: jitter.0 }).await
}

#[when(expr = "the network of {text} carries no more than {rate}")]
async fn is_limited(world: &mut HilWorld, board: Text, rate: Rate) -> Result<(), StepError> {
    let rate = parse_rate(&rate).map_err(StepError::errored)?;
    apply(world, &board, &Fault::Bandwidth(rate)).await
}

#[when(expr = "connections of {text} are refused")]
async fn are_refused(world: &mut HilWorld, board: Text) -> Result<(), StepError> {
    apply(world, &board, &Fault::Refuse).await
}

#[when(expr = "connections of {text} are accepted again")]
async fn are_accepted(world: &mut HilWorld, board: Text) -> Result<(), StepError> {
    apply(world, &board, &Fault::Accept).await
}

#[when(expr = "the connection of {text} is closed")]
async fn is_closed(world: &mut HilWorld, board: Text) -> Result<(), StepError> {
    end(world, &board, &Fault::Close).await
}

#[when(expr = "the connection of {text} is reset")]
async fn is_reset(world: &mut HilWorld, board: Text) -> Result<(), StepError> {
    end(world, &board, &Fault::Reset).await
}

async fn end(world: &mut HilWorld, board: &str, fault: &Fault) -> Result<(), StepError> {
    if !world.stage()?.session(board).connected {
        return Err(StepError::errored(format!("`{board}` has no connection to end")));
    }
    apply(world, board, fault).await
}

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
