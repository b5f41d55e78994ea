//! Lines on UART0, in the format of ESP-IDF's log.

use core::fmt::Arguments;

use embassy_time::Instant;
use esp_println::println;

/// Prints `I (<ms since start>) <tag>: <text>`.
pub(crate) fn log(tag: &str, text: Arguments<'_>) {
    println!("I ({}) {tag}: {text}", Instant::now().as_millis());
}
