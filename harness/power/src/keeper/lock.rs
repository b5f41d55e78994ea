//! Locks on boards: kernel locks that a killed process leaves free.
//!
//! Other users may have boards too, so the folder of the locks is shared and what is in it is not trusted:
//!
//! - The folder belongs to root or to this user, and others can remove nothing from it ([`folder`]).
//! - A lock file holds nothing; its lock counts only while the file is the one of that name, and with it goes a name that
//!   no file operation can take away ([`file`], [`name`]).
//! - What a user says of a lock is a file of that user's own ([`note`]).

mod file;
mod folder;
mod name;
mod note;
mod users;

pub use file::{DeviceLock, NotEnded, end_detached, holder_of};
pub(super) use file::{LockFile, file_name};
pub use folder::{check as check_folder, path as folder};
pub(super) use name::END;
pub use note::Holder;
pub(super) use note::Note;
