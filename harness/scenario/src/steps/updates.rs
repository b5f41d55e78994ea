//! Updates over the air: what is offered to boards, and what they load.

use cucumber::{gherkin, given, then};
use hil_services::{Behaviour, Stop};
use hil_timeline::{Exchange, RunEvent, What, percent};
use hil_verdict::{Unmet, seconds};

use super::{cause, rows};
use crate::error::StepError;
use crate::parameters::{Span, Text};
use crate::spec::{BelowDoc, StepSpec, Takes};
use crate::stage::{Stage, UPDATE_VALUES, update_path};
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "the update {update} is offered(?: to {board})?",
        &[
            (
                r#"Given the update "lamp-2" is offered"#,
                "The app of this firmware of the bench file is at `{http.url}/lamp-2.bin` and `{https.url}/lamp-2.bin`. \
                 Later steps write `${captured:update_url}` for where it is, and so `update_https_url`, `update_path`, \
                 `update_port`, `update_sha256`, `update_size` and `update_version`.",
            ),
            (
                r#"Given the update "lamp-2" is offered to "lamp""#,
                "The same where a scenario names several boards: the captured address is the one for this board.",
            ),
        ],
    )
    .giving(UPDATE_VALUES),
    StepSpec::new(
        "the update {update} is offered(?: to {board})? with:",
        &[
            (
                r#"Given the update "lamp-2" is offered with:"#,
                "The same, but the server misbehaves as the table says.",
            ),
            (r#"Given the update "lamp-2" is offered to "lamp" with:"#, "The same where a scenario names several boards."),
        ],
    )
    .giving(UPDATE_VALUES)
    .above(&OPTIONS),
    StepSpec::new(
        "{board} requests the update {update} within {span}",
        &[(r#"Then "lamp" requests the update "lamp-2" within 5 s"#, "A GET of it has reached the server.")],
    ),
    StepSpec::new(
        "{board} does not request the update {update} for {span}",
        &[(
            r#"Then "lamp" does not request the update "lamp-2" for 3 s"#,
            "No request for it has reached the server; `errored` if the board's network could not have carried one.",
        )],
    ),
    StepSpec::new(
        "{board} loads the update {update} within {span}",
        &[(
            r#"Then "lamp" loads the update "lamp-2" within 30 s"#,
            "Its last byte was sent to the board. Whether the board runs it, is not said.",
        )],
    ),
];

/// How the server answers.
const OPTIONS: BelowDoc = BelowDoc {
    name: "How an update is offered",
    takes: Takes::Table { columns: &["option", "value"], check: |rows| behaviour(rows).map(drop) },
    about: "A table with two columns and the heading `option`, `value`: one row for each option, in any order.",
    fields: &[
        ("status", "the server answers with this status, 400 to 599, instead of the file"),
        ("redirect", "`yes`: the server redirects to another path, where the file is"),
        ("encoding", "`chunked`: the body comes in chunks, without `Content-Length`"),
        ("ranges", "`no`: the server ignores `Range` and sends the whole file"),
        ("length", "`Content-Length` is wrong by that much: `+1000` bytes too large, `-1000` too small"),
        ("content", "`altered`: one bit in the middle of the file is another one; the captured hash stays right"),
        ("stalls at", "a part of the file: `50 %`; then nothing more comes, and the connection stays open"),
        ("closes at", "a part of the file: `50 %`; then the connection is closed"),
        ("resets at", "a part of the file: `50 %`; then the connection is reset"),
        ("times", "only so many requests are answered like this, later ones as they should be"),
    ],
    example: &["| option    | value |", "| stalls at | 50 %  |", "| times     | 1     |"],
};

/// What the rows of a table say, with or without its heading.
fn behaviour(rows: &[Vec<String>]) -> Result<Behaviour, Unmet> {
    let mut behaviour = Behaviour::default();
    for row in rows {
        let [option, value] = row.as_slice() else {
            return Err(Unmet::errored("a row of this table has two cells: an option and its value"));
        };
        let wrong = |hint: &str| Unmet::errored(format!("`{value}` is not a value of `{option}`")).with_hint(hint);
        match (option.as_str(), value.as_str()) {
            ("option", "value") => {}
            ("status", text) => {
                let status = text.parse().ok().filter(|status| (400..600).contains(status));
                behaviour.status = Some(status.ok_or_else(|| wrong("from 400 to 599"))?);
            }
            ("redirect", "yes") => behaviour.redirect = true,
            ("redirect", _) => return Err(wrong("`yes`")),
            ("encoding", "chunked") => behaviour.chunked = true,
            ("encoding", _) => return Err(wrong("`chunked`")),
            ("ranges", "no") => behaviour.ranges = false,
            ("ranges", _) => return Err(wrong("`no`")),
            ("content", "altered") => behaviour.altered = true,
            ("content", _) => return Err(wrong("`altered`")),
            ("length", text) => {
                let off = text.parse().ok().filter(|off| *off != 0 && text.starts_with(['+', '-']));
                behaviour.length_off = off.ok_or_else(|| wrong("a number of bytes with its sign: `+1000`, `-1000`"))?;
            }
            ("times", text) => {
                let times = text.parse().ok().filter(|times| *times > 0);
                behaviour.times = Some(times.ok_or_else(|| wrong("a number of requests, from 1"))?);
            }
            (option @ ("stalls at" | "closes at" | "resets at"), text) => {
                let stop = match option {
                    "stalls at" => Stop::Stall,
                    "closes at" => Stop::Close,
                    _ => Stop::Reset,
                };
                let at = text.strip_suffix('%').and_then(|text| text.trim_end().parse().ok()).filter(|at| *at < 100);
                behaviour.stop = Some((at.ok_or_else(|| wrong("a part of the file from `0 %` to `99 %`"))?, stop));
            }
            (option, _) => {
                let known: Vec<_> = OPTIONS.fields.iter().map(|(name, _)| format!("`{name}`")).collect();
                let hint = format!("one of {}", known.join(", "));
                return Err(Unmet::errored(format!("an update has no option `{option}`")).with_hint(hint));
            }
        }
    }
    Ok(behaviour)
}

#[given(expr = "the update {text} is offered")]
async fn is_offered(world: &mut HilWorld, firmware: Text) -> Result<(), StepError> {
    world.stage()?.offer_update(&firmware, None, Behaviour::default())
}

#[given(expr = "the update {text} is offered to {text}")]
async fn is_offered_to(world: &mut HilWorld, firmware: Text, board: Text) -> Result<(), StepError> {
    world.stage()?.offer_update(&firmware, Some(&board), Behaviour::default())
}

#[given(expr = "the update {text} is offered with:")]
async fn is_offered_with(world: &mut HilWorld, firmware: Text, #[step] step: &gherkin::Step) -> Result<(), StepError> {
    world.stage()?.offer_update(&firmware, None, behaviour(rows(step)?)?)
}

#[given(expr = "the update {text} is offered to {text} with:")]
async fn is_offered_to_with(
    world: &mut HilWorld,
    firmware: Text,
    board: Text,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    world.stage()?.offer_update(&firmware, Some(&board), behaviour(rows(step)?)?)
}

#[then(expr = "{text} requests the update {text} within {span}")]
async fn requests(world: &mut HilWorld, board: Text, firmware: Text, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    let path = update_path(&firmware);
    if stage.expect(within.0, |event| is_request(event, &board, &path).then_some(())).await.is_some() {
        return Ok(());
    }
    stage.check_reachable(&board)?;
    let (cause, within) = (cause(stage), seconds(within.0));
    let message = format!("`{board}` did not request the update `{firmware}` within {within} of {cause}");
    Err(StepError::failed(message).with_details(last_exchanges(stage, &board)))
}

#[then(expr = "{text} does not request the update {text} for {span}")]
async fn does_not_request(world: &mut HilWorld, board: Text, firmware: Text, span: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    stage.check_reachable(&board)?;
    let path = update_path(&firmware);
    let until = stage.mark().at + span.0;
    if stage.watch(until, |event| is_request(event, &board, &path).then_some(())).await.is_some() {
        let message = format!("`{board}` requested the update `{firmware}`");
        return Err(StepError::failed(message).with_details(last_exchanges(stage, &board)));
    }
    stage.check_reachable(&board)?;
    stage.check_shows_life(&board)
}

#[then(expr = "{text} loads the update {text} within {span}")]
async fn loads(world: &mut HilWorld, board: Text, firmware: Text, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    let path = update_path(&firmware);
    let is_whole = |event: &RunEvent| sent(event, &board, &path).is_some_and(|(sent, of)| sent == of);
    if stage.expect(within.0, |event| is_whole(event).then_some(())).await.is_some() {
        return Ok(());
    }
    stage.check_reachable(&board)?;
    let events = stage.events_since_mark();
    let most = events.iter().filter_map(|event| sent(event, &board, &path)).max();
    let loaded = most.map_or("nothing of it".to_owned(), |(sent, of)| {
        format!("{} % of it ({sent} of {of} bytes)", percent(sent, of))
    });
    let (cause, within) = (cause(stage), seconds(within.0));
    let message = format!("`{board}` loaded {loaded}, not the whole update `{firmware}`, within {within} of {cause}");
    Err(StepError::failed(message).with_details(last_exchanges(stage, &board)))
}

/// The path without a query, and without the place to which a redirect leads.
fn is_path(asked: &str, path: &str) -> bool {
    let asked = asked.split('?').next().unwrap_or_default();
    asked == path || asked.strip_prefix("/moved") == Some(path)
}

fn is_request(event: &RunEvent, board: &str, wanted: &str) -> bool {
    matches!(&event.what, What::Service { board: of, exchange: Exchange::Request { method, path, .. }, .. }
        if of == board && method == "GET" && is_path(path, wanted))
}

/// How much of a file was sent, and its size.
pub(super) fn sent(event: &RunEvent, board: &str, wanted: &str) -> Option<(u64, u64)> {
    match &event.what {
        What::Service { board: of, exchange: Exchange::Sent { path, sent, of: size }, .. }
            if of == board && is_path(path, wanted) =>
        {
            Some((*sent, *size))
        }
        _ => None,
    }
}

/// What came last between a board and its services, and its last words.
pub(super) fn last_exchanges(stage: &Stage, board: &str) -> Vec<String> {
    let events = stage.events();
    let mine = events.iter().rev().filter(|event| event.what.board() == Some(board));
    let last = mine
        .filter(|event| matches!(event.what, What::Service { .. }))
        .find_map(|event| Some(format!("last exchange with a service: {}", hil_timeline::event_text(event)?)));
    last.into_iter().chain(stage.last_words(board)).collect()
}
