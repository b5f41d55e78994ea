//! HeldLocks on boards: kernel locks that a killed process leaves free.
//!
//! Other users may use the same boards, so the folder of the locks is shared, and its contents are not trusted:
//!
//! - The folder belongs to root or to this user, and other users can't remove files from it ([`folder`]).
//! - A lock file is empty; its lock counts only while the file is the one at that path. A socket name goes with it,
//!   which no file operation can remove ([`file`], [`lock_socket`]).
//! - What a user writes about a lock is in a file of that user ([`note`]).

mod file;
mod folder;
mod lock_socket;
mod note;
mod users;

pub use file::{DeviceLock, NotEnded, end_detached, holder_of};
pub(super) use file::{LockFile, file_name};
pub use folder::{check as check_folder, path as folder};
pub(super) use lock_socket::END;
pub use note::Holder;
pub(super) use note::Note;
