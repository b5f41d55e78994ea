//! Mosquitto's configuration file.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use crate::broker::{BrokerError, Settings};

pub(super) const PASSWORDS: &str = "passwords";
pub(super) const ACL: &str = "acl";

/// Where it listens.
#[derive(Debug, Clone)]
pub(super) struct Listeners {
    pub(super) plain: SocketAddr,
    /// The listener of the harness: no users, no ACL, no limit.
    pub(super) observer: SocketAddr,
    pub(super) tls: Option<SocketAddr>,
    pub(super) websocket: Option<SocketAddr>,
}

/// A configuration provided by the user.
#[derive(Debug)]
pub(super) struct Own {
    /// Without the lines that `hil` writes itself.
    text: String,
    /// Its first listener.
    pub(super) listener: Option<SocketAddr>,
}

/// The options that `hil` sets even if the user's file sets them.
const OURS: &[&str] =
    &["persistence_location", "log_dest", "log_type", "log_timestamp", "pid_file", "user", "sys_interval"];

impl Own {
    pub(super) fn read(path: &Path) -> Result<Self, BrokerError> {
        let text = hil_files::read_text(path, hil_files::Links::Follow);
        let text = text.map_err(|source| BrokerError::File { path: path.to_owned(), source })?;
        let word = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
        let kept: Vec<_> = text.lines().filter(|line| !OURS.contains(&word(line).as_str())).collect();
        let listener = kept.iter().find_map(|line| read_listener(line));
        Ok(Self { text: kept.join("\n"), listener })
    }
}

/// `listener 1883 127.0.0.1`.
fn read_listener(line: &str) -> Option<SocketAddr> {
    let mut words = line.split_whitespace();
    (words.next()? == "listener").then_some(())?;
    let port = words.next()?.parse().ok()?;
    let ip = words.next().unwrap_or("127.0.0.1").parse().ok()?;
    Some(SocketAddr::new(ip, port))
}

/// The whole file.
pub(super) fn text(folder: &Path, listeners: &Listeners, settings: &Settings, own: Option<&Own>) -> String {
    let mut text = general(folder, settings, own.is_some());
    if let Some(own) = own {
        text.push_str(&own.text);
        text.push('\n');
        if own.listener.is_none() {
            listener(&mut text, listeners.plain);
        }
        return text;
    }
    text.push_str("per_listener_settings true\n");
    listener(&mut text, listeners.observer);
    text.push_str("allow_anonymous true\n");
    listener(&mut text, listeners.plain);
    restrictions(&mut text, folder, settings);
    if let (Some(address), Some((identity, ca))) = (listeners.tls, &settings.tls) {
        listener(&mut text, address);
        let _ = writeln!(text, "cafile {}", ca.display());
        let _ = writeln!(text, "certfile {}", identity.cert.display());
        let _ = writeln!(text, "keyfile {}", identity.key.display());
        let _ = writeln!(text, "require_certificate {}", settings.client_certificates);
        if settings.client_certificates && settings.users.is_empty() {
            text.push_str("use_identity_as_username true\n");
        }
        restrictions(&mut text, folder, settings);
    }
    if let Some(address) = listeners.websocket {
        listener(&mut text, address);
        text.push_str("protocol websockets\n");
        restrictions(&mut text, folder, settings);
    }
    text
}

fn general(folder: &Path, settings: &Settings, own: bool) -> String {
    let mut text = String::from("# Made by hil for one scenario.\n");
    // As root Mosquitto would drop its privileges and could not read files that only root may read.
    if rustix::process::geteuid().is_root() {
        text.push_str("user root\n");
    }
    // Otherwise a small packet waits up to 40 ms for the TCP acknowledgement of the previous one, and is recorded late.
    text.push_str("set_tcp_nodelay true\n");
    text.push_str("log_dest stderr\nlog_type all\nlog_timestamp false\nsys_interval 1\n");
    if !own {
        let _ = writeln!(text, "persistence {}", settings.persistence);
    }
    let _ = writeln!(text, "persistence_location {}/", folder.display());
    text
}

fn listener(text: &mut String, address: SocketAddr) {
    let _ = writeln!(text, "listener {} {}", address.port(), address.ip());
}

/// Who may connect to the listener above, and with which rights.
fn restrictions(text: &mut String, folder: &Path, settings: &Settings) {
    let _ = writeln!(text, "allow_anonymous {}", settings.users.is_empty());
    if !settings.users.is_empty() {
        let _ = writeln!(text, "password_file {}", folder.join(PASSWORDS).display());
    }
    if settings.acl.is_some() {
        let _ = writeln!(text, "acl_file {}", folder.join(ACL).display());
    }
    if let Some(most) = settings.max_connections {
        let _ = writeln!(text, "max_connections {most}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_packets_do_not_wait_for_acknowledgements() {
        let address = SocketAddr::from(([127, 0, 0, 1], 1883));
        let listeners = Listeners { plain: address, observer: address, tls: None, websocket: None };
        let own = Own { text: "set_tcp_nodelay false".to_owned(), listener: Some(address) };
        let text = |own| text(Path::new("/tmp"), &listeners, &Settings::default(), own);
        assert!(text(None).contains("set_tcp_nodelay true\n"));
        // Before the user's lines, which override it.
        let text = text(Some(&own));
        assert!(text.find("set_tcp_nodelay true\n") < text.find("set_tcp_nodelay false"), "{text}");
    }
}
