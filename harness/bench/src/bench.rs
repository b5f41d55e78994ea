//! All boards of a bench.

use std::collections::BTreeMap;
use std::sync::Arc;

use hil_config::{Firmware, Image};
use hil_timeline::{BoardInfo, Timeline};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::board::Board;
use crate::error::BenchError;
use crate::scope::Scope;
use crate::virtual_board::builtin_image;

/// There is no such built-in image.
pub(crate) fn unknown_image(firmware: &Firmware, name: &str, known: String) -> BenchError {
    let (firmware, reason) = (firmware.name.to_string(), format!("there is no built-in image `{name}`"));
    BenchError::Firmware { firmware, reason, hint: Some(known) }
}

/// A board and the right to use it; dropping it gives the board back.
pub type LockedBoard = OwnedMutexGuard<Board>;

/// The boards of a bench file, opened.
#[derive(Debug)]
pub struct Bench {
    config: hil_config::Bench,
    boards: BTreeMap<String, Arc<Mutex<Board>>>,
}

impl Bench {
    /// Opens every board, without power.
    ///
    /// # Errors
    /// When a board can't be opened, or a firmware names an image that `hil` does not bring along.
    pub fn open(config: hil_config::Bench, timeline: &Timeline) -> Result<Self, BenchError> {
        for firmware in config.firmware.values() {
            if let Image::Builtin(name) = &firmware.image {
                builtin_image(name).map_err(|known| unknown_image(firmware, name, known))?;
            }
        }
        let open = |board: &hil_config::Board| {
            let opened = Board::open(board.clone(), Scope::new(board.name.as_str(), timeline))?;
            Ok((board.name.to_string(), Arc::new(Mutex::new(opened))))
        };
        let boards = config.boards.values().map(open).collect::<Result<_, BenchError>>()?;
        Ok(Self { config, boards })
    }

    /// The bench file.
    #[must_use]
    pub fn config(&self) -> &hil_config::Bench {
        &self.config
    }

    /// Takes a board; waits while somebody else has it. None where there is no board of that name.
    pub async fn lock(&self, name: &str) -> Option<LockedBoard> {
        Some(Arc::clone(self.boards.get(name)?).lock_owned().await)
    }

    /// The boards as reports show them.
    #[must_use]
    pub fn infos(&self) -> Vec<BoardInfo> {
        let info = |board: &hil_config::Board| BoardInfo {
            name: board.name.to_string(),
            kind: board.kind.word().to_owned(),
            chip: board.chip.word().to_owned(),
            simulated: board.kind == hil_config::BoardKind::Virtual,
        };
        self.config.boards.values().map(info).collect()
    }

    /// Puts every board that nobody uses into its safe state.
    pub async fn make_safe(&self) {
        for board in self.boards.values() {
            if let Ok(mut board) = board.try_lock() {
                board.release_pins().await;
                // A driver that fails here has said so on the timeline; there is nothing left to try.
                let _ = board.power_off().await;
            }
        }
    }
}
