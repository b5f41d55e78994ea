//! A program of this machine as the device under test: its console is a terminal of ours, its power is its process.

mod child;
mod device;
mod end_mark;
mod terminal;

pub(crate) use child::{Child, Life, describe};
pub use device::{ProgramDevice, missing_program};
pub(crate) use device::{check_command, signal_name};
pub(crate) use terminal::Terminal;
