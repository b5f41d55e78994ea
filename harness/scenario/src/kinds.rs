//! Everything that a bench file may name.

use hil_config::Kinds;

/// What a bench file may name: what acts on boards, and brokers.
#[must_use]
pub fn kinds() -> Kinds {
    Kinds { brokers: hil_mqtt::broker::kinds(), ..hil_bench::kinds() }
}
