//! One clock, one ordered record of everything that happens in a run, and waiting on it.
//!
//! The crate uses no device and no socket: packets, console lines, power, pins, faults and steps reach it as plain data
//! ([`What`]). It stamps them with one [`Epoch`], keeps them in order and appends each to `events.jsonl` with a single
//! `write`, so that the record of a killed run is complete up to the end.

mod clock;
mod effect;
mod escaped;
mod event;
mod event_log;
mod mask;
mod packet;
mod payload;
mod runs;
mod store;
mod timeline;
mod words;

pub use clock::{Epoch, Stamp};
pub use effect::Effect;
pub use escaped::{Escaped, escaped, steers};
pub use event::{
    Allowance, BoardInfo, Choice, ConnectionChange, Disposition, Edge, Evidence, Exchange, Failure, FaultPhase,
    Finding, FlashPhase, HostName, HostNameError, PartOf, PinCause, Provenance, Quarantine, RoleInfo, RunEvent, SCHEMA,
    ScenarioId, ScenarioInfo, ScenarioKey, Service, Shard, StepInfo, StepKind, StepOutcome, Verdict, What, percent,
    shuffled_place,
};
pub use event_log::{EventReader, RECORD_LIMIT, ReadError, read_events};
pub use mask::{ConsoleMask, MASKED, Mask};
pub use packet::{Direction, Packet, Property, QoS, Subscription, Will};
pub use payload::Payload;
pub use runs::Runs;
pub use timeline::{Cursor, Follower, LineFollower, Origin, Recorder, TimedOut, Timeline};
pub use words::{change_text, event_phrase, event_text};
