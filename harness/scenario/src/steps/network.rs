//! Faults of a board's network.

use cucumber::when;
use hil_link::PathDirection;
use hil_mqtt::{Fault, parse_rate};
use hil_timeline::{Effect, RunEvent};
use hil_verdict::{connects, seconds};

use crate::error::StepError;
use crate::parameters::{Rate, Side, Span, Text};
use crate::spec::StepSpec;
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "the network of {board} goes silent(?: towards the (?:broker|board)| for {span})?",
        &[
            (
                r#"When the network of "lamp" goes silent"#,
                "Nothing gets through any more, not even FIN. Bytes are held, and delivered in order when the \
                 network recovers.",
            ),
            (r#"When the network of "lamp" goes silent for 3 s"#, "Goes silent, waits, and recovers."),
            (
                r#"When the network of "lamp" goes silent towards the broker"#,
                "Holds only what the board sends. `towards the board` holds only what is sent to it.",
            ),
        ],
    ),
    StepSpec::new(
        "the network of {board} recovers",
        &[(
            r#"When the network of "lamp" recovers"#,
            "Ends silence, delay and all other network faults. Faults that still wait for a packet are dropped.",
        )],
    ),
    StepSpec::new(
        "the network of {board} is delayed by {span}(?: ± {span})?",
        &[
            (r#"When the network of "lamp" is delayed by 200 ms"#, "Bytes arrive that much later, in both directions."),
            (r#"When the network of "lamp" is delayed by 200 ms ± 50 ms"#, "The same, with jitter."),
        ],
    ),
    StepSpec::new(
        "the network of {board} carries no more than {rate}",
        &[(
            r#"When the network of "lamp" carries no more than 10 kB/s"#,
            "Limits each direction: `B/s`, `kB/s` (1000) or `MB/s`.",
        )],
    ),
    StepSpec::new(
        "connections of {board} are (?:refused|accepted again)",
        &[
            (
                r#"When connections of "lamp" are refused"#,
                "The tap stops listening: the system answers new connections with RST. Open connections stay.",
            ),
            (r#"When connections of "lamp" are accepted again"#, "The tap listens again."),
        ],
    ),
    StepSpec::new(
        "the connection of {board} is (?:closed|reset)",
        &[
            (r#"When the connection of "lamp" is closed"#, "The tap sends FIN to both sides."),
            (r#"When the connection of "lamp" is reset"#, "The tap sends RST to both sides."),
        ],
    ),
    StepSpec::new(
        "the connection of {board} is (?:closed|reset) {times} times?",
        &[
            (
                r#"When the connection of "lamp" is closed 100 times"#,
                "Each time waits up to `connects-within` until the broker has accepted the next connection of the board. \
                 What comes since the first time matches; deadlines count from the last reconnect.",
            ),
            (r#"When the connection of "lamp" is reset 3 times"#, "The same with RST."),
        ],
    ),
];

/// Applies a fault; deadlines count from then.
pub(super) async fn apply(world: &mut HilWorld, board: &str, fault: &Fault) -> Result<(), StepError> {
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

#[when(expr = "the connection of {text} is closed {int} time(s)")]
async fn is_closed_again(world: &mut HilWorld, board: Text, times: usize) -> Result<(), StepError> {
    end_again(world, &board, &Fault::Close, times).await
}

#[when(expr = "the connection of {text} is reset {int} time(s)")]
async fn is_reset_again(world: &mut HilWorld, board: Text, times: usize) -> Result<(), StepError> {
    end_again(world, &board, &Fault::Reset, times).await
}

/// Ends the connection again and again, each time after the board has connected again.
async fn end_again(world: &mut HilWorld, board: &str, fault: &Fault, times: usize) -> Result<(), StepError> {
    let begin = world.stage()?.end();
    for time in 1..=times {
        end(world, board, fault).await?;
        let stage = world.stage()?;
        let limit = stage.connects_within(board);
        let (from, until) = (stage.mark().cursor, stage.recorder().now() + limit);
        let accepted = |event: &RunEvent| (connects(board, [event]) > 0).then(|| event.clone());
        let Some(event) = stage.watch_all_from(from, until, accepted).await else {
            let message = format!(
                "`{board}` did not connect again within {} (`connects-within`) after its connection was ended for the {} time",
                seconds(limit),
                nth(time)
            );
            return Err(StepError::failed(message).with_details(stage.last_words(board)));
        };
        stage.took_effect(Effect { cursor: begin, at: event.at });
    }
    Ok(())
}

/// `1st`, `22nd`, `113th`.
fn nth(number: usize) -> String {
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

async fn end(world: &mut HilWorld, board: &str, fault: &Fault) -> Result<(), StepError> {
    let stage = world.stage()?;
    if !stage.session(board).connected && !stage.has_open_exchange(board) {
        return Err(StepError::errored(format!("`{board}` has no connection to end")));
    }
    apply(world, board, fault).await
}
