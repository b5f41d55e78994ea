//! The access point of a bench: hostapd on a Wi-Fi interface of this machine.
//!
//! [`AccessPoint::open`] starts hostapd and returns once the network is on air. Steps change it with
//! [`AccessPoint::change`], which records what it did; [`AccessPoint::restore`] undoes that. hostapd ends with this process,
//! also if that is killed. Addresses in the network are not its business.
//!
//! What is asked of hostapd goes through its control sockets, in a folder that only this user can enter. Nothing polls:
//! hostapd reports its events there.

mod access_point;
mod check;
mod control;
mod error;
mod hostapd;
mod settings;

pub use access_point::{AccessPoint, Change, Claim};
pub use check::{Finding, check};
pub use error::RadioError;
pub use hostapd::Process;
