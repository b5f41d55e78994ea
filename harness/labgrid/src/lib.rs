//! Boards of a lab: places, reservations and leases of a [labgrid](https://labgrid.readthedocs.io) coordinator.
//!
//! labgrid decides who has which board; `hil` decides which scenario runs on it. Only names and turns go through the
//! coordinator. What is fast (flashing, the tap, consoles) stays on the host of the board.
//!
//! - [`Session`]: what the coordinator says, and what it is asked.
//! - [`Leases`]: the boards of a run while it runs.
//! - [`Publication`]: the boards of a host as places.
//! - [`give_back`], [`held_by_runs`], [`release_all`]: what a run has left behind.
//!
//! # Example
//! ```no_run
//! # async fn lab() -> Result<(), hil_labgrid::LabgridError> {
//! let session = hil_labgrid::Session::open(&"lab:20408".parse()?, "ci-7/anna").await?;
//! for place in session.view().places() {
//!     println!("{}: {}", place.name, place.holder.as_deref().unwrap_or("free"));
//! }
//! # Ok(())
//! # }
//! ```

mod connection;
mod engine;
mod lease;
mod leases;
mod messages;
mod owner;
mod pattern;
mod problem;
mod publish;
mod reservation;
mod session;
mod stale;
mod view;

pub use connection::CoordinatorAddress;
pub use lease::{LabEvent, Lease, Want, ssh_name};
pub use leases::Leases;
pub use owner::{NotOurs, Owner};
pub use pattern::TagFilter;
pub use problem::{LabgridError, PlaceProblem};
pub use publish::{
    BOARD, CHIP, DOCTOR, HOST, KIND, Publication, Published, PublishedBoard, TAG, VERSION, serial_ports_of, tag_key,
};
pub use reservation::{Reservation, ReservationState};
pub use session::Session;
pub use stale::{Held, LeaseNote, give_back, held_by_runs, release_all};
pub use view::{Place, Resource, ResourceMatch, ResourcePath, View};
