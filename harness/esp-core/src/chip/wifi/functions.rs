//! The driver's functions that programs call.

use super::station::{self, StationConfig};
use super::{BEACON_PATIENCE, Callback, Event, Guest, Purpose, SCAN, SCAN_CHANNEL, Wifi, event};
use crate::chip::device::SECOND;
use crate::chip::events::{AccessPoint, Output};

/// Versions of the OS adapter, the table of functions that the program hands to the driver. Both have the place for
/// events at the same word.
const ADAPTERS: [(u32, &str); 2] = [(9, "1.0.0-beta.1"), (8, "1.0.0-beta.0")];
const EVENT_POST: u32 = 45;

const FAILED: u32 = u32::MAX;
const NOT_CONNECTED: u32 = 0x300f;
const STATION: u32 = 0;
const STATION_MODE: u32 = 1;

/// What a function answers.
#[derive(Debug)]
pub(in crate::chip) enum Reply {
    Value(u32),
    /// 0, after this call into the program.
    After(Callback),
    /// It can't be answered: what is missing, and what helps.
    Refuse(String, String),
}

pub(in crate::chip) type Function = fn(&mut Wifi, &mut Guest<'_>) -> Reply;

const OK: Reply = Reply::Value(0);

/// The function with this symbol: `None` when it is not the driver's, and `Some(None)` when it has no model.
pub(in crate::chip) fn function(name: &str) -> Option<Option<Function>> {
    const REFUSED: [&str; 4] =
        ["esp_now_init", "btdm_controller_init", "ble_controller_init", "esp_bt_controller_init"];
    if let Some((_, function)) = FUNCTIONS.iter().find(|(known, _)| *known == name) {
        return Some(Some(*function));
    }
    if ACCEPTED.contains(&name) {
        return Some(Some(|_, _| OK));
    }
    let ours = name.starts_with("esp_wifi_") || name.starts_with("esp_supplicant_") || REFUSED.contains(&name);
    ours.then_some(None)
}

/// Functions whose only effect is on the air.
const ACCEPTED: &[&str] = &[
    "esp_supplicant_init",
    "esp_supplicant_deinit",
    "esp_wifi_set_country",
    "esp_wifi_set_country_code",
    "esp_wifi_set_ps",
    "esp_wifi_set_protocol",
    "esp_wifi_set_protocols",
    "esp_wifi_set_bandwidth",
    "esp_wifi_set_bandwidths",
    "esp_wifi_set_band_mode",
    "esp_wifi_set_channel",
    "esp_wifi_set_max_tx_power",
    "esp_wifi_set_storage",
    "esp_wifi_get_config",
    "esp_wifi_internal_set_log_level",
    "esp_wifi_internal_set_log_mod",
    "esp_wifi_internal_update_mac_time",
    "esp_wifi_bt_power_domain_on",
    "esp_wifi_bt_power_domain_off",
];

const FUNCTIONS: &[(&str, Function)] = &[
    ("esp_wifi_init_internal", init),
    ("esp_wifi_deinit_internal", |wifi, _| {
        *wifi = Wifi::new(std::mem::take(&mut wifi.air), wifi.mac);
        OK
    }),
    ("esp_wifi_set_mode", |wifi, guest| match guest.argument(0) {
        mode @ 0..=STATION_MODE => {
            wifi.mode = mode;
            OK
        }
        _ => access_point(),
    }),
    ("esp_wifi_get_mode", |wifi, guest| {
        guest.write(guest.argument(0), &wifi.mode.to_le_bytes());
        OK
    }),
    ("esp_wifi_set_tx_done_cb", |wifi, guest| {
        wifi.sent = guest.argument(0);
        OK
    }),
    ("esp_wifi_internal_reg_rxcb", |wifi, guest| {
        if guest.argument(0) == STATION {
            wifi.receive = guest.argument(1);
        }
        OK
    }),
    ("esp_wifi_set_config", set_config),
    ("esp_wifi_set_inactive_time", |wifi, guest| {
        wifi.patience = u64::from(guest.argument(1) & 0xffff).max(1) * SECOND;
        OK
    }),
    ("esp_wifi_start", |wifi, _| {
        wifi.patience = BEACON_PATIENCE;
        wifi.post(event::STARTED)
    }),
    ("esp_wifi_stop", |wifi, guest| {
        let now = guest.hardware.now();
        if wifi.leave(station::LEFT, now) {
            guest.hardware.output(Output::Left { reason: station::LEFT });
        }
        wifi.forget_join();
        wifi.post(event::STOPPED)
    }),
    ("esp_wifi_connect_internal", |wifi, guest| {
        let now = guest.hardware.now();
        if wifi.joined.is_none() {
            wifi.join(now);
        }
        OK
    }),
    ("esp_wifi_disconnect_internal", |wifi, guest| {
        let now = guest.hardware.now();
        wifi.leave(station::LEFT, now);
        OK
    }),
    ("esp_wifi_internal_tx", transmit),
    ("esp_wifi_internal_free_rx_buffer", |wifi, guest| {
        let slot = guest.argument(0);
        if !wifi.slots.contains(&slot) {
            wifi.slots.push(slot);
        }
        wifi.full = false;
        OK
    }),
    ("esp_wifi_scan_start", scan),
    ("esp_wifi_scan_stop", |wifi, _| {
        wifi.events.retain(|(_, event)| !matches!(event, Event::ScanDone));
        OK
    }),
    ("esp_wifi_scan_get_ap_num", |wifi, guest| {
        let count = u16::try_from(wifi.found.len()).unwrap_or(u16::MAX);
        guest.write(guest.argument(0), &count.to_le_bytes());
        OK
    }),
    ("esp_wifi_scan_get_ap_record", |wifi, guest| match wifi.found.pop_front() {
        Some(point) => {
            guest.write(guest.argument(0), &station::record(&point));
            OK
        }
        None => Reply::Value(FAILED),
    }),
    ("esp_wifi_clear_ap_list", |wifi, _| {
        wifi.found.clear();
        OK
    }),
    ("esp_wifi_sta_get_rssi", |wifi, guest| match &wifi.joined {
        Some(point) => {
            guest.write(guest.argument(0), &i32::from(point.rssi).to_le_bytes());
            OK
        }
        None => Reply::Value(FAILED),
    }),
    ("esp_wifi_sta_get_ap_info", |wifi, guest| match &wifi.joined {
        Some(point) => {
            guest.write(guest.argument(0), &station::record(point));
            OK
        }
        None => Reply::Value(NOT_CONNECTED),
    }),
    ("esp_wifi_get_channel", |wifi, guest| {
        let channel = wifi.joined.as_ref().map_or(1, |point| point.channel);
        guest.write(guest.argument(0), &[channel]);
        guest.write(guest.argument(1), &[0; 4]);
        OK
    }),
    ("esp_wifi_get_bandwidths", |_, guest| {
        guest.write(guest.argument(1), &1_u32.to_le_bytes());
        OK
    }),
    ("esp_wifi_get_mac", |wifi, guest| {
        guest.write(guest.argument(1), &wifi.mac);
        OK
    }),
];

impl Wifi {
    /// 0, after the program has been given an event without data.
    fn post(&self, number: u32) -> Reply {
        if self.event_post == 0 {
            return OK;
        }
        let arguments = [0, number, 0, 0, 0];
        Reply::After(Callback { function: self.event_post, arguments, purpose: Purpose::Within })
    }
}

fn access_point() -> Reply {
    Reply::Refuse("an access point of the board's own".to_owned(), "only the station's side has a model".to_owned())
}

fn init(wifi: &mut Wifi, guest: &mut Guest<'_>) -> Reply {
    let table = guest.word(guest.argument(0));
    let version = guest.word(table);
    if !ADAPTERS.iter().any(|(known, _)| *known == version) {
        let known: Vec<_> = ADAPTERS.iter().map(|(number, radio)| format!("{number} (esp-radio {radio})")).collect();
        let what = format!("version {version} of the Wi-Fi driver's OS adapter");
        return Reply::Refuse(what, format!("there is a model for {}", known.join(" and ")));
    }
    wifi.event_post = guest.word(table + 4 * EVENT_POST);
    OK
}

fn set_config(wifi: &mut Wifi, guest: &mut Guest<'_>) -> Reply {
    if guest.argument(0) != STATION {
        return access_point();
    }
    let at = guest.argument(1);
    let fixed = guest.bytes(at + 100, 8);
    let thresholds = guest.bytes(at + 116, 1);
    wifi.config = StationConfig {
        ssid: guest.string(at, 32),
        password: guest.string(at + 32, 64),
        bssid: fixed.get(1..7).and_then(|bssid| bssid.try_into().ok()).filter(|_| fixed[0] != 0),
        channel: fixed.get(7).copied().unwrap_or_default(),
        rssi: thresholds.first().map_or(0, |rssi| rssi.cast_signed()),
        auth: guest.word(at + 120),
    };
    OK
}

fn transmit(wifi: &mut Wifi, guest: &mut Guest<'_>) -> Reply {
    let now = guest.hardware.now();
    let frame = guest.bytes(guest.argument(1), guest.argument(2) & 0xffff);
    let sent = wifi.joined.is_some() && wifi.silent.is_none();
    if sent {
        guest.hardware.output(Output::Frame(frame));
    }
    if wifi.sent != 0 {
        wifi.events.push_back((now, Event::Sent(sent)));
    }
    OK
}

/// `esp_wifi_scan_start(config, block)`.
fn scan(wifi: &mut Wifi, guest: &mut Guest<'_>) -> Reply {
    let (config, block) = (guest.argument(0), guest.argument(1) & 1 != 0);
    let (mut ssid, mut bssid, mut channel) = (Vec::new(), Vec::new(), 0);
    if config != 0 {
        let (ssid_at, bssid_at) = (guest.word(config), guest.word(config + 4));
        ssid = if ssid_at == 0 { Vec::new() } else { guest.string(ssid_at, 32) };
        bssid = if bssid_at == 0 { Vec::new() } else { guest.bytes(bssid_at, 6) };
        channel = guest.bytes(config + 8, 1).first().copied().unwrap_or_default();
    }
    let wanted = |point: &&AccessPoint| {
        (ssid.is_empty() || ssid == point.ssid)
            && (bssid.is_empty() || bssid == point.bssid)
            && (channel == 0 || channel == point.channel)
    };
    let mut found: Vec<AccessPoint> = wifi.air.iter().filter(wanted).cloned().collect();
    found.sort_by_key(|point| std::cmp::Reverse(point.rssi));
    wifi.found = found.into();
    let time = match (block, channel) {
        (true, _) => 0,
        (false, 0) => SCAN,
        (false, _) => SCAN_CHANNEL,
    };
    wifi.events.push_back((guest.hardware.now().saturating_add(time), Event::ScanDone));
    OK
}
