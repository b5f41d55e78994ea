//! What `hil` writes to standard output and standard error.
//!
//! A separate thread does all writing and drawing, so that an output that is not read (a full pipe, a terminal stopped
//! by Ctrl-S) blocks only that thread. A bounded queue feeds it. If the queue is full, a caller
//!
//! - blocks if there is no async runtime (`hil steps | less`): nothing is lost;
//! - awaits room if it follows a timeline ([`follow_up`]): the timeline buffers what happens meanwhile;
//! - otherwise does not wait: above a second, higher limit, lines are dropped and counted.
//!
//! [`finish`] waits for the rest when the process ends.

mod failure;
mod line;
mod panic;
mod queue;
mod screen;
mod writer;

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

pub(crate) use self::failure::{Message, say_json, set_up_failed};
pub(crate) use self::line::{Line, console_mask, hide};
pub(crate) use self::panic::show_panics;
pub(crate) use self::screen::Bar;

use self::line::masked;
use self::queue::{OutputItem, OutputQueue};

/// A standard stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputStream {
    Out,
    Err,
}

/// The queues of this process. Streams that go to the same terminal or file share one, which keeps their lines in order.
struct OutputQueues {
    out: Arc<OutputQueue>,
    err: Arc<OutputQueue>,
}

static OUTPUT: LazyLock<OutputQueues> = LazyLock::new(|| {
    if writer::share_a_target() {
        let both = writer::start("output");
        return OutputQueues { out: Arc::clone(&both), err: both };
    }
    // Separate, so that a stream that is not read does not block the other.
    OutputQueues { out: writer::start("stdout"), err: writer::start("stderr") }
});

fn queue(stream: OutputStream) -> &'static OutputQueue {
    match stream {
        OutputStream::Out => &OUTPUT.out,
        OutputStream::Err => &OUTPUT.err,
    }
}

/// Writes a line to standard output. A closed pipe (`hil steps | head`) is not an error.
pub(crate) fn say(line: impl Into<Line>) {
    put(OutputStream::Out, &line.into());
}

/// Writes a line to standard error.
pub(crate) fn warn(line: impl Into<Line>) {
    put(OutputStream::Err, &line.into());
}

fn put(stream: OutputStream, line: &Line) {
    let item = OutputItem::Text(stream, line.render(stream));
    // Blocking a worker would delay the tasks it runs: signals, deadlines, rails.
    if tokio::runtime::Handle::try_current().is_ok() {
        queue(stream).push_now(item);
    } else {
        queue(stream).push_and_wait(item);
    }
}

/// Writes a line to standard output as soon as there is room, for callers that follow a timeline.
pub(crate) async fn follow_up(line: impl Into<Line>) {
    let text = line.into().render(OutputStream::Out);
    queue(OutputStream::Out).push_when_room(OutputItem::Text(OutputStream::Out, text)).await;
}

/// Writes text unchanged, without a line break, as soon as there is room. The caller must have removed control
/// characters that a terminal must not get.
pub(crate) async fn pass_on(text: &str) {
    queue(OutputStream::Out).push_when_room(OutputItem::Text(OutputStream::Out, masked(text).into_owned())).await;
}

/// Changes the progress display on a terminal.
pub(crate) async fn draw(bar: Bar) {
    if writer::draws() {
        queue(OutputStream::Err).push_when_room(OutputItem::Bar(bar)).await;
    }
}

/// Asks on standard error. Blocks until the question is written; returns false if it can't be.
pub(crate) fn ask(question: impl Into<Line>) -> bool {
    let text = question.into().render(OutputStream::Err);
    queue(OutputStream::Err).push_now(OutputItem::Text(OutputStream::Err, text))
        && queue(OutputStream::Err).wait_until_written()
}

/// Limits how long anything waits for output from now on.
pub(crate) fn end_within(time: Duration) {
    let limit = Instant::now() + time;
    OUTPUT.out.end_by(limit);
    OUTPUT.err.end_by(limit);
}

/// Waits until everything is written or the limit of [`end_within`] expires; then reports how many lines were dropped.
pub(crate) fn finish() {
    /// How long that report may take.
    const FOR_REPORT: Duration = Duration::from_millis(200);
    // Nothing was ever written.
    let Some(output) = LazyLock::get(&OUTPUT) else { return };
    output.out.wait_until_written();
    output.err.wait_until_written();
    let mut count = output.out.take_not_shown();
    if !Arc::ptr_eq(&output.out, &output.err) {
        count += output.err.take_not_shown();
    }
    if count == 0 {
        return;
    }
    output.err.end_by(Instant::now() + FOR_REPORT);
    let lines = if count == 1 { "1 line was".to_owned() } else { format!("{count} lines were") };
    let line = Line::from(format!("warning: {lines} not shown: the output was not read"));
    output.err.push_now(OutputItem::Text(OutputStream::Err, line.render(OutputStream::Err)));
    output.err.wait_until_written();
}
