//! Scripts on a board that runs MicroPython: over its raw REPL, file by file.

mod prepare;
mod raw_repl;
mod upload;

pub(crate) use prepare::{Script, fill_scripts, read_scripts};
pub(crate) use raw_repl::{RawRepl, ReplError};
pub(crate) use upload::upload;
