//! The lamp's logic, shared by the virtual board and the firmware.
//!
//! No I/O, no clock, no `std`: events go in as [`Input`]s with the time in milliseconds, actions come out as
//! [`Effect`]s. The platform connects sockets, drives pins and prints.
//!
//! The contract: the lamp subscribes `sooko/lampu` at QoS 1. `on` switches it on and is answered with
//! `saya hidup` on `loger`, `off` switches it off and is answered with `saya mati`; anything else changes
//! nothing. The lamp publishes a retained `online` on `sooko/status`; its retained will there is `offline`. It
//! reconnects with growing, jittered pauses.
#![no_std]

extern crate alloc;

mod backoff;
mod framing;
mod lamp;
mod session;
mod settings;

pub use backoff::Backoff;
pub use lamp::{Effect, Input, Lamp};
pub use settings::{Confirms, Settings, Variant};

/// Topic of the commands.
pub const COMMAND_TOPIC: &str = "sooko/lampu";
/// Topic of the answers.
pub const ANSWER_TOPIC: &str = "loger";
/// Topic of birth and will.
pub const STATUS_TOPIC: &str = "sooko/status";
/// GPIO of the lamp. A low level lights it.
pub const LAMP_PIN: u8 = 2;
