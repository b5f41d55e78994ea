//! The recovery ladder: what is tried, in order, before a board is given up.

/// A rung of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rung {
    /// As it stands.
    Try,
    /// After a reset.
    Reset,
    /// After a power cycle.
    PowerCycle,
}

impl Rung {
    /// From the mildest to the last.
    pub(crate) const LADDER: [Self; 3] = [Self::Try, Self::Reset, Self::PowerCycle];

    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Try => "first attempt",
            Self::Reset => "once more after a reset",
            Self::PowerCycle => "once more after a power cycle",
        }
    }
}
