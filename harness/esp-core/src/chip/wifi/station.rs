//! Whether a station can join, and which events it gets: structures as `esp_wifi_types.h` lays them out.
//!
//! Reasons as in the chapter "Wi-Fi Reason Code" of the ESP-IDF programming guide: a network that can't be found is
//! 201; one whose security doesn't fit is 210, and 211 when it is weaker than the program's threshold; one that is too
//! weak is 212. A wrong password ends the four-way handshake with 15 (WPA, WPA2); with WPA3 authentication itself
//! fails, 202.

use crate::chip::device::SECOND;
use crate::chip::events::{AccessPoint, Auth};

pub(super) const LEFT: u8 = 8;
const HANDSHAKE_TIMEOUT: u8 = 15;
pub(super) const BEACON_TIMEOUT: u8 = 200;
const NOT_FOUND: u8 = 201;
const AUTHENTICATION_FAILED: u8 = 202;
const NOT_COMPATIBLE: u8 = 210;
const BELOW_AUTH_THRESHOLD: u8 = 211;
const BELOW_RSSI_THRESHOLD: u8 = 212;

/// How long the access point repeats the handshake before the station fails.
const HANDSHAKE: u64 = 3 * SECOND;
const NAME: usize = 32;

/// What a program has configured: `wifi_sta_config_t`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StationConfig {
    pub(super) ssid: Vec<u8>,
    pub(super) password: Vec<u8>,
    pub(super) bssid: Option<[u8; 6]>,
    /// 0 for any.
    pub(super) channel: u8,
    /// The weakest signal; 0 for any.
    pub(super) rssi: i8,
    /// The weakest authentication, by the driver's number.
    pub(super) auth: u32,
}

/// What comes of a join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Joins(AccessPoint),
    Fails { reason: u8, after: u64 },
}

/// The driver's number of an authentication: `wifi_auth_mode_t`.
pub(super) const fn auth_number(auth: Auth) -> u32 {
    match auth {
        Auth::Open => 0,
        Auth::Wpa => 2,
        Auth::Wpa2 => 3,
        Auth::WpaWpa2 => 4,
        Auth::Wpa3 => 6,
        Auth::Wpa2Wpa3 => 7,
    }
}

/// How strong an authentication is, for the threshold: the numbers are in this order except for enterprise, 5.
fn strength(number: u32) -> u32 {
    if number == 5 { 3 } else { number }
}

/// Whether a station with this configuration joins one of these access points: the strongest that fits.
pub(super) fn judge(config: &StationConfig, air: &[AccessPoint]) -> Outcome {
    let named = air.iter().filter(|point| {
        point.ssid == config.ssid
            && config.bssid.is_none_or(|bssid| bssid == point.bssid)
            && (config.channel == 0 || config.channel == point.channel || config.bssid.is_none())
    });
    let mut reason = None;
    let mut best: Option<&AccessPoint> = None;
    for point in named {
        match unfit(config, point) {
            Some(why) => _ = reason.get_or_insert(why),
            None if best.is_none_or(|best| best.rssi < point.rssi) => best = Some(point),
            None => {}
        }
    }
    match best {
        None => Outcome::Fails { reason: reason.unwrap_or(NOT_FOUND), after: super::SCAN },
        Some(point) if point.auth == Auth::Open || point.password == config.password => Outcome::Joins(point.clone()),
        Some(point) if point.auth == Auth::Wpa3 => Outcome::Fails { reason: AUTHENTICATION_FAILED, after: super::JOIN },
        Some(_) => Outcome::Fails { reason: HANDSHAKE_TIMEOUT, after: HANDSHAKE },
    }
}

/// Why an access point is no candidate.
fn unfit(config: &StationConfig, point: &AccessPoint) -> Option<u8> {
    if point.auth != Auth::Open && config.password.is_empty() {
        Some(NOT_COMPATIBLE)
    } else if strength(auth_number(point.auth)) < strength(config.auth) {
        Some(BELOW_AUTH_THRESHOLD)
    } else if config.rssi != 0 && point.rssi < config.rssi {
        Some(BELOW_RSSI_THRESHOLD)
    } else {
        None
    }
}

/// A name in a field of fixed length.
fn name(ssid: &[u8], field: usize) -> Vec<u8> {
    let mut bytes = ssid[..ssid.len().min(NAME)].to_vec();
    bytes.resize(field, 0);
    bytes
}

fn name_len(ssid: &[u8]) -> u8 {
    u8::try_from(ssid.len().min(NAME)).unwrap_or_default()
}

/// `wifi_event_sta_scan_done_t`.
pub(super) fn scan_done(found: usize) -> Vec<u8> {
    vec![0, 0, 0, 0, u8::try_from(found).unwrap_or(u8::MAX), 0, 0, 0]
}

/// `wifi_event_sta_connected_t`.
pub(super) fn connected(point: &AccessPoint) -> Vec<u8> {
    let mut data = name(&point.ssid, NAME);
    data.push(name_len(&point.ssid));
    data.extend(point.bssid);
    data.push(point.channel);
    data.extend(auth_number(point.auth).to_le_bytes());
    data.extend([1, 0, 0, 0]);
    data
}

/// `wifi_event_sta_disconnected_t`.
pub(super) fn disconnected(config: &StationConfig, bssid: [u8; 6], reason: u8) -> Vec<u8> {
    let mut data = name(&config.ssid, NAME);
    data.push(name_len(&config.ssid));
    data.extend(bssid);
    data.extend([reason, 0]);
    data
}

/// `wifi_ap_record_t`, up to the country.
pub(super) fn record(point: &AccessPoint) -> Vec<u8> {
    let mut data = point.bssid.to_vec();
    data.extend(name(&point.ssid, NAME + 1));
    data.extend([point.channel, 0, 0, 0, 0]);
    data.extend([point.rssi.to_le_bytes()[0], 0, 0, 0]);
    data.extend(auth_number(point.auth).to_le_bytes());
    // CCMP for pairs and groups, if it is encrypted; the antenna; 802.11b, g and n.
    let cipher: u32 = if point.auth == Auth::Open { 0 } else { 4 };
    for word in [cipher, cipher, 0, 7] {
        data.extend(word.to_le_bytes());
    }
    // The country "01": channels 1 to 11.
    data.extend([b'0', b'1', 0, 1, 11, 20, 0, 0, 0, 0, 0, 0]);
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(auth: Auth, password: &str, rssi: i8) -> AccessPoint {
        let password = password.as_bytes().to_vec();
        AccessPoint {
            ssid: b"lab".to_vec(),
            bssid: [2, 0, 0, 0, 0, rssi.unsigned_abs()],
            channel: 6,
            rssi,
            auth,
            password,
        }
    }

    fn config(password: &str, auth: Auth) -> StationConfig {
        let auth = auth_number(auth);
        StationConfig { ssid: b"lab".to_vec(), password: password.into(), rssi: -99, auth, ..Default::default() }
    }

    fn reason(config: &StationConfig, air: &[AccessPoint]) -> u8 {
        match judge(config, air) {
            Outcome::Fails { reason, .. } => reason,
            Outcome::Joins(point) => panic!("it joins {point:?}"),
        }
    }

    #[test]
    fn the_right_password_joins() {
        let air = [point(Auth::Wpa2, "secret99", -40)];
        assert_eq!(judge(&config("secret99", Auth::Wpa2), &air), Outcome::Joins(air[0].clone()));
    }

    #[test]
    fn each_failure_has_its_reason() {
        let wpa2 = [point(Auth::Wpa2, "secret99", -40)];
        assert_eq!(reason(&config("secret99", Auth::Wpa2), &[]), 201);
        assert_eq!(reason(&config("secret98", Auth::Wpa2), &wpa2), 15);
        assert_eq!(reason(&config("secret98", Auth::Wpa2), &[point(Auth::Wpa3, "secret99", -40)]), 202);
        assert_eq!(reason(&config("", Auth::Open), &wpa2), 210);
        assert_eq!(reason(&config("secret99", Auth::Wpa2), &[point(Auth::Open, "", -40)]), 211);
        let strong = StationConfig { rssi: -60, ..config("secret99", Auth::Wpa2) };
        assert_eq!(reason(&strong, &[point(Auth::Wpa2, "secret99", -70)]), 212);
    }

    #[test]
    fn the_strongest_access_point_is_joined() {
        let air = [point(Auth::Open, "", -70), point(Auth::Open, "", -50), point(Auth::Open, "", -60)];
        assert_eq!(judge(&config("", Auth::Open), &air), Outcome::Joins(air[1].clone()));
    }

    #[test]
    fn structures_have_their_length() {
        let point = point(Auth::Wpa2, "secret99", -40);
        assert_eq!(connected(&point).len(), 48);
        assert_eq!(disconnected(&config("", Auth::Open), [0; 6], 8).len(), 41);
        assert_eq!(record(&point).len(), 80);
        assert_eq!(record(&point)[44], 216);
    }
}
