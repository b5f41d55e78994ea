//! Gauges: numbers that a board prints or publishes again and again.

use std::time::Duration;

use cucumber::{given, then};
use hil_timeline::{Cursor, RunEvent};
use hil_verdict::{
    Drift, Gauge, GaugeSource, GaugeValue, JsonPath, NumberCondition, connects, gauge_values, seconds, signed,
};

use super::{cause, check_filter, pattern};
use crate::error::StepError;
use crate::parameters::{Condition, DriftText, FallOrRise, Span, Text};
use crate::spec::StepSpec;
use crate::stage::{Stage, refs};
use crate::world::HilWorld;

/// How long a board may take until it prints or publishes the next value.
const PATIENCE: Duration = Duration::from_secs(10);

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "the gauge {gauge} of {board} is {shown} on its console",
        &[(
            r#"Given the gauge "heap" of "lamp" is "/heap: (?<heap>\d+)/" on its console"#,
            "Every line of the scenario that matches has a value: what the group with the name of the gauge matches. Values \
             are in the timeline, on the page as a curve, and in comparisons of runs.",
        )],
    ),
    StepSpec::new(
        "the gauge {gauge} of {board} is what it publishes to {filter}",
        &[(
            r#"Given the gauge "temp" of "lamp" is what it publishes to "sister/temp""#,
            "Every message of the board there has a value: its payload.",
        )],
    ),
    StepSpec::new(
        "the gauge {gauge} of {board} is {path} in what it publishes to {filter}",
        &[(
            r#"Given the gauge "heap" of "lamp" is "$.heap" in what it publishes to "tele/state""#,
            "The value is at this path in the JSON payload. Messages without it have none.",
        )],
    ),
    StepSpec::new(
        "the gauge {gauge} of {board} is {number}(?: within {span})?",
        &[
            (
                r#"Then the gauge "heap" of "lamp" is above 20000"#,
                "The latest value of the scenario. Also `below 15`, `at least 15`, `at most 15`, `20 ± 0.5` and `between 1 and \
                 5`. Errored if there is no value yet.",
            ),
            (
                r#"Then the gauge "heap" of "lamp" is above 20000 within 5 s"#,
                "A value that comes after the mark, in time.",
            ),
        ],
    ),
    StepSpec::new(
        "the gauge {gauge} of {board} stays {number} for {span}",
        &[(
            r#"Then the gauge "temp" of "lamp" stays between 15 and 40 for 10 s"#,
            "Every value that comes in that time, counted from the mark. The step fails if there is none.",
        )],
    ),
    StepSpec::new(
        "the gauge {gauge} of {board} does not (?:fall|rise) by more than {drift} over (?:{span}|{times} reconnects?)",
        &[
            (
                r#"Then the gauge "heap" of "lamp" does not fall by more than 5 % over 30 s"#,
                "No value from the action of the latest Given or When to the end of that time, counted from the mark, is more \
                 than 5 % below the one before the action, or, if there is none, the first one. `by more than 1000` is in the \
                 unit of the gauge. Also `does not rise`. Errored with fewer than two values.",
            ),
            (
                r#"Then the gauge "heap" of "lamp" does not fall by more than 5 % over 100 reconnects"#,
                "The same up to the first value after the last reconnect; the action is for example `the connection of \
                 \"lamp\" is closed 100 times`. Errored if the board has reconnected less often since then.",
            ),
        ],
    ),
];

#[given(expr = "the gauge {text} of {text} is {text} on its console")]
async fn on_console(world: &mut HilWorld, gauge: Text, board: Text, text: Text) -> Result<(), StepError> {
    define(world.stage()?, gauge, &board, GaugeSource::Console(pattern(&text)?))
}

#[given(expr = "the gauge {text} of {text} is what it publishes to {text}")]
async fn in_payloads(world: &mut HilWorld, gauge: Text, board: Text, filter: Text) -> Result<(), StepError> {
    check_filter(&filter)?;
    define(world.stage()?, gauge, &board, GaugeSource::Messages { filter: filter.0, path: None })
}

#[given(expr = "the gauge {text} of {text} is {text} in what it publishes to {text}")]
async fn in_json(world: &mut HilWorld, gauge: Text, board: Text, path: Text, filter: Text) -> Result<(), StepError> {
    check_filter(&filter)?;
    let path = JsonPath::parse(&path)
        .map_err(|reason| StepError::errored(format!("`{path}` is not a path in a JSON text: {reason}")))?;
    define(world.stage()?, gauge, &board, GaugeSource::Messages { filter: filter.0, path: Some(path) })
}

/// Makes a gauge of all records of the scenario.
fn define(stage: &mut Stage, gauge: Text, board: &str, source: GaugeSource) -> Result<(), StepError> {
    stage.board(board)?;
    let from = stage.begin().0;
    stage.add_gauge(Gauge { board: board.to_owned(), name: gauge.0, source, from });
    Ok(())
}

#[then(expr = "the gauge {text} of {text} is {condition}")]
async fn is_now(world: &mut HilWorld, gauge: Text, board: Text, condition: Condition) -> Result<(), StepError> {
    let wanted = NumberCondition::parse(&condition)?;
    let stage = world.stage()?;
    stage.check_started(&board)?;
    let values = stage.gauge_values(&board, &gauge, stage.begin())?;
    let Some(last) = values.last() else { return Err(no_value(stage, &board, &gauge)) };
    if wanted.wrong(&last.text).is_none() {
        return Ok(());
    }
    Err(StepError::failed(wrong(&gauge, &board, &wanted, last)).with_details(shown(stage, &values)))
}

#[then(expr = "the gauge {text} of {text} is {condition} within {span}")]
async fn is_within(
    world: &mut HilWorld,
    gauge: Text,
    board: Text,
    condition: Condition,
    within: Span,
) -> Result<(), StepError> {
    let wanted = NumberCondition::parse(&condition)?;
    let stage = world.stage()?;
    stage.check_started(&board)?;
    let sources = stage.gauge(&board, &gauge)?;
    let (from, until) = (stage.mark().cursor, stage.mark().at + within.0);
    let holds = |event: &RunEvent| {
        let value = gauge_values(&sources, [event]).pop()?;
        wanted.wrong(&value.text).is_none().then_some(())
    };
    if stage.watch_all_from(from, until, holds).await.is_some() {
        return Ok(());
    }
    let values = stage.gauge_values(&board, &gauge, from)?;
    stage.check_console(&board)?;
    let message = match values.last() {
        Some(last) => format!("{} within {}", wrong(&gauge, &board, &wanted, last), seconds(within.0)),
        None => {
            format!("the gauge `{gauge}` of `{board}` got no value within {} of {}", seconds(within.0), cause(stage))
        }
    };
    let details = shown(stage, &values).into_iter().chain(stage.last_words(&board));
    Err(StepError::failed(message).with_details(details))
}

#[then(expr = "the gauge {text} of {text} stays {condition} for {span}")]
async fn stays(
    world: &mut HilWorld,
    gauge: Text,
    board: Text,
    condition: Condition,
    span: Span,
) -> Result<(), StepError> {
    let wanted = NumberCondition::parse(&condition)?;
    let stage = world.stage()?;
    stage.check_started(&board)?;
    stage.check_console(&board)?;
    let sources = stage.gauge(&board, &gauge)?;
    let until = stage.mark().at + span.0;
    let bad =
        |event: &RunEvent| gauge_values(&sources, [event]).pop().filter(|value| wanted.wrong(&value.text).is_some());
    if let Some(value) = stage.watch_every(until, bad).await {
        let message = format!("{}, as it should stay for {}", wrong(&gauge, &board, &wanted, &value), seconds(span.0));
        let values = stage.gauge_values(&board, &gauge, stage.mark().cursor)?;
        return Err(StepError::failed(message).with_details(shown(stage, &values)));
    }
    stage.check_console(&board)?;
    // A value from while the action was running counts, as in every step that expects something.
    let values = stage.gauge_values(&board, &gauge, stage.mark().cursor)?;
    if !values.iter().any(|value| value.at <= until && wanted.wrong(&value.text).is_none()) {
        let message =
            format!("the gauge `{gauge}` of `{board}` got no value for {} after {}", seconds(span.0), cause(stage));
        return Err(StepError::failed(message).with_details(stage.last_words(&board)));
    }
    Ok(())
}

#[then(expr = "the gauge {text} of {text} does not {fall_or_rise} by more than {drift} over {span}")]
async fn drifts_over_time(
    world: &mut HilWorld,
    gauge: Text,
    board: Text,
    way: FallOrRise,
    drift: DriftText,
    span: Span,
) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    stage.check_console(&board)?;
    stage.gauge(&board, &gauge)?;
    let until = stage.mark().at + span.0;
    stage.wait_until(until).await;
    stage.check_console(&board)?;
    let from = stage.mark().cursor;
    let first = before(stage, &board, &gauge, from)?;
    let since = stage.gauge_values(&board, &gauge, from)?.into_iter().filter(|value| value.at <= until);
    let values = first.into_iter().chain(since).collect();
    judge_drift(stage, (&gauge, &board), &way, &drift, values, &seconds(span.0))
}

#[then(expr = "the gauge {text} of {text} does not {fall_or_rise} by more than {drift} over {int} reconnect(s)")]
async fn drifts_over_reconnects(
    world: &mut HilWorld,
    gauge: Text,
    board: Text,
    way: FallOrRise,
    drift: DriftText,
    times: usize,
) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let from = stage.mark().cursor;
    let came = connects(&board, refs(&stage.mine(from)));
    if came < times {
        let message = format!("`{board}` has reconnected {came} times since {}, not {times}", cause(stage));
        let hint = format!("close its connection first: `When the connection of \"{board}\" is closed {times} times`");
        return Err(StepError::errored(message).with_hint(hint).with_details(stage.last_words(&board)));
    }
    let sources = stage.gauge(&board, &gauge)?;
    let last = last_connect(stage, &board, from);
    let until = stage.recorder().now() + PATIENCE;
    let next = |event: &RunEvent| gauge_values(&sources, [event]).pop().map(drop);
    if stage.watch_unjudged(last, until, next).await.is_none() {
        stage.check_console(&board)?;
        let message = format!(
            "the gauge `{gauge}` of `{board}` got no value after the last reconnect, within {}",
            seconds(PATIENCE)
        );
        return Err(StepError::errored(message).with_details(stage.last_words(&board)));
    }
    let first = before(stage, &board, &gauge, from)?;
    let values = first.into_iter().chain(stage.gauge_values(&board, &gauge, from)?).collect();
    judge_drift(stage, (&gauge, &board), &way, &drift, values, &format!("{came} reconnects"))
}

/// The place after the latest CONNACK of a board.
fn last_connect(stage: &Stage, board: &str, from: Cursor) -> Cursor {
    let events = stage.mine(from);
    let last = events.iter().rev().find(|event| connects(board, [event.as_ref()]) > 0);
    last.map_or(from, |event| Cursor::after(event))
}

/// The latest value of the scenario before a place in the timeline.
fn before(stage: &Stage, board: &str, gauge: &str, from: Cursor) -> Result<Option<GaugeValue>, StepError> {
    let values = stage.gauge_values(board, gauge, stage.begin())?;
    Ok(values.into_iter().rev().find(|value| value.seq < from.0))
}

/// Whether no value is too far from the first one.
fn judge_drift(
    stage: &Stage,
    (gauge, board): (&str, &str),
    way: &str,
    drift: &str,
    values: Vec<GaugeValue>,
    over: &str,
) -> Result<(), StepError> {
    let most = Drift::parse(drift)
        .ok_or_else(|| StepError::errored(format!("`{drift}` is neither a percentage nor a number")))?;
    if let Some(bad) = values.iter().find(|value| value.number.is_none()) {
        let message = format!("the gauge `{gauge}` of `{board}` is `{}`, which is not a number", bad.text);
        return Err(StepError::failed(message).with_details(shown(stage, &values)));
    }
    let [first, later @ ..] = values.as_slice() else { return Err(no_value(stage, board, gauge)) };
    if later.is_empty() {
        let message = format!("the gauge `{gauge}` of `{board}` has only one value over {over}: it shows no change");
        return Err(StepError::errored(message).with_details(shown(stage, &values)));
    }
    let direction = if way == "rise" { -1.0 } else { 1.0 };
    let start = first.value().unwrap_or(f64::NAN);
    let exceeds = |value: &&GaugeValue| most.is_exceeded(start, value.value().unwrap_or(f64::NAN), direction);
    let Some(bad) = later.iter().find(exceeds) else { return Ok(()) };
    let verb = if way == "rise" { "rose" } else { "fell" };
    let message = format!(
        "the gauge `{gauge}` of `{board}` {verb} from {} to {} over {over}, by more than {most}",
        first.text, bad.text
    );
    Err(StepError::failed(message).with_details(shown(stage, &values)))
}

fn wrong(gauge: &str, board: &str, wanted: &NumberCondition, value: &GaugeValue) -> String {
    let is = format!("the gauge `{gauge}` of `{board}` is `{}`", value.text);
    match wanted.wrong(&value.text) {
        Some(note) if !note.is_empty() => format!("{is}{note}"),
        _ => format!("{is}, not {}", wanted.text()),
    }
}

/// The last values, with their times from the mark.
fn shown(stage: &Stage, values: &[GaugeValue]) -> Option<String> {
    const MOST: usize = 8;
    let mark = stage.mark().at;
    let last = values.iter().skip(values.len().saturating_sub(MOST));
    let last: Vec<_> = last.map(|value| format!("{} at {}", value.text, signed(value.at, mark))).collect();
    (!last.is_empty()).then(|| format!("values: {}", last.join(", ")))
}

fn no_value(stage: &Stage, board: &str, gauge: &str) -> StepError {
    if let Err(error) = stage.check_console(board) {
        return error;
    }
    let message = format!("the gauge `{gauge}` of `{board}` has no value yet");
    let hint = "wait for one: `… is above 0 within 5 s`, or `Then the console of \"…\" shows \"/…/\" within 5 s`";
    StepError::errored(message).with_hint(hint).with_details(stage.last_words(board))
}
