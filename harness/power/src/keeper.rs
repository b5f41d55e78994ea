//! The keeper: a small process that owns rails and board locks, and makes them safe when `hil` is gone.
//!
//! It is the same program, started once more in a session of its own. `hil` commands it over a pair of sockets that no other
//! process can open. When the other end is closed, however that came about, every rail is put into its safe state, then
//! the locks are released, then the keeper ends.
//!
//! A keeper that holds rails has a standby: one more process, in one more session, that takes over when the keeper is
//! killed or stops answering. `hil` does the same where it outlives both.

mod client;
mod door;
mod guard;
mod held;
pub mod in_process;
mod kept_board;
mod launch;
mod lock;
mod offspring;
mod power;
mod process;
mod protocol;
mod server;
mod standby;
mod standby_link;

pub use client::{Keeper, KeeperError, Waiting};
pub use guard::{Failures, Guarded, GuardedKeeper};
pub use lock::{
    DeviceLock, Holder, NotEnded, check_folder as check_lock_folder, end_detached, folder as lock_folder, holder_of,
};
pub use power::KeptPower;
pub use process::serve_if_asked;
pub use protocol::{Claimed, device_text};
