//! The keeper: a small process that owns rails and board locks, and makes them safe when `hil` is gone.
//!
//! It is the same program, started with [`ARGUMENT`], in a session of its own. `hil` commands it over a pair of
//! sockets that nobody else can open. When the other end is closed, however that came about, every rail is put into
//! its safe state, then the locks are released, then the keeper ends.

mod client;
mod guard;
mod lock;
mod process;
mod protocol;
mod server;

pub use client::{Keeper, KeeperError, Waiting};
pub(crate) use guard::{Failures, GuardedKeeper};
pub use lock::{DeviceLock, Holder, folder as lock_folder, holder_of};
pub use process::{ARGUMENT, end_detached, serve_if_asked};
pub use protocol::Claimed;
