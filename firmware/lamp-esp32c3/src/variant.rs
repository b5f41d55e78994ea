//! The version of the lamp, and the faulty ones that a feature of this crate selects.

use lamp_app::Variant;

/// `panics-on-on` is a fault of the chip's crate, `Board::light`; the others are faults of the core.
const fn chosen() -> (&'static str, Variant) {
    let good = Variant::GOOD;
    if cfg!(feature = "never-acks") {
        ("1.0.0-never-acks", Variant { acknowledges: false, ..good })
    } else if cfg!(feature = "no-will") {
        ("1.0.0-no-will", Variant { has_will: false, ..good })
    } else if cfg!(feature = "no-keep-alive") {
        ("1.0.0-no-keep-alive", Variant { keeps_alive: false, ..good })
    } else if cfg!(feature = "reboots-on-on") {
        ("1.0.0-reboots-on-on", Variant { survives_on: false, ..good })
    } else if cfg!(feature = "panics-on-on") {
        ("1.0.0-panics-on-on", good)
    } else if cfg!(feature = "never-subscribes") {
        ("1.0.0-never-subscribes", Variant { subscribes: false, ..good })
    } else {
        ("1.0.0", good)
    }
}

/// The version in the app descriptor, without the hash.
pub(crate) const VERSION: &str = chosen().0;

/// What this version does.
pub(crate) const VARIANT: Variant = chosen().1;
