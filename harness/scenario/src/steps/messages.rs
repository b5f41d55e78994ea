//! Messages looked at closely: their fields, how many, how often, in what order.

use std::sync::Arc;
use std::time::Duration;

use cucumber::{gherkin, then};
use hil_mqtt::topic_matches;
use hil_timeline::{Packet, QoS, RunEvent, Stamp};

use super::{column, doc_string, pattern, rows, seconds};
use crate::error::StepError;
use crate::message::MessageMatch;
use crate::parameters::Span;
use crate::stage::Stage;
use crate::story::{last_words, show};
use crate::world::HilWorld;

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The board publishes it.
    Sent,
    /// The board receives it.
    Received,
}

impl Way {
    fn verb(self) -> &'static str {
        match self {
            Self::Sent => "published",
            Self::Received => "received",
        }
    }

    /// A PUBLISH that goes this way on a topic.
    fn message<'a>(self, event: &'a RunEvent, board: &str, filter: &str) -> Option<&'a Packet> {
        let (of, _, packet) = match self {
            Self::Sent => event.what.sent_by_board()?,
            Self::Received => event.what.reached_board()?,
        };
        match packet {
            Packet::Publish { topic, .. } if of == board && topic_matches(filter, topic) => Some(packet),
            _ => None,
        }
    }
}

/// Waits for a message whose every field holds; a time-out tells what was wrong with the one that came closest.
async fn expect(
    stage: &mut Stage,
    way: Way,
    board: &str,
    filter: &str,
    wanted: &MessageMatch,
    within: Duration,
) -> Result<Stamp, StepError> {
    expect_told(stage, way, board, filter, wanted, (within, within)).await
}

/// The same with the time as the feature has it beside that from the mark.
async fn expect_told(
    stage: &mut Stage,
    way: Way,
    board: &str,
    filter: &str,
    wanted: &MessageMatch,
    (within, told): (Duration, Duration),
) -> Result<Stamp, StepError> {
    stage.check_packets(board)?;
    let mut closest: Option<(Vec<String>, String)> = None;
    let mark = stage.mark().at;
    let pick = |event: &RunEvent| {
        let packet = way.message(event, board, filter)?;
        let wrong = wanted.wrong(packet);
        if wrong.is_empty() {
            return Some(event.at);
        }
        if closest.as_ref().is_none_or(|(least, _)| wrong.len() <= least.len()) {
            closest = Some((wrong, show(event, mark)));
        }
        None
    };
    // The delivery may itself be the mark: it lies just before it.
    let is_it =
        |event: &RunEvent| way.message(event, board, filter).is_some_and(|packet| wanted.wrong(packet).is_empty());
    if way == Way::Received && stage.consume_at_mark(is_it) {
        return Ok(mark);
    }
    if let Some(at) = stage.expect(within, pick).await {
        return Ok(at);
    }
    let message =
        format!("`{board}` {} nothing on `{filter}` that is as expected within {}", way.verb(), seconds(told));
    let mut details = match closest {
        Some((wrong, shown)) => std::iter::once(format!("closest: {shown}")).chain(wrong).collect(),
        None => vec![format!("closest: nothing {} on `{filter}` since then", way.verb()), elsewhere(stage, way, board)],
    };
    details.extend(last_words(stage, board));
    Err(StepError::failed(message).with_details(details))
}

/// On which topics there was something instead.
fn elsewhere(stage: &Stage, way: Way, board: &str) -> String {
    let mut topics: Vec<String> = stage
        .events_since_mark()
        .iter()
        .filter_map(|event| match way.message(event, board, "#")? {
            Packet::Publish { topic, .. } => Some(format!("`{}`", topic.escape_debug())),
            _ => None,
        })
        .collect();
    topics.sort();
    topics.dedup();
    if topics.is_empty() {
        "nothing on other topics either".to_owned()
    } else {
        format!("but on {}", topics.join(", "))
    }
}

#[then(expr = "{string} publishes to {string} within {span} with:")]
async fn publishes_with(
    world: &mut HilWorld,
    board: String,
    topic: String,
    within: Span,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    let wanted = MessageMatch::read(rows(step)?)?;
    expect(world.stage()?, Way::Sent, &board, &topic, &wanted, within.0).await.map(drop)
}

#[then(expr = "{string} receives on {string} within {span} with:")]
async fn receives_with(
    world: &mut HilWorld,
    board: String,
    topic: String,
    within: Span,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    let wanted = MessageMatch::read(rows(step)?)?;
    expect(world.stage()?, Way::Received, &board, &topic, &wanted, within.0).await.map(drop)
}

#[then(expr = "{string} publishes to {string} within {span} the JSON:")]
async fn publishes_json(
    world: &mut HilWorld,
    board: String,
    topic: String,
    within: Span,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    let wanted = MessageMatch::json(doc_string(step)?)?;
    expect(world.stage()?, Way::Sent, &board, &topic, &wanted, within.0).await.map(drop)
}

#[then(expr = "{string} publishes to {string} within {span} the text:")]
async fn publishes_text(
    world: &mut HilWorld,
    board: String,
    topic: String,
    within: Span,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    let wanted = MessageMatch::text(doc_string(step)?);
    expect(world.stage()?, Way::Sent, &board, &topic, &wanted, within.0).await.map(drop)
}

/// A message that matches comes once and, for a while, not again.
async fn once(
    stage: &mut Stage,
    way: Way,
    board: &str,
    payload: &str,
    topic: &str,
    within: Duration,
    settle: Duration,
) -> Result<(), StepError> {
    let row = vec!["payload".to_owned(), payload.to_owned()];
    let wanted = MessageMatch::read(&[row])?;
    let at = expect(stage, way, board, topic, &wanted, within).await?;
    let again = |event: &RunEvent| {
        way.message(event, board, topic).filter(|packet| wanted.wrong(packet).is_empty()).map(|_| event.clone())
    };
    match stage.watch(at + settle, again).await {
        None => stage.check_could_speak(board),
        Some(event) => {
            let message = format!("`{board}` {} `{payload}` on `{topic}` more than once", way.verb());
            Err(StepError::failed(message).with_details([format!("again: {}", show(&event, stage.mark().at))]))
        }
    }
}

#[then(expr = "{string} publishes {string} to {string} exactly once within {span}, settling for {span}")]
async fn publishes_once(
    world: &mut HilWorld,
    board: String,
    payload: String,
    topic: String,
    within: Span,
    settle: Span,
) -> Result<(), StepError> {
    once(world.stage()?, Way::Sent, &board, &payload, &topic, within.0, settle.0).await
}

#[then(expr = "{string} receives {string} on {string} exactly once within {span}, settling for {span}")]
async fn receives_once(
    world: &mut HilWorld,
    board: String,
    payload: String,
    topic: String,
    within: Span,
    settle: Span,
) -> Result<(), StepError> {
    once(world.stage()?, Way::Received, &board, &payload, &topic, within.0, settle.0).await
}

#[then(expr = "{string} receives nothing on {string} for {span}")]
async fn receives_nothing(world: &mut HilWorld, board: String, topic: String, span: Span) -> Result<(), StepError> {
    nothing(world.stage()?, Way::Received, &board, &topic, span.0).await
}

#[then(expr = "{string} publishes nothing for {span}")]
async fn publishes_nothing(world: &mut HilWorld, board: String, span: Span) -> Result<(), StepError> {
    nothing(world.stage()?, Way::Sent, &board, "#", span.0).await
}

async fn nothing(stage: &mut Stage, way: Way, board: &str, topic: &str, span: Duration) -> Result<(), StepError> {
    stage.check_packets(board)?;
    stage.check_could_speak(board)?;
    let until = stage.mark().at + span;
    // The delivery may itself be the mark: it lies just before it.
    let at_mark = way == Way::Received && stage.consume_at_mark(|event| way.message(event, board, topic).is_some());
    if at_mark {
        return Err(StepError::failed(format!("`{board}` received something on `{topic}`, which it should not")));
    }
    if let Some(event) = stage.watch(until, |event| way.message(event, board, topic).map(|_| event.clone())).await {
        let message =
            format!("`{board}` {} something on `{topic}`, which it should not for {}", way.verb(), seconds(span));
        return Err(StepError::failed(message).with_details([format!("came: {}", show(&event, stage.mark().at))]));
    }
    stage.check_could_speak(board)
}

#[then(expr = "{string} receives on {string} in this order within {span}:")]
async fn receives_in_order(
    world: &mut HilWorld,
    board: String,
    topic: String,
    within: Span,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    let wanted = column(step)?;
    let patterns = wanted.iter().map(|text| pattern(text)).collect::<Result<Vec<_>, _>>()?;
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let mut came = Vec::new();
    let mut right = true;
    for (n, pattern) in patterns.iter().enumerate() {
        // The first delivery may itself be the mark: it lies just before it.
        let mut at_mark = None;
        if n == 0 {
            stage.consume_at_mark(|event| {
                at_mark = Way::Received.message(event, &board, &topic).map(|packet| is_payload(packet, pattern));
                at_mark.is_some()
            });
        }
        if let Some(matches) = at_mark {
            right &= matches;
            continue;
        }
        let pick = |event: &RunEvent| match Way::Received.message(event, &board, &topic)? {
            Packet::Publish { payload, .. } => Some((pattern.matches(payload), event.clone())),
            _ => None,
        };
        let Some((matches, event)) = stage.expect(within.0, pick).await else {
            right = false;
            break;
        };
        right &= matches;
        came.push(format!("came: {}", show(&event, stage.mark().at)));
    }
    if right {
        return Ok(());
    }
    let message = format!(
        "`{board}` did not receive `{}` on `{topic}` in this order within {}",
        wanted.join("`, `"),
        seconds(within.0)
    );
    came.extend(last_words(stage, &board));
    Err(StepError::failed(message).with_details(came))
}

fn is_payload(packet: &Packet, pattern: &hil_mqtt::TextPattern) -> bool {
    matches!(packet, Packet::Publish { payload, .. } if pattern.matches(payload))
}

#[then(expr = "{string} publishes {int} message(s) to {string} within {span}")]
async fn publishes_count(
    world: &mut HilWorld,
    board: String,
    count: usize,
    topic: String,
    within: Span,
) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let until = stage.mark().at + within.0;
    stage.wait_until(until).await;
    let mut came = Vec::new();
    while let Some(event) =
        stage.expect(within.0, |event| Way::Sent.message(event, &board, &topic).map(|_| event.clone())).await
    {
        came.push(format!("came: {}", show(&event, stage.mark().at)));
    }
    if came.len() == count {
        return stage.check_could_speak(&board);
    }
    let message =
        format!("`{board}` published {} messages to `{topic}` within {}, not {count}", came.len(), seconds(within.0));
    came.truncate(20);
    came.extend(last_words(stage, &board));
    Err(StepError::failed(message).with_details(came))
}

#[then(expr = "{string} publishes {string} to {string} {int} times, every {span} ± {span}")]
async fn publishes_periodically(
    world: &mut HilWorld,
    board: String,
    payload: String,
    topic: String,
    times: usize,
    every: Span,
    tolerance: Span,
) -> Result<(), StepError> {
    let wanted = MessageMatch::read(&[vec!["payload".to_owned(), payload]])?;
    let stage = world.stage()?;
    if times < 2 {
        return Err(StepError::errored("one message has no period").with_hint("ask for 2 or more"));
    }
    let mut stamps: Vec<Stamp> = Vec::new();
    let mark = stage.mark().at;
    // The first may take as long as one period from now on: how long it took to boot and connect is no part of it.
    let begin = stage.recorder().now().since(mark);
    while stamps.len() < times {
        let last = stamps.last().map_or(begin, |stamp| stamp.since(mark));
        let within = last + every.0 + tolerance.0;
        match expect_told(stage, Way::Sent, &board, &topic, &wanted, (within, every.0 + tolerance.0)).await {
            Ok(at) => stamps.push(at),
            Err(error) if stamps.is_empty() => return Err(error),
            Err(_) => {
                let message = format!(
                    "`{board}` published {} of {times} messages to `{topic}`; the next did not come within {}",
                    stamps.len(),
                    seconds(every.0 + tolerance.0)
                );
                return Err(StepError::failed(message).with_details(last_words(stage, &board)));
            }
        }
    }
    let gaps: Vec<Duration> = stamps.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    if gaps.iter().all(|gap| gap.abs_diff(every.0) <= tolerance.0) {
        return Ok(());
    }
    let shown: Vec<_> = gaps.iter().map(|gap| format!("{:.3} s", gap.as_secs_f64())).collect();
    let message =
        format!("`{board}` did not publish to `{topic}` every {} ± {}", seconds(every.0), seconds(tolerance.0));
    Err(StepError::failed(message).with_details([format!("gaps: {}", shown.join(", "))]))
}

#[then(expr = "{string} publishes its message again with DUP within {span}")]
async fn publishes_again(world: &mut HilWorld, board: String, within: Span) -> Result<(), StepError> {
    again(world.stage()?, Way::Sent, &board, within.0).await
}

#[then(expr = "{string} receives a message again with DUP within {span}")]
async fn receives_again(world: &mut HilWorld, board: String, within: Span) -> Result<(), StepError> {
    again(world.stage()?, Way::Received, &board, within.0).await
}

/// A retransmission: the same packet identifier, topic and payload as before, with DUP (MQTT 3.1.1 §3.3.1.1).
async fn again(stage: &mut Stage, way: Way, board: &str, within: Duration) -> Result<(), StepError> {
    stage.check_packets(board)?;
    let identity = |event: &RunEvent| match way.message(event, board, "#")? {
        Packet::Publish { topic, payload, packet_id: Some(id), dup, .. } => {
            Some((*dup, (*id, topic.clone(), payload.clone())))
        }
        _ => None,
    };
    let earlier: Vec<Arc<RunEvent>> = stage.events();
    let mut known: Vec<_> = earlier.iter().filter_map(|event| Some((event.seq, identity(event)?.1))).collect();
    let pick = |event: &RunEvent| {
        let (dup, what) = identity(event)?;
        let again = dup && known.iter().any(|(seq, known)| *seq < event.seq && *known == what);
        known.push((event.seq, what));
        again.then_some(())
    };
    if stage.expect(within, pick).await.is_some() {
        return Ok(());
    }
    let message = format!("`{board}` {} nothing again with DUP within {}", way.verb(), seconds(within));
    Err(StepError::failed(message).with_details(last_words(stage, board)))
}

#[then(expr = "the broker acknowledges the message of {string} within {span}")]
async fn broker_acknowledges(world: &mut HilWorld, board: String, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let asks = |event: &RunEvent| match Way::Sent.message(event, &board, "#")? {
        Packet::Publish { packet_id: Some(id), qos, .. } => Some((*id, *qos)),
        _ => None,
    };
    // The message may have satisfied a step before.
    let mut asked: Vec<_> = stage.events().iter().filter_map(|event| asks(event)).collect();
    let pick = |event: &RunEvent| {
        asked.extend(asks(event));
        let (of, _, packet) = event.what.reached_board()?;
        let answered = |id: &u16, wanted: QoS| asked.contains(&(*id, wanted));
        match packet {
            Packet::Puback { packet_id, code, .. } if of == board && *code < 0x80 => {
                answered(packet_id, QoS::AtLeastOnce).then_some(())
            }
            Packet::Pubcomp { packet_id, code, .. } if of == board && *code < 0x80 => {
                answered(packet_id, QoS::ExactlyOnce).then_some(())
            }
            _ => None,
        }
    };
    if stage.expect(within.0, pick).await.is_some() {
        return Ok(());
    }
    let message = match asked.is_empty() {
        true => format!("`{board}` published nothing that is acknowledged (QoS 1 or 2) within {}", seconds(within.0)),
        false => format!("the broker did not acknowledge the message of `{board}` within {}", seconds(within.0)),
    };
    Err(StepError::failed(message).with_details(last_words(stage, &board)))
}

#[then(expr = "{string} and the broker complete the QoS 2 exchange within {span}")]
async fn completes_qos_2(world: &mut HilWorld, board: String, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    // From the message on, which may itself be the mark.
    let from = hil_timeline::Cursor(stage.mark().cursor.0.saturating_sub(1));
    let mut seen: Vec<&'static str> = Vec::new();
    let mut id = None;
    let pick = |event: &RunEvent| {
        let (of, _, packet) = event.what.sent_by_board().or_else(|| event.what.reached_board())?;
        if of != board {
            return None;
        }
        let next = match packet {
            Packet::Publish { packet_id: Some(this), qos: QoS::ExactlyOnce, .. } if seen.is_empty() => {
                id = Some(*this);
                true
            }
            Packet::Pubrec { packet_id, code, .. } => seen.len() == 1 && id == Some(*packet_id) && *code < 0x80,
            Packet::Pubrel { packet_id, .. } => seen.len() == 2 && id == Some(*packet_id),
            Packet::Pubcomp { packet_id, .. } => seen.len() == 3 && id == Some(*packet_id),
            _ => false,
        };
        if next {
            seen.push(packet.name());
        }
        (seen.len() == 4).then_some(())
    };
    let until = stage.mark().at + within.0;
    if stage.watch_all_from(from, until, pick).await.is_some() {
        return Ok(());
    }
    let got = if seen.is_empty() { "nothing at QoS 2".to_owned() } else { seen.join(", ") };
    let message = format!("the QoS 2 exchange of `{board}` was not completed within {}", seconds(within.0));
    let details = std::iter::once(format!("closest: {got}")).chain(last_words(stage, &board));
    Err(StepError::failed(message).with_details(details))
}

#[then(expr = "{int} percent of the acknowledgements of {string} take no more than {span}")]
async fn acknowledges_quickly(
    world: &mut HilWorld,
    percent: usize,
    board: String,
    most: Span,
) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    if !(1..=100).contains(&percent) {
        return Err(StepError::errored(format!("{percent} percent is none of 1 to 100")));
    }
    // What was delivered before this step counts; what is not acknowledged yet has as long as it may take.
    let mut open: Vec<Delivery> = stage.events().iter().filter_map(|event| delivery(event, &board)).collect();
    let delivered = open.len();
    if delivered == 0 {
        let message = format!("nothing that is acknowledged was delivered to `{board}` in this scenario");
        return Err(StepError::failed(message));
    }
    let mut times: Vec<u64> = Vec::new();
    let until = stage.recorder().now() + most.0;
    let all_came = |event: &RunEvent| {
        if let Some((on, id, us)) = acknowledgement(event, &board)
            && let Some(at) = open.iter().position(|asked| asked.on == on && asked.id == id && asked.seq < event.seq)
        {
            open.remove(at);
            times.push(us);
        }
        open.is_empty().then_some(())
    };
    // Those that have not come by then are counted below.
    let _ = stage.watch_all_from(stage.begin(), until, all_came).await;
    times.resize(delivered, u64::MAX);
    times.sort_unstable();
    // The smallest value that so many percent do not exceed.
    let rank = (times.len() * percent).div_ceil(100);
    let found = rank.checked_sub(1).and_then(|at| times.get(at)).copied().unwrap_or(u64::MAX);
    if Duration::from_micros(found) <= most.0 {
        return Ok(());
    }
    let found = if found == u64::MAX { "for ever".to_owned() } else { format!("{:.3} s", found as f64 / 1e6) };
    let message = format!(
        "{percent} percent of the {} acknowledgements of `{board}` took {found}, more than {}",
        times.len(),
        seconds(most.0)
    );
    Err(StepError::failed(message))
}

/// A message at QoS 1 or 2 that reached the board.
struct Delivery {
    seq: u64,
    on: u32,
    id: u16,
}

fn delivery(event: &RunEvent, board: &str) -> Option<Delivery> {
    match event.what.reached_board()? {
        (of, on, Packet::Publish { packet_id: Some(id), .. }) if of == board => {
            Some(Delivery { seq: event.seq, on, id: *id })
        }
        _ => None,
    }
}

/// An acknowledgement of the board's: connection, identifier, and how long it took, in microseconds.
fn acknowledgement(event: &RunEvent, board: &str) -> Option<(u32, u16, u64)> {
    match event.what.sent_by_board()? {
        (of, on, Packet::Puback { packet_id, .. } | Packet::Pubrec { packet_id, .. }) if of == board => {
            Some((on, *packet_id, event.what.answer_us()?))
        }
        _ => None,
    }
}
