//! Faults of a board's network.

use cucumber::{then, when};
use hil_link::Way;
use hil_mqtt::{Deed, Fault, PacketMatch, parse_code, parse_rate};
use hil_timeline::{Direction, Fate, RunEvent, What};
use hil_verdict::seconds;

use crate::error::StepError;
use crate::parameters::Span;
use crate::world::HilWorld;

async fn apply(world: &mut HilWorld, board: &str, fault: &Fault) -> Result<(), StepError> {
    world.stage()?.apply_fault(board, fault).await
}

#[when(regex = r#"^the network of "([^"]*)" goes silent(?: towards the (broker|board))?$"#)]
async fn goes_silent(world: &mut HilWorld, board: String, towards: String) -> Result<(), StepError> {
    let ways = match towards.as_str() {
        "broker" => vec![Way::Up],
        "board" => vec![Way::Down],
        _ => Way::BOTH.to_vec(),
    };
    apply(world, &board, &Fault::Silence(ways)).await
}

#[when(expr = "the network of {string} goes silent for {span}")]
async fn goes_silent_for(world: &mut HilWorld, board: String, span: Span) -> Result<(), StepError> {
    apply(world, &board, &Fault::Silence(Way::BOTH.to_vec())).await?;
    tokio::time::sleep(span.0).await;
    world.stage()?.end_silence(&board)
}

#[when(expr = "the network of {string} recovers")]
async fn recovers(world: &mut HilWorld, board: String) -> Result<(), StepError> {
    apply(world, &board, &Fault::Recover).await
}

#[when(expr = "the network of {string} is delayed by {span}")]
async fn is_delayed(world: &mut HilWorld, board: String, by: Span) -> Result<(), StepError> {
    apply(world, &board, &Fault::Delay { by: by.0, jitter: std::time::Duration::ZERO }).await
}

#[when(expr = "the network of {string} is delayed by {span} ± {span}")]
async fn is_delayed_with_jitter(world: &mut HilWorld, board: String, by: Span, jitter: Span) -> Result<(), StepError> {
    apply(world, &board, &Fault::Delay { by: by.0, jitter: jitter.0 }).await
}

#[when(regex = r#"^the network of "([^"]*)" carries no more than (\d+ ?[kM]?B/s)$"#)]
async fn is_limited(world: &mut HilWorld, board: String, rate: String) -> Result<(), StepError> {
    let rate = parse_rate(&rate).map_err(StepError::errored)?;
    apply(world, &board, &Fault::Bandwidth(rate)).await
}

#[when(expr = "connections of {string} are refused")]
async fn are_refused(world: &mut HilWorld, board: String) -> Result<(), StepError> {
    apply(world, &board, &Fault::Refuse).await
}

#[when(expr = "connections of {string} are accepted again")]
async fn are_accepted(world: &mut HilWorld, board: String) -> Result<(), StepError> {
    apply(world, &board, &Fault::Accept).await
}

#[when(expr = "the connection of {string} is closed")]
async fn is_closed(world: &mut HilWorld, board: String) -> Result<(), StepError> {
    end(world, &board, &Fault::Close).await
}

#[when(expr = "the connection of {string} is reset")]
async fn is_reset(world: &mut HilWorld, board: String) -> Result<(), StepError> {
    end(world, &board, &Fault::Reset).await
}

async fn end(world: &mut HilWorld, board: &str, fault: &Fault) -> Result<(), StepError> {
    if !world.stage()?.session(board).connected {
        return Err(StepError::errored(format!("`{board}` has no connection that could be ended")));
    }
    apply(world, board, fault).await
}

#[when(regex = r#"^the next CONNACK to "([^"]*)" is held(?: for (\d+(?:\.\d+)? ?(?:ms|s|min)))?$"#)]
async fn connack_is_held(world: &mut HilWorld, board: String, span: String) -> Result<(), StepError> {
    let span = match span.as_str() {
        "" => None,
        text => Some(hil_config::parse_duration(text).map_err(|error| StepError::errored(error.to_string()))?),
    };
    apply(world, &board, &Fault::HoldConnack(span)).await
}

#[when(regex = r#"^the next CONNECT of "([^"]*)" is answered with code (\d+|0x[0-9a-fA-F]{1,2})$"#)]
async fn connect_is_answered(world: &mut HilWorld, board: String, code: String) -> Result<(), StepError> {
    let code = parse_code(&code).map_err(StepError::errored)?;
    if code == 0 {
        return Err(StepError::errored("code 0 is no refusal").with_hint("the broker itself says it"));
    }
    apply(world, &board, &Fault::AnswerConnect(code)).await
}

#[when(
    regex = r#"^the next ([A-Z]+)(?: on "([^"]*)")? (from|to) "([^"]*)" is (dropped|duplicated|corrupted|overtaken)$"#
)]
async fn next_packet(
    world: &mut HilWorld,
    name: String,
    topic: String,
    direction: String,
    board: String,
    deed: String,
) -> Result<(), StepError> {
    let deed = match deed.as_str() {
        "dropped" => Deed::Drop,
        "duplicated" => Deed::Duplicate,
        "corrupted" => Deed::Corrupt,
        _ => Deed::Swap,
    };
    let packet = packet(name, &topic, &direction)?;
    apply(world, &board, &Fault::Next(deed, packet)).await
}

#[when(
    regex = r#"^the next ([A-Z]+)(?: on "([^"]*)")? (from|to) "([^"]*)" is delayed by (\d+(?:\.\d+)? ?(?:ms|s|min))$"#
)]
async fn next_packet_is_delayed(
    world: &mut HilWorld,
    name: String,
    topic: String,
    direction: String,
    board: String,
    by: String,
) -> Result<(), StepError> {
    let by = hil_config::parse_duration(&by).map_err(|error| StepError::errored(error.to_string()))?;
    let packet = packet(name, &topic, &direction)?;
    apply(world, &board, &Fault::Next(Deed::Delay(by), packet)).await
}

#[then(regex = r#"^an? ([A-Z]+) (from|to) "([^"]*)" is dropped within (\d+(?:\.\d+)? ?(?:ms|s|min))$"#)]
async fn is_dropped(
    world: &mut HilWorld,
    name: String,
    direction: String,
    board: String,
    within: Span,
) -> Result<(), StepError> {
    let wanted = packet(name, "", &direction)?;
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let dropped = |event: &RunEvent| match &event.what {
        What::Packet { board: of, direction, fate: Some(Fate::Dropped), packet, .. } => {
            (*of == board && *direction == wanted.direction && packet.name() == wanted.name).then_some(())
        }
        _ => None,
    };
    if stage.expect(within.0, dropped).await.is_some() {
        return Ok(());
    }
    let message = format!("no {} {direction} `{board}` was dropped within {}", wanted.name, seconds(within.0));
    Err(StepError::failed(message).with_details(stage.last_words(&board)))
}

fn packet(name: String, topic: &str, direction: &str) -> Result<PacketMatch, StepError> {
    if !hil_mqtt::PACKET_NAMES.contains(&name.as_str()) {
        let hint = format!("one of {}", hil_mqtt::PACKET_NAMES.join(", "));
        return Err(StepError::errored(format!("MQTT has no packet `{name}`")).with_hint(hint));
    }
    if name != "PUBLISH" && !topic.is_empty() {
        return Err(StepError::errored(format!("{name} has no topic")).with_hint("a topic may be named for PUBLISH"));
    }
    let direction = if direction == "from" { Direction::FromBoard } else { Direction::ToBoard };
    Ok(PacketMatch { name, direction, topic: (!topic.is_empty()).then(|| topic.to_owned()) })
}
