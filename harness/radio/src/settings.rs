//! What hostapd reads about the network.

use std::fmt::Write as _;
use std::path::Path;

use hil_config::Wifi;

/// The words of a key of a network: what `hostapd.conf` calls it, and its value.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Password {
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

/// Without the value.
impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Password").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Password {
    /// That of a network; none if it is open.
    pub(crate) fn of(wifi: &Wifi) -> Option<Self> {
        // 64 characters are the key itself, in hexadecimal digits.
        let name = if wifi.password.len() == 64 { "wpa_psk" } else { "wpa_passphrase" };
        (!wifi.password.is_empty()).then(|| Self { name, value: wifi.password.clone() })
    }

    /// One that no board knows.
    pub(crate) fn random() -> Self {
        let value = std::iter::repeat_with(fastrand::alphanumeric).take(32).collect();
        Self { name: "wpa_passphrase", value }
    }
}

/// The mode of a channel: 14 has only that of 802.11b (IEEE 802.11-2020, annex E, Japan).
pub(crate) fn mode(channel: u8) -> &'static str {
    if channel == 14 { "b" } else { "g" }
}

/// The text of hostapd's configuration (`hostapd.conf`), with its control socket in a folder.
pub(crate) fn text(config: &hil_config::AccessPoint, wifi: &Wifi, control: &Path) -> String {
    let mut text = String::new();
    let mut set = |name: &str, value: &dyn std::fmt::Display| {
        // A String takes all that is written.
        let _ = writeln!(text, "{name}={value}");
    };
    set("interface", &config.interface);
    set("driver", &"nl80211");
    set("ctrl_interface", &control.display());
    // In hexadecimal digits, which need no quotes.
    set("ssid2", &hex::encode(&wifi.ssid));
    if let Some(country) = &config.country {
        set("country_code", country);
        set("ieee80211d", &1);
    }
    set("hw_mode", &mode(config.channel));
    set("channel", &config.channel);
    if let Some(password) = Password::of(wifi) {
        set("wpa", &2);
        set("wpa_key_mgmt", &"WPA-PSK");
        set("rsn_pairwise", &"CCMP");
        set(password.name, &password.value);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ssid: &str, password: &str, channel: u8, country: Option<&str>) -> String {
        let config = hil_config::AccessPoint {
            interface: "wlan0".to_owned(),
            channel,
            country: country.map(str::to_owned),
            hostapd: None,
        };
        let wifi = Wifi { ssid: ssid.to_owned(), password: password.to_owned() };
        text(&config, &wifi, Path::new("/tmp/hil-1/control"))
    }

    #[test]
    fn hostapd_gets_name_password_channel_and_country() {
        let key = "0f".repeat(32);
        let all = [
            of("lab \"é\"", "a password", 6, None),
            of("open", "", 14, Some("JP")),
            of("by key", &key, 11, Some("DE")),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }
}
