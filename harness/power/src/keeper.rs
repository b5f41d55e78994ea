//! The keeper: a small process that owns rails and board locks, and makes them safe when `hil` exits.
//!
//! It is the same program, started again in a session of its own. `hil` sends it requests over a pair of sockets that
//! no other process can open. When the other end closes for any reason, the keeper puts every rail into its safe state,
//! releases the locks and exits.
//!
//! A keeper that holds rails has a standby: another process, in another session, that takes over if the keeper is
//! killed or stops answering. `hil` does the same if it outlives both.

mod board_worker;
mod client;
mod control_sockets;
mod guard;
mod held_locks;
pub mod in_process;
mod launch;
mod lock;
mod power;
mod process;
mod process_tree;
mod protocol;
mod server;
mod standby;
mod standby_link;

pub use client::{Keeper, KeeperError, Waiting};
pub use guard::{Failures, Guarded, GuardedKeeper};
pub use lock::{
    DeviceLock, Holder, NotEnded, check_folder as check_lock_folder, end_detached, folder as lock_folder, holder_of,
};
pub use power::KeeperPower;
pub use process::serve_if_asked;
pub use protocol::{Claimed, device_text};
