//! The process from its first to its last moment.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::exit_code::ExitCode;
use crate::{output, signals};

/// Rust's own exit code for a panic.
const PANICKED: u8 = 101;

/// Does what this process is for, and waits for its output: as long as it is read, unless it was cut short.
pub(crate) fn run(work: impl FnOnce() -> ExitCode) -> std::process::ExitCode {
    output::show_panics();
    let code = catch_unwind(AssertUnwindSafe(work));
    match code {
        Ok(code) => {
            signals::settle(code);
            output::finish();
            code.into()
        }
        Err(_) => {
            output::end_within(Duration::from_secs(1));
            output::finish();
            PANICKED.into()
        }
    }
}
