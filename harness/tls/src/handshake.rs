//! How a client ended a handshake.

use std::io;

use tokio_rustls::rustls::{AlertDescription, Error};

/// What is recorded of a client that ends the handshake without saying why.
pub const WITHOUT_ALERT: &str = "none";

/// The alert with which the client ended a handshake, named as in RFC 8446 §6; [`WITHOUT_ALERT`] if it only closed or
/// reset the connection; none if it was the server that ended it.
#[must_use]
pub fn ended_by_client(error: &io::Error) -> Option<String> {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match (inner, error.kind()) {
        (Some(Error::AlertReceived(alert)), _) => Some(name(*alert)),
        (None, io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => {
            Some(WITHOUT_ALERT.to_owned())
        }
        _ => None,
    }
}

/// Whether an alert says that the certificate of the server is not accepted. A client may also say nothing.
#[must_use]
pub fn is_about_certificate(alert: &str) -> bool {
    /// RFC 8446 §6.2; `decrypt_error` is for a wrong signature.
    const ALERTS: &[&str] = &[
        "bad_certificate",
        "unsupported_certificate",
        "certificate_revoked",
        "certificate_expired",
        "certificate_unknown",
        "unknown_ca",
        "decrypt_error",
        WITHOUT_ALERT,
    ];
    ALERTS.contains(&alert)
}

fn name(alert: AlertDescription) -> String {
    let camel = format!("{alert:?}");
    let mut name = String::new();
    let mut after_lower = false;
    for c in camel.chars() {
        if c.is_ascii_uppercase() && after_lower {
            name.push('_');
        }
        after_lower = c.is_ascii_lowercase();
        name.push(c.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_have_the_names_of_the_specification() {
        let alert = |alert| ended_by_client(&io::Error::other(Error::AlertReceived(alert)));
        assert_eq!(alert(AlertDescription::CertificateExpired).as_deref(), Some("certificate_expired"));
        assert_eq!(alert(AlertDescription::UnknownCA).as_deref(), Some("unknown_ca"));
        assert_eq!(alert(AlertDescription::BadCertificate).as_deref(), Some("bad_certificate"));
        assert_eq!(ended_by_client(&io::ErrorKind::UnexpectedEof.into()).as_deref(), Some(WITHOUT_ALERT));
        assert_eq!(ended_by_client(&io::Error::other(Error::DecryptError)), None);
    }
}
