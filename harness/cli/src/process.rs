//! The life of the process: panics, exit code, output that is still unwritten.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::exit_code::ExitCode;
use crate::{output, signals};

/// Rust's own exit code for a panic.
const PANICKED: u8 = 101;

/// Does the work of this process, then waits until its output is read. After an abort it waits only briefly.
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
