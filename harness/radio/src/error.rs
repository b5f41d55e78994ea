//! What can be wrong with the access point.

use std::path::PathBuf;

/// Why the access point is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum RadioError {
    /// There is no hostapd.
    #[error("the program `{0}` was not found, which runs the access point")]
    NoProgram(String),
    /// It would outlive this process.
    #[error("`{}` has rights of its own, so it would not end when `hil` is killed", .0.display())]
    OwnRights(PathBuf),
    /// The interface is not there.
    #[error("there is no Wi-Fi interface `{0}` on this machine")]
    NoInterface(String),
    /// Another run has it.
    #[error("the access point on `{interface}` can't be used: {why}")]
    Locked {
        /// The interface.
        interface: String,
        /// Who has it, or what the system reports.
        why: String,
    },
    /// The files that hostapd needs can't be made.
    #[error("can't make the private files of hostapd")]
    Private(#[source] std::io::Error),
    /// It can't be run.
    #[error("`{}` can't be run", program.display())]
    NotRun {
        /// The program.
        program: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// It runs, and the network is not on air.
    #[error("hostapd did not start the access point on `{interface}`: {log}")]
    NotStarted {
        /// The interface.
        interface: String,
        /// What hostapd said.
        log: String,
    },
    /// It ended by itself.
    #[error("hostapd, which runs the access point on `{interface}`, ended by itself ({how})")]
    Ended {
        /// The interface.
        interface: String,
        /// How, and what it said.
        how: String,
    },
    /// It does not do what is asked.
    #[error("hostapd refused to {what}")]
    Refused {
        /// What was asked.
        what: String,
    },
    /// It does not answer.
    #[error("hostapd did not {what} within {seconds} s")]
    TooSlow {
        /// What was asked.
        what: String,
        /// How long it had.
        seconds: u64,
    },
    /// Its control socket fails.
    #[error("hostapd can't be asked to {what}")]
    Control {
        /// What was to be asked.
        what: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// The network is open.
    #[error("the network of `[wifi]` has no password, so its access point can't take another one")]
    NoPassword,
}

impl RadioError {
    /// What may help.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoProgram(_) => "`sudo apt install hostapd`, or name it in `access-point.hostapd`",
            Self::OwnRights(_) => {
                "give the rights to `hil` instead: `AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW` in its unit, or run it as root"
            }
            Self::NoInterface(_) => {
                "`ls /sys/class/ieee80211/*/device/net` lists them; correct `access-point.interface`"
            }
            Self::NotStarted { .. } => {
                "`hil doctor` checks the interface and the rights; some channels need `access-point.country`"
            }
            Self::Refused { what } if what.contains("channel") => {
                "the rules of its country may not allow the channel: set `access-point.country`"
            }
            Self::Ended { .. } => "`journalctl` and `dmesg` may say more",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_says_what_helps() {
        let io = || std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let (interface, what) = ("wlan0".to_owned(), "change to channel 13".to_owned());
        let all = [
            RadioError::NoProgram("hostapd".to_owned()),
            RadioError::OwnRights("/usr/sbin/hostapd".into()),
            RadioError::NoInterface(interface.clone()),
            RadioError::Locked { interface: interface.clone(), why: "in use by `hil run` (process 7)".to_owned() },
            RadioError::Private(io()),
            RadioError::NotRun { program: "/usr/sbin/hostapd".into(), source: io() },
            RadioError::NotStarted {
                interface: interface.clone(),
                log: "nl80211: Could not configure driver mode".to_owned(),
            },
            RadioError::Ended { interface, how: "signal: 9 (SIGKILL)".to_owned() },
            RadioError::Refused { what: what.clone() },
            RadioError::TooSlow { what: what.clone(), seconds: 10 },
            RadioError::Control { what, source: io() },
            RadioError::NoPassword,
        ];
        let shown = all.map(|error| match error.hint() {
            Some(hint) => format!("{error}\nhint: {hint}"),
            None => error.to_string(),
        });
        insta::assert_snapshot!(shown.join("\n\n"));
    }
}
