//! Untrusted files: the user names them, or they are in a folder of another user.
//!
//! - [`open`], [`read`] and [`read_text`] accept regular files only: a FIFO or a device could block or never end.
//! - [`write_whole`] and [`NewFile`] replace a file atomically, never write through a link or FIFO in its place, and
//!   leave nothing behind if the disk is full.
//! - [`guarded`] runs a foreign parser; a panic is an error of the file.

mod guard;
mod read;
mod write;

pub use guard::{Panicked, guarded};
pub use read::{LARGEST_FILE, LARGEST_TEXT, Links, open, open_to_append, read, read_text};
pub use write::{NewFile, write_private, write_whole};
