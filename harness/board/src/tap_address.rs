//! What a board's settings get from its name, its tap and its network.

use std::path::{Path, PathBuf};

use hil_config::Wifi;

/// Where a board reaches its tap, and what it needs for TLS: what `{tap.…}` and `{board.…}` become.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TapAddress {
    /// Name of the board: what `{board.name}` becomes.
    pub board: String,
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
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
    /// A text with its placeholders filled in.
    pub(crate) fn fill(&self, text: &str) -> String {
        let path = |file: &Path| file.display().to_string();
        text.replace("{tap.ca.file}", &path(&self.files.ca))
            .replace("{board.cert.file}", &path(&self.files.cert))
            .replace("{board.key.file}", &path(&self.files.key))
            .replace("{board.name}", &self.board)
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
