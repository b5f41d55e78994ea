//! Places that runs still have although they have ended: who has them, and how they are freed.

use serde::{Deserialize, Serialize};

use crate::connection::{Connection, CoordinatorAddress};
use crate::owner::Owner;
use crate::problem::LabgridError;
use crate::reservation::Reservation;
use crate::session::{self, Session};

/// What a run has of the lab: enough for another process to give it back.
///
/// The agent on the board's host keeps it: when the run is gone, it makes the rails safe and then calls [`give_back`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseNote {
    /// Where the coordinator is.
    pub coordinator: String,
    /// The name of the run's session.
    pub owner: String,
    /// The place.
    pub place: String,
    /// The reservation that it was acquired with, if there was one.
    pub token: Option<String>,
}

/// Gives a place back that a run has left behind. Does nothing if the place has another holder by now.
///
/// # Errors
/// If the coordinator can't be reached or does not answer.
pub async fn give_back(note: &LeaseNote) -> Result<(), LabgridError> {
    let address: CoordinatorAddress = note.coordinator.parse()?;
    let connection = Connection::open(&address).await?;
    let released = match session::release(&connection, &note.place, &note.owner).await {
        // It does not exist, so no session has it.
        Err(LabgridError::Refused { .. }) => Ok(()),
        other => other,
    };
    match &note.token {
        Some(token) => released.and(session::cancel(&connection, token).await),
        None => released,
    }
}

/// A place that a run of `hil` has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The place.
    pub place: String,
    /// The run that has it.
    pub owner: Owner,
    /// Whether the run shows that it is alive. A run that ended is alive for the coordinator for up to 75 s more.
    pub is_alive: bool,
}

/// The places that runs of `hil` have. Those of other clients are not among them.
///
/// # Errors
/// If the coordinator does not answer.
pub async fn held_by_runs(session: &Session) -> Result<Vec<Held>, LabgridError> {
    let reservations = session.reservations().await?;
    let view = session.view();
    let held = view.places().filter_map(|place| {
        let owner: Owner = place.holder.as_deref()?.parse().ok()?;
        let is_alive = reservations.iter().any(|reservation| reservation.is_presence_of(&owner));
        Some(Held { place: place.name.clone(), owner, is_alive })
    });
    Ok(held.collect())
}

/// Releases places, and cancels what their owners have reserved.
///
/// # Errors
/// If the coordinator does not answer.
pub async fn release_all(session: &Session, held: &[Held]) -> Result<(), LabgridError> {
    for Held { place, owner, .. } in held {
        match session.release_from(place, &owner.to_string()).await {
            Err(LabgridError::Refused { .. }) | Ok(()) => {}
            Err(error) => return Err(error),
        }
    }
    let owners: Vec<_> = held.iter().map(|held| held.owner.to_string()).collect();
    let is_theirs = |reservation: &&Reservation| owners.contains(&reservation.owner);
    for reservation in session.reservations().await?.iter().filter(is_theirs) {
        session.cancel(&reservation.token).await?;
    }
    session.settle().await
}
