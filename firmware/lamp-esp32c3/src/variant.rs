//! The version of the lamp, and the faulty ones that a feature of this crate selects.

use lamp_app::{Confirms, Variant};

use crate::descriptor;

/// `panics-on-on` is a fault of the chip's crate, `Board::light`; the others are faults of the core.
const fn built() -> (&'static str, Variant) {
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

/// The version that the app descriptor is built with, without the hash.
pub(crate) const BUILT: &str = built().0;

/// What this version does. With the feature `update-faults` the version in the app descriptor chooses the fault.
pub(crate) fn chosen() -> Variant {
    let built = built().1;
    if !cfg!(feature = "update-faults") {
        return built;
    }
    let (_, fault) = descriptor::version().split_once('-').unwrap_or_default();
    match fault {
        "confirms-at-start" => Variant { confirms: Confirms::AtStart, ..built },
        "never-confirms" => Variant { confirms: Confirms::Never, ..built },
        "accepts-any-hash" => Variant { checks_hash: false, ..built },
        "accepts-any-certificate" => Variant { checks_certificate: false, ..built },
        "switches-first" => Variant { switches_last: false, ..built },
        _ => built,
    }
}
