//! What the run has: kept through restarts of the coordinator, and given back.

use std::time::Duration;

use tokio::time::Instant;

use super::{Engine, Stop};
use crate::connection::Connection;
use crate::lease::LabEvent;
use crate::problem::{LabgridError, PlaceProblem};
use crate::reservation::{PRESENCE, ReservationState};
use crate::session::{cancel, release};
use crate::stale::LeaseNote;

/// How long the coordinator may take to release one place.
const GIVES_BACK: Duration = Duration::from_secs(8);

/// How often a release is tried at the end, and the pause between two attempts.
const RELEASES: usize = 3;
const BETWEEN_RELEASES: Duration = Duration::from_millis(300);

impl Engine {
    /// Reserves what no place has: while this reservation waits, everyone can see that the run is alive.
    pub(super) async fn show_presence(&mut self) -> Result<(), LabgridError> {
        let tags = [(PRESENCE.to_owned(), self.owner.run().to_owned())].into();
        self.presence = Some(self.session.reserve(&tags, 0.0).await?.token);
        Ok(())
    }

    /// Keeps all reservations that wait; forgets those that the coordinator has forgotten.
    pub(super) async fn poll_all(&mut self) -> Result<(), LabgridError> {
        if let Some(token) = self.presence.take() {
            let found = self.session.poll(&token).await?;
            // The coordinator keeps one that it has let expire: it would say nothing about this run any more.
            let expired = found.as_ref().filter(|found| found.state != ReservationState::Waiting);
            if let Some(expired) = expired {
                self.session.cancel(&expired.token).await?;
            }
            self.presence = found.filter(|found| found.state == ReservationState::Waiting).map(|found| found.token);
        }
        if self.presence.is_none() {
            self.show_presence().await?;
        }
        for (place, token) in self.asked.clone() {
            let found = self.session.poll(&token).await?;
            if !found.is_some_and(|found| !matches!(found.state, ReservationState::Expired | ReservationState::Invalid))
            {
                self.asked.remove(&place);
            }
        }
        Ok(())
    }

    /// Acquires places again that a restarted coordinator has forgotten; leaves those that another session has or has
    /// released.
    pub(super) async fn check_leases(&mut self) -> Result<(), Stop> {
        let view = self.session.view();
        let own = self.session.name().to_owned();
        for name in self.leases.keys().cloned().collect::<Vec<_>>() {
            let is_unconfirmed = self.unconfirmed.contains(&name);
            match view.place(&name).map(|place| place.holder.clone()) {
                Some(Some(holder)) if holder == own => {}
                Some(Some(holder)) => self.left(&name, PlaceProblem::Held(holder)),
                // It may be described again.
                None if is_unconfirmed => continue,
                None => self.left(&name, PlaceProblem::NotThere),
                Some(None) if !is_unconfirmed => self.left(&name, PlaceProblem::Released),
                Some(None) => match self.session.acquire(&name).await {
                    Ok(()) => {}
                    Err(LabgridError::Refused { reason, .. }) => self.left(&name, PlaceProblem::Refused(reason)),
                    Err(error) => return Err(error.into()),
                },
            }
            self.unconfirmed.remove(&name);
        }
        Ok(())
    }

    fn left(&mut self, place: &str, problem: PlaceProblem) {
        if let Some(lease) = self.leases.remove(place) {
            // Another session has it: only the reservation can be left of it.
            self.returns.push(lease.note);
        }
        self.shunned.insert(place.to_owned(), (Some(Instant::now() + super::SHUN), problem.clone()));
        self.say(LabEvent::Left { place: place.to_owned(), problem });
    }

    /// Gives back what the run no longer needs.
    pub(super) async fn give_back_pending(&mut self) -> Result<(), Stop> {
        while let Some(note) = self.returns.last().cloned() {
            match self.session.release(&note.place).await {
                // It is not there any more.
                Ok(()) | Err(LabgridError::Refused { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            if let Some(token) = &note.token {
                self.session.cancel(token).await?;
            }
            self.returns.pop();
        }
        Ok(())
    }

    /// Gives everything back, over a new connection if the session has ended.
    pub(super) async fn give_all_back(&mut self) {
        let leases = std::mem::take(&mut self.leases).into_values().map(|lease| lease.note);
        let all: Vec<LeaseNote> = leases.chain(std::mem::take(&mut self.returns)).collect();
        let tokens: Vec<String> = std::mem::take(&mut self.asked).into_values().chain(self.presence.take()).collect();
        if let Ok(connection) = Connection::open(&self.address).await {
            let own = self.owner.to_string();
            // First what shows that the run is alive: later runs then free what can't be given back here.
            for token in &tokens {
                let _ = tokio::time::timeout(GIVES_BACK, cancel(&connection, token)).await;
            }
            // All at once: the release of a place whose exporter hangs takes long.
            let given_back = all.iter().map(async |LeaseNote { place, token, .. }| {
                // An exporter that ends or comes back just now makes a release fail. What fails in the end is left to the
                // agents and to later runs.
                for _ in 0..RELEASES {
                    let released = tokio::time::timeout(GIVES_BACK, release(&connection, place, &own)).await;
                    if !matches!(released, Ok(Err(_))) {
                        break;
                    }
                    tokio::time::sleep(BETWEEN_RELEASES).await;
                }
                if let Some(token) = token {
                    let _ = tokio::time::timeout(GIVES_BACK, cancel(&connection, token)).await;
                }
            });
            futures::future::join_all(given_back).await;
        }
    }
}
