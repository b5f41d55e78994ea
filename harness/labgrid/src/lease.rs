//! Boards that a run wants and has, and what happens to them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::connection::CoordinatorAddress;
use crate::owner::Owner;
use crate::problem::{LabgridError, PlaceProblem};
use crate::publish::{BOARD, HOST};
use crate::stale::{Held, LeaseNote};
use crate::view::{Place, View};

/// Which boards a run wants, and how many.
#[derive(Clone)]
pub struct Want {
    /// Whether a place fits.
    pub fits: Arc<dyn Fn(&Place) -> bool + Send + Sync>,
    /// What fits, for messages: ` with hil_chip = esp32c3`, or nothing for any board.
    pub words: String,
    /// With how many the run begins. It never keeps some while it waits for others.
    pub at_least: usize,
    /// How many it uses at most; those above `at_least` join when they are free.
    pub at_most: usize,
    /// How long to wait for the first ones.
    pub wait: Duration,
    /// The priority of its reservations: higher ones come first. 0 is usual.
    pub priority: f64,
}

impl fmt::Debug for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Want").field("words", &self.words).finish_non_exhaustive()
    }
}

/// A board that the run has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What `ssh` calls its host.
    pub host: String,
    /// Its name in the bench file there.
    pub board: String,
    /// The tags of its place.
    pub tags: BTreeMap<String, String>,
    /// What another process needs to give it back.
    pub note: LeaseNote,
}

impl Lease {
    pub(crate) fn new(address: &CoordinatorAddress, owner: &Owner, token: String, view: &View, place: &Place) -> Self {
        let note = LeaseNote {
            coordinator: address.to_string(),
            owner: owner.to_string(),
            place: place.name.clone(),
            token: Some(token),
        };
        let tag = |name: &str| place.tags.get(name).cloned().unwrap_or_default();
        Self { host: ssh_name(view, place), board: tag(BOARD), tags: place.tags.clone(), note }
    }
}

/// What `ssh` calls the host of a place: the address of its `NetworkService`, with its user, else its tag.
#[must_use]
pub fn ssh_name(view: &View, place: &Place) -> String {
    let service = view.resources_of(place).find(|(_, resource)| resource.class == "NetworkService");
    let text = |key: &str| service.and_then(|(_, it)| it.texts.get(key)).filter(|text| !text.is_empty()).cloned();
    match (text("username"), text("address")) {
        (Some(user), Some(address)) => format!("{user}@{address}"),
        (None, Some(address)) => address,
        _ => place.tags.get(HOST).cloned().unwrap_or_default(),
    }
}

/// What happens to the boards of a run.
#[derive(Debug)]
pub enum LabEvent {
    /// The run has this board.
    Joined(Lease),
    /// The run has what it needs, and all that was free: those that joined before are there to begin with.
    Begun,
    /// The run no longer has this place.
    Left {
        /// The place.
        place: String,
        /// Why.
        problem: PlaceProblem,
    },
    /// A place fits and can't be used; another one is tried.
    Skipped {
        /// The place.
        place: String,
        /// Why.
        problem: PlaceProblem,
    },
    /// A run that ended without giving this place back had it; it is free now.
    Freed(Held),
    /// The connection to the coordinator is lost. The run keeps its boards, and new connections are tried.
    Lost(LabgridError),
    /// There is a new connection.
    Back,
    /// The run can't begin. This is the last event.
    Failed(LabgridError),
}

/// What the engine is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    GiveBack(String),
    Refuse(String, String),
    End(oneshot::Sender<()>),
}
