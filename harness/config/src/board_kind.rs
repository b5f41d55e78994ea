//! `boards.NAME.kind`.

/// Kinds of board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoardKind {
    /// A real one, on a serial port.
    Esp,
    /// Simulated: everything but the silicon.
    Virtual,
    /// A program of this machine.
    Process,
    /// A program of this machine that plays a chip.
    Emulator,
}

impl BoardKind {
    pub(crate) const WORDS: &[(&'static str, Self)] =
        &[("esp", Self::Esp), ("virtual", Self::Virtual), ("process", Self::Process), ("emulator", Self::Emulator)];

    /// The word in `bench.toml`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Esp => "esp",
            Self::Virtual => "virtual",
            Self::Process => "process",
            Self::Emulator => "emulator",
        }
    }
}
