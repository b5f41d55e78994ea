//! What a board is told about its tap.

/// Where a board reaches its tap, and what it needs for TLS: what `{tap.…}` and `{board.…}` become.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TapAddress {
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
}

impl TapAddress {
    /// A text with its placeholders filled in.
    pub(crate) fn fill(&self, text: &str) -> String {
        text.replace("{tap.host}", &self.host)
            .replace("{tap.port}", &self.port.to_string())
            .replace("{tap.ca}", &self.ca)
            .replace("{board.cert}", &self.cert)
            .replace("{board.key}", &self.key)
    }
}

/// Says nothing of keys.
impl std::fmt::Debug for TapAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TapAddress({}:{})", self.host, self.port)
    }
}
