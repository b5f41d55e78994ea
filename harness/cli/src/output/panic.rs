//! The panic hook.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

use super::queue::OutputItem;
use super::{Line, OutputStream, queue};

/// Writes panics through the queue. The standard library's hook writes on the panicking thread, and would block it if
/// standard error is not read.
pub(crate) fn show_panics() {
    std::panic::set_hook(Box::new(|info| {
        let line = Line::from(text(info, &Backtrace::capture()));
        queue(OutputStream::Err).push_now(OutputItem::Text(OutputStream::Err, line.render(OutputStream::Err)));
    }));
}

fn text(info: &PanicHookInfo<'_>, backtrace: &Backtrace) -> String {
    let thread = std::thread::current();
    let place = info.location().map_or_else(|| "an unknown location".to_owned(), ToString::to_string);
    let message = info.payload_as_str().unwrap_or("(no message)");
    let mut text = format!("thread '{}' panicked at {place}:\n{message}", thread.name().unwrap_or("<unnamed>"));
    match backtrace.status() {
        BacktraceStatus::Captured => text.push_str(&format!("\n{backtrace}")),
        _ => text.push_str("\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace"),
    }
    text
}
