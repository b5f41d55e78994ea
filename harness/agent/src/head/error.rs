//! Why a host can't take part.

use hil_timeline::{HostName, escaped};

use crate::protocol::{PROTOCOL, Refusal};

/// A host can't take part in a run; its text names the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostError {
    /// The host.
    pub host: HostName,
    /// Why.
    pub why: Why,
    /// How its user would look at it.
    pub(crate) look: String,
}

/// Why a host can't take part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The command that reaches it can't be started.
    NotStarted(String),
    /// There is no `hil` on the host.
    NotFound,
    /// A shell did not find a program: what it printed.
    NoProgram(Option<String>),
    /// The connection ended before the agent said anything: how, and what was printed.
    NoAgent {
        /// How the command ended.
        ended: String,
        /// The last line that it printed.
        said: Option<String>,
    },
    /// Something else than an agent answers.
    NotAnAgent(String),
    /// The agent says nothing.
    Silent,
    /// The agent speaks another protocol.
    Protocol {
        /// Its version.
        version: String,
        /// Its protocol.
        protocol: u32,
    },
    /// The agent is of another version.
    Version {
        /// Ours.
        ours: String,
        /// The agent's.
        theirs: String,
    },
    /// The agent refuses.
    Refused(Refusal),
    /// The connection ended while the run was prepared.
    Lost(String),
}

impl std::fmt::Display for HostError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = &self.host;
        match &self.why {
            Why::NotStarted(reason) => write!(f, "host `{host}`: the connection can't be started: {reason}"),
            Why::NotFound => write!(f, "host `{host}` has no program `hil`"),
            Why::NoProgram(said) => {
                write!(f, "host `{host}`: the shell did not find a program")?;
                said.as_ref().map_or(Ok(()), |said| write!(f, ": {}", escaped(said)))
            }
            Why::NoAgent { ended, said } => {
                write!(f, "host `{host}` can't be reached: the connection {ended}")?;
                said.as_ref().map_or(Ok(()), |said| write!(f, ": {}", escaped(said)))
            }
            Why::NotAnAgent(text) => write!(f, "host `{host}`: something else than an agent answers: {text}"),
            Why::Silent => write!(f, "host `{host}`: no agent answers within {} s", crate::lifeline::HELLO.as_secs()),
            Why::Protocol { version, protocol } => {
                let version = escaped(version);
                write!(f, "host `{host}` has `hil` {version}, which speaks protocol {protocol} and not {PROTOCOL}")
            }
            Why::Version { ours, theirs } => {
                write!(f, "host `{host}` has `hil` {}, and this is {ours}", escaped(theirs))
            }
            // The agent's messages are laid out as those of this program.
            Why::Refused(refusal) => write!(f, "host `{host}`: {}", refusal.what),
            Why::Lost(why) => write!(f, "host `{host}` was lost before the run: {}", escaped(why)),
        }
    }
}

impl std::error::Error for HostError {}

impl HostError {
    /// What may help.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let host = &self.host;
        Some(match &self.why {
            Why::NotStarted(_) => return None,
            Why::NotFound => format!(
                "install it there for all users, or name it: `--hosts '{host}=ssh {host} /path/to/hil agent --stdio'`"
            ),
            Why::NoAgent { .. } | Why::NoProgram(_) | Why::Silent | Why::Lost(_) => {
                format!("look whether {} works", self.look)
            }
            Why::NotAnAgent(_) => "shell start-up files on the host must print nothing without a terminal".to_owned(),
            Why::Protocol { .. } | Why::Version { .. } => "install the same version on all hosts".to_owned(),
            Why::Refused(refusal) => return refusal.hint.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_names_its_host() {
        let all = [
            Why::NotStarted("No such file or directory".to_owned()),
            Why::NotFound,
            Why::NoProgram(Some("sh: 1: exec: hil: not found".to_owned())),
            Why::NoAgent {
                ended: "ended with exit code 255".to_owned(),
                said: Some("Permission denied\u{7}".to_owned()),
            },
            Why::NoAgent { ended: "was ended by signal 9".to_owned(), said: None },
            Why::NotAnAgent("not a message of `hil`: `Welcome`".to_owned()),
            Why::Silent,
            Why::Protocol { version: "9.0.0".to_owned(), protocol: 9 },
            Why::Version { ours: "0.1.0".to_owned(), theirs: "0.2.0".to_owned() },
            Why::Refused(Refusal { what: "board `lamp` is in use".to_owned(), hint: Some("wait".to_owned()) }),
            Why::Lost("the connection ended".to_owned()),
        ];
        let text: Vec<_> = all
            .into_iter()
            .map(|why| {
                let host = "pi-a".parse().expect("a name");
                let error = HostError { host, why, look: "`ssh pi-a hil --version`".to_owned() };
                format!("error: {error}\n{}", error.hint().map_or(String::new(), |hint| format!("hint: {hint}\n")))
            })
            .collect();
        insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!("host-errors", text.join("\n")) });
    }
}
