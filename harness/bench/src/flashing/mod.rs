//! Getting firmware into a board.

mod espflash_backend;
mod plan;

pub use espflash_backend::Flashed;
pub(crate) use espflash_backend::{Job, PortInUse, flash};
pub use plan::{PlanError, Region, plan};
