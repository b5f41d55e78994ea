//! `[access-point]`: the radio of this machine that is the boards' access point.

use std::path::PathBuf;

use crate::spec::{Key, Kind, TableSpec, words};
use crate::table::Value;

/// The access point that `hil` runs for the network of `[wifi]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessPoint {
    /// The Wi-Fi interface of this machine.
    pub interface: String,
    /// The channel of the 2.4 GHz band.
    pub channel: u8,
    /// The country whose rules the radio follows, two letters; none for the rules of the system.
    pub country: Option<String>,
    /// The program; none to find it.
    pub hostapd: Option<PathBuf>,
}

/// What can run the access point.
const DRIVERS: &[(&str, ())] = &[("hostapd", ())];

/// The longest name of an interface (`IFNAMSIZ` of linux/if.h, without the final NUL).
const LONGEST_INTERFACE: usize = 15;

pub(crate) static ACCESS_POINT: TableSpec = TableSpec {
    keys: &[
        Key::required(
            "driver",
            Kind::Word(|| words(DRIVERS)),
            "What runs the access point of the network that `[wifi]` describes. `hostapd`: `hil` starts hostapd for a run and ends it. Addresses are given by another program, such as dnsmasq.",
        ),
        Key::required(
            "interface",
            Kind::Text,
            "The Wi-Fi interface of this machine, such as `wlan0`. No other program may use it during a run.",
        ),
        Key::optional(
            "channel",
            Kind::Integer(1, 14),
            "6",
            "The channel, 1 to 14: ESP8266, ESP32 and most of their successors have only the 2.4 GHz band. A country may not allow 12 to 14.",
        ),
        Key::optional(
            "country",
            Kind::Text,
            "the system's",
            "The country whose rules the radio follows: two capital letters (ISO 3166-1), such as `DE`.",
        ),
        Key::optional("hostapd", Kind::Text, "`hostapd` on the path or in `/usr/sbin`", "The program `hostapd`."),
    ],
};

impl AccessPoint {
    /// Reads the table; `has_network` says whether the file has a `[wifi]`.
    pub(crate) fn read(value: &Value<'_, '_>, has_network: bool) -> Option<Self> {
        let mut table = value.table(&ACCESS_POINT)?;
        let driver = table
            .required("driver", "what runs the access point: `hostapd`")
            .and_then(|value| value.one_of("driver of an access point", DRIVERS));
        let interface = table
            .required("interface", "the Wi-Fi interface of this machine; `ip -brief link` lists all")
            .and_then(|value| value.parsed("the name of an interface", INTERFACE_HINT, interface));
        let channel = table.value("channel").map_or(Some(6), |value| value.integer(1..=14));
        let country = table.value("country").map(|value| value.parsed("a country", COUNTRY_HINT, country));
        let hostapd = table.value("hostapd").and_then(|value| value.file());
        if !has_network {
            let hint = "add `[wifi]` with `ssid` and `password`: the access point offers that network";
            table.missing("the access point has no network", hint);
        }
        table.finish();
        driver?;
        let country = match country {
            Some(country) => Some(country?),
            None => None,
        };
        Some(Self { interface: interface?, channel: u8::try_from(channel?).ok()?, country, hostapd })
    }
}

const INTERFACE_HINT: &str = "1 to 15 bytes without `/`, `:` and blanks; example: `wlan0`";
const COUNTRY_HINT: &str = "two capital letters; example: `DE`";

/// As the kernel checks it (`dev_valid_name`).
fn interface(text: &str) -> Option<String> {
    let fits = (1..=LONGEST_INTERFACE).contains(&text.len()) && text != "." && text != "..";
    let is_allowed = |c: char| !matches!(c, '/' | ':') && !c.is_whitespace() && !c.is_control();
    (fits && text.chars().all(is_allowed)).then(|| text.to_owned())
}

fn country(text: &str) -> Option<String> {
    (text.len() == 2 && text.chars().all(|c| c.is_ascii_uppercase())).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::{Bench, Kinds};

    const WIFI: &str = "[wifi]\nssid = \"lab\"\npassword = \"a good password\"\n";

    fn read(text: &str) -> Result<Bench, String> {
        Bench::from_text(text, Path::new("bench.toml"), &Kinds::default()).map_err(|error| format!("error: {error}"))
    }

    #[test]
    fn only_what_a_radio_can_do_is_accepted() {
        let wrong = [
            format!("{WIFI}[access-point]\n"),
            format!(
                "{WIFI}[access-point]\ndriver = \"iwd\"\ninterface = \"wlan0/x\"\nchannel = 36\ncountry = \"de\"\n"
            ),
            format!(
                "{WIFI}[access-point]\ndriver = \"hostapd\"\ninterface = \"a-name-that-is-too-long\"\nssid = \"lab\"\n"
            ),
            format!("{WIFI}[access-point]\ndriver = \"hostapd\"\ninterface = \"wlan 0\"\nhostapd = \"no/hostapd\"\n"),
            "[access-point]\ndriver = \"hostapd\"\ninterface = \"wlan0\"\n".to_owned(),
        ];
        let errors = wrong.map(|text| read(&text).expect_err("refused"));
        insta::assert_snapshot!(errors.join("\n\n"));
    }

    #[test]
    fn an_access_point_has_a_channel_without_a_key() {
        let text = format!("{WIFI}[access-point]\ndriver = \"hostapd\"\ninterface = \"wlan0\"\n");
        let access_point = read(&text).expect("valid").access_point.expect("described");
        assert_eq!((access_point.channel, access_point.country), (6, None));
        let text = format!("{text}channel = 14\ncountry = \"JP\"\n");
        let access_point = read(&text).expect("valid").access_point.expect("described");
        assert_eq!((access_point.channel, access_point.country.as_deref()), (14, Some("JP")));
    }
}
