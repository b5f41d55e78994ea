//! All boards of a bench.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use hil_config::BoardKind;
use hil_timeline::{BoardInfo, Timeline, What};
use tokio::sync::{Mutex, OwnedMutexGuard};

use hil_board::{BenchError, Board, Scope, check_shared, claimed_by_address};
use hil_power::AskPerson;
use hil_power::keeper::{Failures, Guarded, GuardedKeeper, Holder, Keeper, KeeperError, Waiting};

use crate::drivers::{self, Shared};

/// A board and the right to use it; dropping it releases the board.
pub type LockedBoard = OwnedMutexGuard<Board>;

/// Called with what is waited for, and who has it.
pub type WaitingForRadio = Arc<dyn Fn(&str) + Send + Sync>;

/// What of a bench is wanted, and how.
pub struct Claim {
    /// The boards; all where none are named.
    pub boards: Option<BTreeSet<String>>,
    /// Whether to wait for boards that another process uses.
    pub wait: bool,
    /// What they are used for, as a process that waits for them shows it: `hil run`.
    pub what: String,
    /// Called when a board is waited for.
    pub waiting: Waiting,
    /// How the person at the terminal is asked to switch a rail.
    pub ask_person: Option<AskPerson>,
    /// Whether virtual boards note the registers that they lack.
    pub traces_unknown: bool,
    /// The boards are held by a detached keeper: they are opened beside it, without locks, and their power is left alone.
    pub joins: bool,
    /// The rails are made safe and the boards are free once this process has not run for so long, because it was stopped
    /// or hangs.
    pub silence: Option<Duration>,
    /// The access point of the bench is to run, if it has one: called when another process uses its interface.
    pub access_point: Option<WaitingForRadio>,
}

impl Default for Claim {
    fn default() -> Self {
        let (what, waiting): (_, Waiting) = ("hil".to_owned(), Arc::new(|_, _| {}));
        Self {
            boards: None,
            wait: true,
            what,
            waiting,
            ask_person: None,
            traces_unknown: false,
            joins: false,
            silence: None,
            access_point: None,
        }
    }
}

impl std::fmt::Debug for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claim").field("boards", &self.boards).field("what", &self.what).finish_non_exhaustive()
    }
}

/// The boards of a bench file, opened.
#[derive(Debug)]
pub struct Bench {
    config: hil_config::Bench,
    boards: BTreeMap<String, Arc<Mutex<Board>>>,
    /// Programs that play boards, with their versions.
    emulators: BTreeMap<String, String>,
    keeper: Option<GuardedKeeper>,
    left_unsafe: Failures,
    joins: bool,
}

impl Bench {
    /// Takes the locks of the boards that are wanted and opens them, without power.
    ///
    /// # Errors
    /// If a board is in use or can't be opened. Firmware is checked by [`hil_board::check_firmware`].
    pub async fn open(config: hil_config::Bench, timeline: &Timeline, claim: Claim) -> Result<Self, BenchError> {
        let as_named = config.clone();
        let config = with_places(config, claim.boards.as_ref()).await;
        let is_wanted = |name: &str| claim.boards.as_ref().is_none_or(|boards| boards.contains(name));
        let wanted: Vec<_> = config.boards.values().filter(|board| is_wanted(board.name.as_str())).collect();
        let real: Vec<_> = wanted.iter().copied().filter(|board| board.kind == BoardKind::Esp).collect();
        let (mut left_unsafe, mut claims) = (Failures::new(), Vec::new());
        let keeper = if real.is_empty() || claim.joins {
            None
        } else {
            claims = join_all(real.iter().map(|board| claimed_by_address(board))).await;
            for claimed in &mut claims {
                // A board that was found by its MAC is also locked by the MAC: another `hil` may not find its place.
                let named = as_named.board(&claimed.board).map(hil_board::claimed);
                claimed.keys.extend(named.into_iter().flat_map(|named| named.keys));
                claimed.keys.sort();
                claimed.keys.dedup();
            }
            // Before anything is locked or opened: neither board is touched.
            check_shared(&real, &claims)?;
            let keeper = Keeper::start(Arc::clone(&claim.waiting))?;
            keeper.hide(config.secrets.to_vec()).await?;
            if let Some(silence) = claim.silence {
                keeper.end_when_silent(silence).await?;
            }
            left_unsafe = keeper.lock(claims.clone(), claim.wait, Holder::this_process(&claim.what)).await?;
            for (board, left) in left_unsafe.clone() {
                let note = format!("its last user could not leave it safe: {left}");
                timeline.record(None, What::Bench { board, note });
            }
            let guarded = real.iter().zip(&claims);
            let guarded =
                guarded.map(|(board, claimed)| Guarded { rails: board.rails.clone(), claimed: claimed.clone() });
            let (secrets, timeline) = (config.secrets.to_vec(), timeline.clone());
            Some(GuardedKeeper::watch(Arc::new(keeper), guarded.collect(), secrets, timeline))
        };
        let shared = Shared {
            wifi: config.wifi.clone().unwrap_or_default(),
            traces_unknown: claim.traces_unknown,
            joins: claim.joins,
            keeper: keeper.as_ref().map(|it| Arc::clone(it.keeper())),
            ask_person: claim.ask_person,
            what: claim.what,
            claimed: claims,
        };
        let (mut boards, mut emulators) = (BTreeMap::new(), BTreeMap::new());
        for board in wanted {
            let scope = Scope::new(board.name.as_str(), timeline);
            match drivers::open(board, &scope, &shared).await {
                Ok(drivers) => {
                    let label = drivers.emulator.as_ref().map(|emulator| emulator.label().to_owned());
                    emulators.extend(label.map(|label| (board.name.to_string(), label)));
                    let opened = Board::new(board.clone(), scope, drivers, shared.locks_of(board));
                    boards.insert(board.name.to_string(), Arc::new(Mutex::new(opened)));
                }
                Err(error) => {
                    // Releases the locks for the next user.
                    if let Some(keeper) = &keeper {
                        keeper.end().await;
                    }
                    return Err(error);
                }
            }
        }
        Ok(Self { config, boards, emulators, keeper, left_unsafe, joins: claim.joins })
    }

    /// The bench file.
    #[must_use]
    pub fn config(&self) -> &hil_config::Bench {
        &self.config
    }

    /// Takes a board; waits while another task has it. None if there is no board of that name.
    pub async fn lock(&self, name: &str) -> Option<LockedBoard> {
        Some(Arc::clone(self.boards.get(name)?).lock_owned().await)
    }

    /// The boards that are open, as reports show them.
    #[must_use]
    pub fn infos(&self) -> Vec<BoardInfo> {
        let info = |board: &hil_config::Board| BoardInfo {
            name: board.name.to_string(),
            kind: board.kind.word().to_owned(),
            chip: if board.kind == BoardKind::Process { "program" } else { board.chip.word() }.to_owned(),
            simulated: matches!(board.kind, BoardKind::Virtual | BoardKind::Emulator),
            emulator: self.emulators.get(board.name.as_str()).cloned(),
            host: None,
        };
        let is_open = |board: &&hil_config::Board| self.boards.contains_key(board.name.as_str());
        self.config.boards.values().filter(is_open).map(info).collect()
    }

    /// Puts every board that no step uses into its safe state.
    pub async fn make_safe(&self) {
        if self.keeper.as_ref().is_some_and(GuardedKeeper::is_lost) {
            // Its locks are free: another user may have the boards by now.
            return;
        }
        for board in self.boards.values() {
            if let Ok(mut board) = board.try_lock() {
                match self.joins {
                    // The keeper has its rails.
                    true => board.leave_powered().await,
                    false => board.make_safe().await,
                }
            }
        }
    }

    /// Waits until the keeper exits although this process did not ask it to: from then on the power state of the boards is
    /// unknown, and other users may have them.
    pub async fn keeper_lost(&self) {
        match &self.keeper {
            Some(keeper) => keeper.lost().await,
            None => std::future::pending().await,
        }
    }

    /// Makes all boards safe and releases them; the locks are free when this returns. Returns the boards whose rails may not
    /// be safe, and why.
    pub async fn close(&self) -> Failures {
        self.make_safe().await;
        match &self.keeper {
            Some(keeper) => keeper.end().await,
            None => Failures::new(),
        }
    }

    /// What the last users of these boards could not make safe.
    #[must_use]
    pub fn left_unsafe(&self) -> &[(String, String)] {
        &self.left_unsafe
    }

    /// Lets the keeper hold rails and locks after this process exits.
    ///
    /// # Errors
    /// If no board is real, so that there is no keeper, or the keeper can't be detached.
    pub async fn detach(&self) -> Result<(), BenchError> {
        let Some(keeper) = &self.keeper else {
            return Err(KeeperError::NotDetachable { reason: "only real boards have a keeper".to_owned() }.into());
        };
        Ok(keeper.keeper().detach().await?)
    }
}

/// Finds the ports of boards that are identified by a MAC address which only the chip reports.
async fn with_places(mut config: hil_config::Bench, wanted: Option<&BTreeSet<String>>) -> hil_config::Bench {
    let is_wanted = |name: &str| wanted.is_none_or(|boards| boards.contains(name));
    for board in config.boards.values_mut().filter(|board| is_wanted(board.name.as_str())) {
        let Some(identity) = board.port.clone().filter(|port| port.mac.is_some()) else { continue };
        let place = tokio::task::spawn_blocking(move || hil_board::place_by_mac(&identity)).await;
        if let Ok(Some(place)) = place {
            board.port = Some(place);
        }
    }
    config
}
