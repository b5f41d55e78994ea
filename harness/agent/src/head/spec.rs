//! `--hosts`: which hosts a run uses, and how they are reached.

use std::collections::BTreeSet;

use hil_timeline::{HostName, HostNameError};

/// A host of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSpec {
    /// What reports call it.
    pub name: HostName,
    /// How it is reached.
    pub reach: Reach,
    /// The boards that may be used there; all if none are named.
    pub boards: Option<BTreeSet<String>>,
}

/// How a host is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// By ssh: the destination, `HOST` or `USER@HOST`.
    Ssh(String),
    /// By a command, as a shell reads it, that starts an agent and connects its input and output.
    Command(String),
}

/// What is wrong with a list of hosts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostsError {
    /// A name is not valid.
    #[error(transparent)]
    Name(#[from] HostNameError),
    /// The part before `@` is not the name of a user.
    #[error("`{}` is not a destination of ssh: write `HOST` or `USER@HOST`", hil_timeline::escaped(.0))]
    Destination(String),
    /// A host has an empty command.
    #[error("`{0}=` names no command")]
    NoCommand(HostName),
    /// A host is named twice.
    #[error("the host `{0}` is named twice")]
    Twice(HostName),
    /// No host is named.
    #[error("no host is named")]
    Empty,
}

impl HostSpec {
    /// Reads lists of hosts: `pi-a,root@pi-b`, or `NAME=COMMAND`, which takes the rest of its text.
    ///
    /// # Errors
    /// When a name is not valid or is there twice.
    ///
    /// # Example
    /// ```
    /// use hil_agent::{HostSpec, Reach};
    /// let hosts = HostSpec::parse(["pi-a,hil@pi-b", "here=hil agent --stdio"]).unwrap();
    /// assert_eq!(hosts[1].name.as_str(), "pi-b");
    /// assert_eq!(hosts[2].reach, Reach::Command("hil agent --stdio".to_owned()));
    /// ```
    pub fn parse<'a>(lists: impl IntoIterator<Item = &'a str>) -> Result<Vec<Self>, HostsError> {
        let mut hosts: Vec<Self> = Vec::new();
        for list in lists {
            let mut rest = list;
            while !rest.is_empty() {
                let (host, after) = Self::first(rest)?;
                if hosts.iter().any(|other| other.name == host.name) {
                    return Err(HostsError::Twice(host.name));
                }
                hosts.push(host);
                rest = after;
            }
        }
        if hosts.is_empty() { Err(HostsError::Empty) } else { Ok(hosts) }
    }

    /// The first host of a list, and the rest.
    fn first(list: &str) -> Result<(Self, &str), HostsError> {
        let end = list.find([',', '=']).unwrap_or(list.len());
        let (text, rest) = list.split_at(end);
        if let Some(command) = rest.strip_prefix('=') {
            let name: HostName = text.trim().parse()?;
            let command = command.trim();
            if command.is_empty() {
                return Err(HostsError::NoCommand(name));
            }
            return Ok((Self { name, reach: Reach::Command(command.to_owned()), boards: None }, ""));
        }
        let destination = text.trim();
        let (user, host) = destination.split_once('@').map_or((None, destination), |(user, host)| (Some(user), host));
        let is_user = |user: &str| user.parse::<HostName>().is_ok();
        if user.is_some_and(|user| !is_user(user)) {
            return Err(HostsError::Destination(destination.to_owned()));
        }
        let spec = Self { name: host.parse()?, reach: Reach::Ssh(destination.to_owned()), boards: None };
        Ok((spec, rest.strip_prefix(',').unwrap_or(rest)))
    }

    /// The script by which a shell starts its agent, and the script's arguments. `ssh` is the command in place of `ssh`.
    ///
    /// Ctrl-C at a terminal reaches every process there; the head then ends its agents in order, for which it needs the
    /// connection: so the shell ignores the signal, and `ssh` inherits that.
    pub(crate) fn script(&self, ssh: Option<&str>) -> (String, Vec<String>) {
        const IGNORE: &str = "trap '' INT QUIT HUP";
        match &self.reach {
            Reach::Command(command) => (format!("{IGNORE}; exec {command}"), Vec::new()),
            Reach::Ssh(destination) => {
                let ssh = ssh.unwrap_or("ssh");
                let arguments = ["-T", destination, "hil", "agent", "--stdio"].map(str::to_owned);
                (format!("{IGNORE}; exec {ssh} \"$@\""), arguments.into())
            }
        }
    }

    /// The script by which a shell runs a command of `hil` on the host, and the script's arguments; none if it is reached by
    /// a command of its own. The words must be plain: a shell on the host reads them again.
    #[must_use]
    pub fn remote(&self, ssh: Option<&str>, words: &[&str], is_terminal: bool) -> Option<(String, Vec<String>)> {
        let Reach::Ssh(destination) = &self.reach else { return None };
        let terminal = if is_terminal { "-t" } else { "-T" };
        let before = [terminal, destination.as_str(), "hil"];
        let arguments = before.iter().chain(words).map(|word| (*word).to_owned()).collect();
        Some((format!("exec {} \"$@\"", ssh.unwrap_or("ssh")), arguments))
    }

    /// How its user would look at the host.
    #[must_use]
    pub fn look(&self) -> String {
        match &self.reach {
            Reach::Ssh(destination) => format!("`ssh {destination} hil --version`"),
            Reach::Command(command) => format!("`{command}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(lists: &[&str]) -> String {
        match HostSpec::parse(lists.iter().copied()) {
            Ok(hosts) => {
                hosts.iter().map(|host| format!("{}:{:?}", host.name, host.reach)).collect::<Vec<_>>().join(" ")
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn hosts_are_listed_or_have_a_command() {
        assert_eq!(names(&["pi-a, me@pi-b"]), "pi-a:Ssh(\"pi-a\") pi-b:Ssh(\"me@pi-b\")");
        assert_eq!(names(&["a,b=x -p 1,2 y"]), "a:Ssh(\"a\") b:Command(\"x -p 1,2 y\")");
        assert_eq!(names(&["a", "b"]), "a:Ssh(\"a\") b:Ssh(\"b\")");
        assert_eq!(names(&["a,a"]), "the host `a` is named twice");
        assert_eq!(names(&["a= "]), "`a=` names no command");
        assert_eq!(names(&[""]), "no host is named");
    }

    /// `ssh -oProxyCommand=…` would run a program.
    #[test]
    fn a_host_is_no_option_of_ssh() {
        for list in ["-oProxyCommand", "me@-x", "-l@host", "a b", "a;b", "$(x)"] {
            assert!(HostSpec::parse([list]).is_err(), "{list}");
        }
    }

    #[test]
    fn a_shell_starts_the_agent() {
        let [ssh, command] =
            ["pi-a", "b=hil agent --stdio"].map(|text| HostSpec::parse([text]).expect("a host").remove(0));
        let (script, arguments) = ssh.script(Some("ssh -F config"));
        assert_eq!(script, "trap '' INT QUIT HUP; exec ssh -F config \"$@\"");
        assert_eq!(arguments.join(" "), "-T pi-a hil agent --stdio");
        assert_eq!(command.script(None).0, "trap '' INT QUIT HUP; exec hil agent --stdio");
        let (script, arguments) = ssh.remote(None, &["monitor", "lamp"], true).expect("by ssh");
        assert_eq!((script.as_str(), arguments.join(" ").as_str()), ("exec ssh \"$@\"", "-t pi-a hil monitor lamp"));
        assert_eq!(command.remote(None, &["boards"], false), None);
    }
}
