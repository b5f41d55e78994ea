//! What a board's settings get from its name, its tap and its network.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use hil_config::{BenchPort, Wifi};
use hil_timeline::Runs;

/// Where a board reaches its tap and the services of its stage, and what it needs for TLS: what `{tap.…}`, `{http.…}`,
/// `{sntp.…}` and `{board.…}` become.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TapAddress {
    /// Name of the board: what `{board.name}` becomes.
    pub board: String,
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Port of its files, over HTTP and HTTPS, at the same host.
    pub http_port: u16,
    /// Port of its time server, at the same host.
    pub sntp_port: u16,
    /// Who signed the tap's certificate, in PEM.
    pub ca: String,
    /// A client certificate of the board's, in PEM.
    pub cert: String,
    /// Its private key, in PEM.
    pub key: String,
    /// Where these three are on this machine, for programs that want files: `{tap.ca.file}` and the like.
    pub files: TlsFiles,
    /// The Wi-Fi network: what `{wifi.…}` becomes.
    pub wifi: Wifi,
}

/// Files of a board's TLS.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Who signed the tap's certificate.
    pub ca: PathBuf,
    /// The board's certificate.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl TapAddress {
    /// Where its files are: `http://192.168.7.1:8080`, without a slash at the end.
    #[must_use]
    pub fn http_url(&self, scheme: &str) -> String {
        let host = match self.host.parse() {
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ => self.host.clone(),
        };
        format!("{scheme}://{host}:{}", self.http_port)
    }

    /// The same for a board whose firmware runs in this way: to one that executes its firmware, this machine is its
    /// gateway.
    #[must_use]
    pub fn seen_by(&self, runs: Runs) -> Self {
        let mut seen = self.clone();
        if runs == Runs::Executed && seen.host.parse().is_ok_and(|host: IpAddr| host.is_loopback()) {
            seen.host = hil_virtual_board::gateway().to_string();
        }
        seen
    }

    /// One of its ports.
    pub(crate) fn port_of(&self, port: BenchPort) -> u16 {
        match port {
            BenchPort::Tap => self.port,
            BenchPort::Http => self.http_port,
            BenchPort::Sntp => self.sntp_port,
        }
    }

    /// A text with its placeholders filled in.
    pub(crate) fn fill(&self, text: &str) -> String {
        let path = |file: &Path| file.display().to_string();
        text.replace("{tap.ca.file}", &path(&self.files.ca))
            .replace("{board.cert.file}", &path(&self.files.cert))
            .replace("{board.key.file}", &path(&self.files.key))
            .replace("{board.name}", &self.board)
            .replace("{http.url}", &self.http_url("http"))
            .replace("{https.url}", &self.http_url("https"))
            .replace("{http.host}", &self.host)
            .replace("{http.port}", &self.http_port.to_string())
            .replace("{sntp.host}", &self.host)
            .replace("{sntp.port}", &self.sntp_port.to_string())
            .replace("{tap.host}", &self.host)
            .replace("{tap.port}", &self.port.to_string())
            .replace("{tap.ca}", &self.ca)
            .replace("{board.cert}", &self.cert)
            .replace("{board.key}", &self.key)
            .replace("{wifi.ssid}", &self.wifi.ssid)
            .replace("{wifi.password}", &self.wifi.password)
    }
}

/// Without keys.
impl std::fmt::Debug for TapAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TapAddress({}:{})", self.host, self.port)
    }
}
