//! Why a job can never run.

use std::fmt;

use crate::Place;

/// Why a job can never run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CannotRun {
    /// There is no host.
    NoHost,
    /// No board fits a role.
    NoBoard {
        /// The role.
        role: String,
    },
    /// The boards that fit a role are set aside or lost.
    Gone {
        /// The role.
        role: String,
        /// Those that are set aside because the bench failed on them.
        set_aside: Vec<Place>,
        /// Those whose host is lost.
        lost: Vec<Place>,
    },
    /// No host has a board for each of the roles at the same time.
    NotTogether {
        /// The roles.
        roles: Vec<String>,
    },
}

impl fmt::Display for CannotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHost => f.write_str("no host is left"),
            Self::NoBoard { role } => write!(f, "no board fits the role `{role}`"),
            Self::Gone { role, set_aside, lost } => {
                write!(f, "no board is left for the role `{role}`: ")?;
                let of = |places: &[Place], word| (!places.is_empty()).then(|| format!("{} {word}", listed(places)));
                let parts: Vec<_> = [of(set_aside, "set aside"), of(lost, "lost")].into_iter().flatten().collect();
                f.write_str(&parts.join(", "))
            }
            Self::NotTogether { roles } => {
                write!(f, "no host has a board for each of the roles `{}`", roles.join("`, `"))
            }
        }
    }
}

fn listed(places: &[Place]) -> String {
    places.iter().map(|place| format!("`{place}`")).collect::<Vec<_>>().join(", ")
}
