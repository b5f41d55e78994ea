//! Why an update is not loaded.

use alloc::string::String;

/// Why a file is not loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// Another attempt may succeed.
    Lost(String),
    /// It would only fail again.
    Refused(String),
}

pub(super) fn lost<T>(why: &str) -> Result<T, Fault> {
    Err(Fault::Lost(why.into()))
}
