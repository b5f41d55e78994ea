//! Rails that the keeper owns.

use std::sync::Arc;

use crate::driver::{Measuring, PowerDriver, PowerError, Switching};
use crate::keeper::{Keeper, KeeperError};

/// All rails of one board, switched by the keeper.
pub struct KeeperPower {
    keeper: Arc<Keeper>,
    board: String,
    rail: String,
}

impl KeeperPower {
    /// The rails that the keeper has opened for a board.
    #[must_use]
    pub fn new(keeper: Arc<Keeper>, board: &str, rail: String) -> Self {
        Self { keeper, board: board.to_owned(), rail }
    }

    fn explain(&self, error: KeeperError) -> PowerError {
        match error {
            KeeperError::Power(error) => error,
            KeeperError::Gone => {
                let hint = "something killed it; released GPIO lines fall back to the state that the wiring gives them";
                PowerError::new(&self.rail, error.to_string(), hint)
            }
            other => PowerError::new(&self.rail, other.to_string(), None),
        }
    }
}

impl PowerDriver for KeeperPower {
    fn switch(&self, on: bool) -> Switching<'_> {
        Box::pin(async move { self.keeper.switch(&self.board, on).await.map_err(|error| self.explain(error)) })
    }

    fn measure(&self) -> Measuring<'_> {
        Box::pin(async move { self.keeper.measure(&self.board).await.map_err(|error| self.explain(error)) })
    }

    fn state(&self) -> Measuring<'_> {
        Box::pin(async move { self.keeper.state(&self.board).await.map_err(|error| self.explain(error)) })
    }

    fn make_safe(&self) -> Switching<'_> {
        Box::pin(async move { self.keeper.make_safe(&self.board).await.map_err(|error| self.explain(error)) })
    }

    fn rail(&self) -> &str {
        &self.rail
    }
}
