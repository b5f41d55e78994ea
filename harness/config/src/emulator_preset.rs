//! `boards.NAME.preset`: what is known about an emulator.

use crate::chip::Chip;
use crate::spec::words;

/// An emulator that the bench file names by a word, as the file that describes it says. The command and the variables
/// may hold the placeholders of [`crate::Emulator`].
#[derive(Debug)]
pub struct EmulatorPreset {
    /// The word under `preset`.
    pub word: &'static str,
    /// The chip that it plays.
    pub chip: Chip,
    /// Program and arguments.
    pub command: &'static [&'static str],
    /// Environment variables in addition to those of `hil`.
    pub env: &'static [(&'static str, &'static str)],
    /// MiB of flash, unless the bench file says otherwise.
    pub flash_mib: u64,
    /// How its console is reached.
    pub console: EmulatorConsole,
    /// Where its guest reaches this machine; none is the tap's own address.
    pub tap_host: Option<&'static str>,
    /// What `{strap}` becomes.
    pub straps: Straps,
    /// Arguments on which the program prints its version; none if it does not.
    pub version: &'static [&'static str],
    /// Arguments on which it lists its machines, and the one that it must have.
    pub machine: Option<(&'static [&'static str], &'static str)>,
}

/// How an emulator's console is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmulatorConsole {
    /// `{console}` is the path of a terminal that it opens.
    Pty,
    /// `{console}` is `host:port` of this machine, to which it connects.
    Tcp,
    /// Its standard input and output.
    Stdio,
}

impl EmulatorConsole {
    pub(crate) const WORDS: &[(&'static str, Self)] = &[("pty", Self::Pty), ("tcp", Self::Tcp), ("stdio", Self::Stdio)];

    /// The words of `console`.
    pub(crate) fn words() -> Vec<&'static str> {
        words(Self::WORDS)
    }
}

/// Levels of a chip's strapping pins at reset, as the emulator takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Straps {
    /// The chip starts its app.
    pub app: &'static str,
    /// It starts the loader of its ROM; none if the emulator has none.
    pub loader: Option<&'static str>,
}

impl Straps {
    /// For emulators that take none.
    pub const NONE: Self = Self { app: "", loader: None };
}
