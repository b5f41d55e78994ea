//! Where an image is.

use alloc::format;
use alloc::string::{String, ToString as _};

/// An address of the scheme `http` or `https`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    /// Whether it begins with `https`.
    pub(crate) is_secure: bool,
    /// Name or IPv4 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Path and query.
    pub(crate) path: String,
}

impl Url {
    /// Reads an absolute URL.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let (is_secure, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(format!("only `http` and `https` are supported, not `{text}`")),
        };
        let bad = || format!("`{text}` is no URL");
        // It becomes a part of the request's head.
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(bad());
        }
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let (place, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let (host, port) = match place.split_once(':') {
            None => (place, if is_secure { 443 } else { 80 }),
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0).ok_or_else(bad)?),
        };
        if host.is_empty() || host.contains('@') {
            return Err(bad());
        }
        Ok(Self { is_secure, host: host.to_string(), port, path: path.to_string() })
    }

    /// Where a redirection leads: to another place, or to another path of this one. From `https` it stays there.
    pub(crate) fn join(&self, location: &str) -> Result<Self, String> {
        let scheme = if self.is_secure { "https" } else { "http" };
        let to = match location.starts_with('/') && !location.starts_with("//") {
            true => Self::read(&format!("{scheme}://{}:{}{location}", self.host, self.port))?,
            false => Self::read(location)?,
        };
        match self.is_secure && !to.is_secure {
            true => Err(format!("a redirection from `https` to `{location}`")),
            false => Ok(to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let read = |text| Url::read(text).map(|url| (url.host, url.port, url.path));
        let parts = |host: &str, port, path: &str| Ok((host.into(), port, path.into()));
        assert_eq!(read("http://10.0.0.1:8080/a/b.bin?x=1#y"), parts("10.0.0.1", 8080, "/a/b.bin?x=1"));
        assert_eq!(read("http://server"), parts("server", 80, "/"));
        assert_eq!(read("https://server/x"), parts("server", 443, "/x"));
        for bad in ["http://", "http://:80/", "http://a:0/", "http://a:x/", "http://u@a/", "http://a/ b", "ftp://a/"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_redirection_leads_to_another_place_or_path() {
        let url = Url::read("http://a:81/x").expect("good");
        assert_eq!(url.join("/y").map(|url| (url.host, url.port, url.path)), Ok(("a".into(), 81, "/y".into())));
        assert_eq!(url.join("http://b/z").map(|url| url.host), Ok("b".into()));
        assert_eq!(url.join("https://b/").map(|url| url.is_secure), Ok(true));
        assert!(url.join("//b/z").is_err());
        let secure = Url::read("https://a/x").expect("good");
        assert_eq!(secure.join("/y").map(|url| (url.is_secure, url.port)), Ok((true, 443)));
        assert_eq!(secure.join("http://a/y"), Err("a redirection from `https` to `http://a/y`".into()));
    }
}
