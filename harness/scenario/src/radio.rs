//! The bench's access point, shared by the scenarios of a run.

use std::collections::BTreeSet;
use std::sync::Arc;

use hil_bench::{Claim, WaitingForRadio};
use hil_config::BoardKind;
use hil_radio::{AccessPoint, Change, Process, RadioError};
use hil_timeline::{Effect, Recorder, Timeline};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// Whether a board is on the air of the bench: a virtual board has an access point of its own, and an emulator none.
pub(crate) fn is_on_air(kind: BoardKind) -> bool {
    matches!(kind, BoardKind::Esp | BoardKind::Process)
}

/// Whether what is claimed of a bench includes the access point that it runs.
#[must_use]
pub fn uses_access_point(config: &hil_config::Bench, claim: &Claim) -> bool {
    let is_claimed = |name: &str| claim.boards.as_ref().is_none_or(|boards| boards.contains(name));
    let mut claimed = config.boards.values().filter(|board| is_claimed(board.name.as_str()));
    config.access_point.is_some() && claim.access_point.is_some() && claimed.any(|board| is_on_air(board.kind))
}

/// The access point of a run.
#[derive(Debug)]
pub(crate) struct Radio {
    /// To stop it while a scenario has it.
    process: Arc<Process>,
    access_point: Arc<RwLock<AccessPoint>>,
}

impl Radio {
    /// Starts it, if it is claimed.
    pub(crate) async fn open(
        config: &hil_config::Bench,
        claim: &RadioClaim,
        timeline: &Timeline,
    ) -> Result<Option<Self>, RadioError> {
        let Some((access_point, wifi)) = config.access_point.as_ref().zip(config.wifi.as_ref()) else {
            return Ok(None);
        };
        let Some(waiting) = &claim.waiting else { return Ok(None) };
        let claim = hil_radio::Claim { what: claim.what.clone(), wait: claim.wait, waiting: Arc::clone(waiting) };
        let opened = AccessPoint::open(access_point, wifi, &timeline.recorder(None), claim).await?;
        Ok(Some(Self { process: opened.process(), access_point: Arc::new(RwLock::new(opened)) }))
    }

    /// Lets a scenario use it: alone if its steps change it. It is as the bench file describes it when this returns.
    pub(crate) async fn turn(&self, alone: bool) -> Result<OnAir, RadioError> {
        if !alone {
            let shared = Arc::clone(&self.access_point).read_owned().await;
            if shared.is_restored()? {
                return Ok(OnAir::Shared(shared));
            }
        }
        let mut own = Arc::clone(&self.access_point).write_owned().await;
        if !own.is_restored()? {
            own.restore().await?;
        }
        Ok(if alone { OnAir::Alone(own) } else { OnAir::Shared(own.downgrade()) })
    }

    /// Takes the network off the air and ends hostapd.
    pub(crate) async fn stop(&self) {
        self.process.stop().await;
    }
}

/// What of a claim concerns the access point.
pub(crate) struct RadioClaim {
    what: String,
    wait: bool,
    /// None if it is not wanted.
    waiting: Option<WaitingForRadio>,
}

impl RadioClaim {
    pub(crate) fn of(config: &hil_config::Bench, claim: &Claim) -> Self {
        let waiting = claim.access_point.clone().filter(|_| uses_access_point(config, claim));
        Self { what: claim.what.clone(), wait: claim.wait, waiting }
    }
}

/// A scenario's right to the access point.
pub(crate) enum OnAir {
    /// There is none, or it does not run.
    Without,
    /// No other scenario changes it meanwhile.
    Shared(#[expect(dead_code, reason = "held, so that no scenario changes it")] OwnedRwLockReadGuard<AccessPoint>),
    /// No other scenario uses it meanwhile.
    Alone(OwnedRwLockWriteGuard<AccessPoint>),
}

impl OnAir {
    /// Changes it for these boards; none if the scenario has no right to.
    pub(crate) async fn change(
        &mut self,
        change: Change,
        recorder: &Recorder,
        boards: &BTreeSet<String>,
    ) -> Option<Result<Effect, RadioError>> {
        let Self::Alone(access_point) = self else { return None };
        let boards: Vec<_> = boards.iter().cloned().collect();
        Some(access_point.change(change, recorder, &boards).await)
    }

    /// Undoes what the scenario has changed. What fails here is tried again before the next scenario, which then says so.
    pub(crate) async fn restore(&mut self) {
        if let Self::Alone(access_point) = self {
            let _ = access_point.restore().await;
        }
    }
}
