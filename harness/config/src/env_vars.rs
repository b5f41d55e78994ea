//! Every environment variable that `hil` reads, in one place.

/// Path of the bench file, relative to the current folder. The `--bench` flag wins over it.
pub const HIL_BENCH: &str = "HIL_BENCH";
