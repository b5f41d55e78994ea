//! Files from outside: the user names them, or they lie in a folder that another user made. Neither is trusted.
//!
//! - [`open`], [`read`] and [`read_text`] take regular files only: a FIFO or a device would block or never end.
//! - [`write_whole`] and [`NewFile`] replace a file in one move, never write through what lies in its place, and leave
//!   nothing behind where the disk is full.
//! - [`guarded`] runs a foreign parser; where it panics, that is an error of the file.

mod guard;
mod read;
mod write;

pub use guard::{Panicked, guarded};
pub use read::{LARGEST_FILE, LARGEST_TEXT, Links, open, open_to_append, read, read_text};
pub use write::{NewFile, write_private, write_whole};
