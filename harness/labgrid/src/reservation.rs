//! Reservations: turns at places.

use std::collections::BTreeMap;

use crate::messages;
use crate::owner::Owner;

/// The tag of the reservation that shows that a run is alive. No place has it, so that it waits for ever; the coordinator
/// ends it 60 s after the run asked for it last.
pub(crate) const PRESENCE: &str = "hil_run";

/// A turn at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The session that created it.
    pub owner: String,
    /// What it is called.
    pub token: String,
    /// How far it is.
    pub state: ReservationState,
    /// Tags that its place must have.
    pub tags: BTreeMap<String, String>,
    /// The place that it has been given.
    pub place: Option<String>,
}

/// How far a reservation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReservationState {
    /// No place that fits is free.
    Waiting,
    /// It has a place, which its owner may acquire.
    Allocated,
    /// The place is acquired.
    Acquired,
    /// It was not asked for in time.
    Expired,
    /// Its place was deleted, or the state is one that `hil` does not know.
    Invalid,
}

impl Reservation {
    /// Whether it shows that a run is alive.
    #[must_use]
    pub fn is_presence_of(&self, owner: &Owner) -> bool {
        self.state == ReservationState::Waiting
            && self.owner == owner.to_string()
            && self.tags.get(PRESENCE).is_some_and(|run| run == owner.run())
    }
}

impl From<messages::Reservation> for Reservation {
    fn from(mut found: messages::Reservation) -> Self {
        let state = match found.state {
            0 => ReservationState::Waiting,
            1 => ReservationState::Allocated,
            2 => ReservationState::Acquired,
            3 => ReservationState::Expired,
            _ => ReservationState::Invalid,
        };
        let tags = found.filters.remove("main").unwrap_or_default().tags.into_iter().collect();
        let place = found.allocations.remove("main");
        Self { owner: found.owner, token: found.token, state, tags, place }
    }
}
