//! What the run wants: places are reserved by their names, acquired when they are allocated, and left alone when they are
//! refused.

use std::time::Duration;

use tokio::time::Instant;

use super::{Engine, SHUN, STALE, Stop};
use crate::lease::{LabEvent, Lease};
use crate::owner::Owner;
use crate::problem::{LabgridError, PlaceProblem};
use crate::reservation::ReservationState;
use crate::stale::{held_by_runs, release_all};
use crate::view::{Place, View};

/// At how many places a run waits at most.
const QUEUES: usize = 32;
/// The pause after places were lost to another run, in milliseconds: between these.
const RETRY_MS: std::ops::Range<u64> = 100..1_000;

impl Engine {
    /// Acquires the places that it waited for and that are allocated to it now.
    pub(super) async fn take_allocated(&mut self) -> Result<(), Stop> {
        for (name, token) in self.asked.clone() {
            let view = self.session.view();
            let Some(place) = view.place(&name) else {
                self.asked.remove(&name);
                self.shun(&name, PlaceProblem::NotThere);
                self.session.cancel(&token).await?;
                continue;
            };
            if place.reservation.as_ref() != Some(&token) {
                continue;
            }
            self.asked.remove(&name);
            if self.missing() > 0 {
                self.take(&view, place, token).await?;
            } else {
                self.session.cancel(&token).await?;
            }
        }
        Ok(())
    }

    /// Asks for as many places as it can use.
    pub(super) async fn ask_for_more(&mut self) -> Result<(), Stop> {
        if self.missing() == 0 {
            return self.cancel_asked().await;
        }
        let now = Instant::now();
        self.shunned.retain(|_, (until, _)| until.is_none_or(|until| until > now));
        self.free_stale().await?;
        if !self.has_begun && self.want.at_least > 1 {
            return self.take_all_or_none().await;
        }
        let view = self.session.view();
        let (free, busy): (Vec<_>, Vec<_>) = self.candidates(&view).into_iter().partition(|place| is_free(place));
        for place in free {
            if self.missing() > 0 {
                self.ask(&view, place).await?;
            }
        }
        for place in busy {
            if self.missing() > 0 && self.asked.len() < QUEUES {
                self.ask(&view, place).await?;
            }
        }
        if self.missing() == 0 { self.cancel_asked().await } else { Ok(()) }
    }

    /// Places that fit and can be used, taken or not. Says once for each other one why it can't.
    fn candidates<'v>(&mut self, view: &'v View) -> Vec<&'v Place> {
        let mut usable = Vec::new();
        let fitting: Vec<_> = view.places().filter(|place| self.fits(place)).collect();
        for place in fitting {
            let name = &place.name;
            if self.leases.contains_key(name) || self.asked.contains_key(name) || self.shunned.contains_key(name) {
                continue;
            }
            match view.problem_of(place) {
                Some(problem) => self.skip(name, problem),
                None => usable.push(place),
            }
        }
        usable
    }

    fn skip(&mut self, place: &str, problem: PlaceProblem) {
        if self.said.insert((place.to_owned(), problem.to_string())) {
            self.say(LabEvent::Skipped { place: place.to_owned(), problem });
        }
    }

    fn shun(&mut self, place: &str, problem: PlaceProblem) {
        self.shunned.insert(place.to_owned(), (Some(Instant::now() + SHUN), problem.clone()));
        self.skip(place, problem);
    }

    async fn ask(&mut self, view: &View, place: &Place) -> Result<(), Stop> {
        let tags = [("name".to_owned(), place.name.clone())].into();
        let reservation = self.session.reserve(&tags, self.want.priority).await?;
        if reservation.state == ReservationState::Allocated {
            self.take(view, place, reservation.token).await
        } else {
            self.asked.insert(place.name.clone(), reservation.token);
            Ok(())
        }
    }

    /// Acquires a place that is allocated to this run.
    async fn take(&mut self, view: &View, place: &Place, token: String) -> Result<(), Stop> {
        let name = &place.name;
        let mut problem = view.problem_of(place);
        if problem.is_none() {
            match self.session.acquire(name).await {
                Ok(()) => problem = self.problem_now(name),
                Err(LabgridError::Refused { reason, .. }) => {
                    // The coordinator does not say which resource; what is gone by now does.
                    problem = self.problem_now(name).or(Some(PlaceProblem::Refused(reason)));
                }
                Err(error) => {
                    // Whether it was acquired is not known: it is given back over the next connection.
                    self.returns.push(Lease::new(&self.address, &self.owner, token, view, place).note);
                    return Err(error.into());
                }
            }
        }
        if let Some(problem) = problem {
            self.shun(name, problem);
            self.returns.push(Lease::new(&self.address, &self.owner, token, view, place).note);
            return self.give_back_pending().await;
        }
        let lease = Lease::new(&self.address, &self.owner, token, view, place);
        self.leases.insert(name.clone(), lease.clone());
        if self.has_begun || self.want.at_least <= 1 {
            self.has_begun = true;
            self.say(LabEvent::Joined(lease));
        }
        Ok(())
    }

    fn problem_now(&self, place: &str) -> Option<PlaceProblem> {
        let view = self.session.view();
        match view.place(place) {
            Some(place) => view.problem_of(place),
            None => Some(PlaceProblem::NotThere),
        }
    }

    /// Takes as many places as it needs to begin, or none: it never keeps one while it waits for another.
    async fn take_all_or_none(&mut self) -> Result<(), Stop> {
        if self.retry_at.is_some_and(|at| at > Instant::now()) {
            return Ok(());
        }
        self.retry_at = None;
        let view = self.session.view();
        let free: Vec<_> = self.candidates(&view).into_iter().filter(|place| is_free(place)).collect();
        if free.len() < self.want.at_least {
            return Ok(());
        }
        for place in free.into_iter().take(self.want.at_most) {
            self.ask(&view, place).await?;
        }
        // What was not allocated at once belongs to another run by now.
        self.cancel_asked().await?;
        if self.leases.len() >= self.want.at_least {
            self.has_begun = true;
            self.leases.values().cloned().for_each(|lease| self.say(LabEvent::Joined(lease)));
            return Ok(());
        }
        let some = std::mem::take(&mut self.leases);
        self.returns.extend(some.into_values().map(|lease| lease.note));
        self.retry_at = Some(Instant::now() + Duration::from_millis(fastrand::u64(RETRY_MS)));
        self.give_back_pending().await
    }

    async fn cancel_asked(&mut self) -> Result<(), Stop> {
        while let Some((place, token)) = self.asked.pop_first() {
            if let Err(error) = self.session.cancel(&token).await {
                self.asked.insert(place, token);
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Frees places that fit and that runs have which have ended without giving them back.
    async fn free_stale(&mut self) -> Result<(), Stop> {
        let now = Instant::now();
        if now < self.next_stale {
            return Ok(());
        }
        self.next_stale = now + STALE;
        let view = self.session.view();
        let is_other = |holder: &str| holder != self.session.name() && holder.parse::<Owner>().is_ok();
        let is_wanted = |place: &Place| self.fits(place) && place.holder.as_deref().is_some_and(is_other);
        if !view.places().any(is_wanted) {
            return Ok(());
        }
        let held = held_by_runs(&self.session).await?;
        let is_stale = |place: &str| view.place(place).is_some_and(is_wanted);
        let stale: Vec<_> = held.into_iter().filter(|held| !held.is_alive && is_stale(&held.place)).collect();
        release_all(&self.session, &stale).await?;
        stale.into_iter().for_each(|held| self.say(LabEvent::Freed(held)));
        Ok(())
    }
}

fn is_free(place: &Place) -> bool {
    place.holder.is_none() && place.reservation.is_none()
}
