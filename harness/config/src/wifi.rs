//! `[wifi]`: the network that the boards join.

use crate::env_vars::{from_environment, password};
use crate::spec::{Key, Kind, TableSpec};
use crate::table::Table;

/// The Wi-Fi network of the boards.
#[derive(Clone, PartialEq, Eq)]
pub struct Wifi {
    /// Its name, 1 to 32 bytes (IEEE 802.11-2020, 9.4.2.2).
    pub ssid: String,
    /// Its password, 8 to 63 printable ASCII characters, or its key, 64 hexadecimal digits (IEEE 802.11-2020, J.4.1);
    /// empty for an open network.
    pub password: String,
}

/// Without the password.
impl std::fmt::Debug for Wifi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wifi").field("ssid", &self.ssid).finish_non_exhaustive()
    }
}

pub(crate) static WIFI: TableSpec = TableSpec {
    keys: &[
        Key::required(
            "ssid",
            Kind::Text,
            "The network's name, 1 to 32 bytes; `{wifi.ssid}` in a firmware's settings. Virtual boards that execute their image find a network of this name on air; without this table it is `hil`, and the password is `hil-password`.",
        ),
        Key::optional(
            "password",
            Kind::Text,
            "an open network",
            "Its password, 8 to 63 printable ASCII characters or 64 hexadecimal digits, `{wifi.password}`; `\"${secret:NAME}\"` keeps it out of the file.",
        ),
    ],
};

impl Default for Wifi {
    fn default() -> Self {
        Self { ssid: "hil".to_owned(), password: "hil-password".to_owned() }
    }
}

impl Wifi {
    pub(crate) fn read(mut table: Table<'_, '_>) -> Option<Self> {
        let ssid = table.required("ssid", "the network's name").and_then(|v| {
            let ssid = from_environment(&v)?;
            if (1..=32).contains(&ssid.len()) {
                return Some(ssid);
            }
            v.problem(format!("a network name of {} bytes", ssid.len()), "1 to 32 bytes".to_owned());
            None
        });
        let password = match table.value("password") {
            None => Some(String::new()),
            Some(v) => password(&v).filter(|password| {
                let what = wrong_password(password);
                if let Some(what) = &what {
                    v.problem(what.clone(), PASSWORD_HINT.to_owned());
                }
                what.is_none()
            }),
        };
        table.finish();
        Some(Self { ssid: ssid?, password: password? })
    }
}

const PASSWORD_HINT: &str =
    "8 to 63 printable ASCII characters, or a key of 64 hexadecimal digits; leave `password` out for an open network";

/// What is wrong with a password, without the password.
fn wrong_password(password: &str) -> Option<String> {
    if password.len() == 64 && password.chars().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    if !(8..=63).contains(&password.len()) {
        return Some(format!("a password of {} characters", password.len()));
    }
    let is_printable = |c: char| c.is_ascii_graphic() || c == ' ';
    let place = password.chars().position(|c| !is_printable(c))?;
    Some(format!("character {} of the password is not printable ASCII", place + 1))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::{Bench, Kinds};

    #[test]
    fn a_network_that_no_station_can_join_is_refused() {
        let text = "[wifi]\nssid = \"\"\npassword = \"short\"\n[firmware.lamp]\nimage = \"builtin:lamp\"\nnvs = { \"wifi.ssid\" = \"{wifi.name}\" }\n";
        let error = Bench::from_text(text, Path::new("bench.toml"), &Kinds::default()).expect_err("refused");
        insta::assert_snapshot!(error);
    }

    #[test]
    fn a_password_that_no_station_can_type_is_refused_and_not_shown() {
        let wrong = |password: &str| {
            let text = format!("[wifi]\nssid = \"lab\"\npassword = \"{password}\"\n");
            Bench::from_text(&text, Path::new("bench.toml"), &Kinds::default()).expect_err("refused").to_string()
        };
        let wrong = [wrong("pass\u{fc}word"), wrong(&"g".repeat(64)), wrong(&"0".repeat(65))];
        assert!(wrong.iter().all(|text| !text.contains("word\n") && !text.contains("gggg")), "{wrong:?}");
        insta::assert_snapshot!(wrong.join("\n"));
        for right in ["a space and ~", &"0f".repeat(32)] {
            let text = format!("[wifi]\nssid = \"lab\"\npassword = \"{right}\"\n");
            let bench = Bench::from_text(&text, Path::new("bench.toml"), &Kinds::default()).expect("valid");
            assert_eq!(bench.wifi.expect("described").password, right);
        }
    }

    #[test]
    fn a_network_without_a_password_is_open() {
        let bench = Bench::from_text("[wifi]\nssid = \"lab\"\n", Path::new("bench.toml"), &Kinds::default());
        let wifi = bench.expect("valid").wifi.expect("described");
        assert_eq!((wifi.ssid.as_str(), wifi.password.as_str()), ("lab", ""));
    }
}
