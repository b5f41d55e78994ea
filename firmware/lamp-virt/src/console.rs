//! Lines on the UART, in the format of ESP-IDF's log.

use core::fmt::{Arguments, Write};

use embassy_time::Instant;

use crate::machine;

struct Uart;

impl Write for Uart {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        text.bytes().for_each(machine::send);
        Ok(())
    }
}

/// Prints a line.
pub(crate) fn line(text: Arguments<'_>) {
    // The UART does not fail.
    let _ = writeln!(Uart, "{text}");
}

/// Prints `I (<ms since start>) <tag>: <text>`.
pub(crate) fn log(tag: &str, text: Arguments<'_>) {
    line(format_args!("I ({}) {tag}: {text}", Instant::now().as_millis()));
}
