//! What `hil` writes to standard output and standard error.
//!
//! A thread of its own does all the writing and drawing, so that an output that is not read (a full pipe, a terminal
//! stopped by Ctrl-S) holds up that thread alone. It is fed by a bounded queue. Who finds the queue full
//!
//! - waits, where there is no runtime (`hil steps | less`): nothing is lost;
//! - awaits room, where it follows a timeline ([`follow_up`]): the timeline keeps what comes meanwhile;
//! - else does not wait: from four times as many bytes on, lines are dropped and counted.
//!
//! [`finish`] waits for the rest at the end of the process.

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

/// Where something is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputStream {
    Out,
    Err,
}

/// The queues of this process. Streams that lead to the same place share one: their lines stay in order.
struct OutputQueues {
    out: Arc<OutputQueue>,
    err: Arc<OutputQueue>,
}

static OUTPUT: LazyLock<OutputQueues> = LazyLock::new(|| {
    if writer::lead_to_the_same_place() {
        let both = writer::start("output");
        return OutputQueues { out: Arc::clone(&both), err: both };
    }
    // An output that is not read does not hold up what is said on the other.
    OutputQueues { out: writer::start("stdout"), err: writer::start("stderr") }
});

fn queue(stream: OutputStream) -> &'static OutputQueue {
    match stream {
        OutputStream::Out => &OUTPUT.out,
        OutputStream::Err => &OUTPUT.err,
    }
}

/// Writes a line to standard output. A reader that is gone (`hil steps | head`) is no error.
pub(crate) fn say(line: impl Into<Line>) {
    put(OutputStream::Out, &line.into());
}

/// Writes a line to standard error.
pub(crate) fn warn(line: impl Into<Line>) {
    put(OutputStream::Err, &line.into());
}

fn put(stream: OutputStream, line: &Line) {
    let item = OutputItem::Text(stream, line.render(stream));
    // A worker that waits here would hold up what it drives: signals, deadlines, rails.
    if tokio::runtime::Handle::try_current().is_ok() {
        queue(stream).push_now(item);
    } else {
        queue(stream).push_and_wait(item);
    }
}

/// Writes a line to standard output as soon as there is room, for those that follow a timeline.
pub(crate) async fn follow_up(line: impl Into<Line>) {
    let text = line.into().render(OutputStream::Out);
    queue(OutputStream::Out).push_when_room(OutputItem::Text(OutputStream::Out, text)).await;
}

/// Writes text as it is, without a line's end, as soon as there is room. The caller answers for what is in it.
pub(crate) async fn pass_on(text: &str) {
    queue(OutputStream::Out).push_when_room(OutputItem::Text(OutputStream::Out, masked(text).into_owned())).await;
}

/// Changes the progress shown on a terminal.
pub(crate) async fn draw(bar: Bar) {
    if writer::draws() {
        queue(OutputStream::Err).push_when_room(OutputItem::Bar(bar)).await;
    }
}

/// Asks on standard error; false where the question can't be shown. Blocks until it is.
pub(crate) fn ask(question: impl Into<Line>) -> bool {
    let text = question.into().render(OutputStream::Err);
    queue(OutputStream::Err).push_now(OutputItem::Text(OutputStream::Err, text))
        && queue(OutputStream::Err).wait_until_written()
}

/// From now on nothing waits for output longer than this.
pub(crate) fn end_within(time: Duration) {
    let limit = Instant::now() + time;
    OUTPUT.out.end_by(limit);
    OUTPUT.err.end_by(limit);
}

/// Waits until all is written, or the time of [`end_within`] is over; says how much was not shown.
pub(crate) fn finish() {
    /// How long that may take where nothing else is waited for any more.
    const TO_SAY_SO: Duration = Duration::from_millis(200);
    // What was never used has nothing to write.
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
    output.err.end_by(Instant::now() + TO_SAY_SO);
    let lines = if count == 1 { "1 line was".to_owned() } else { format!("{count} lines were") };
    let line = Line::from(format!("warning: {lines} not shown: the output was not read"));
    output.err.push_now(OutputItem::Text(OutputStream::Err, line.render(OutputStream::Err)));
    output.err.wait_until_written();
}
