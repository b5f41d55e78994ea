//! Settings from an NVS partition, as the harness writes it.

use esp_nvs_partition_tool::{DataValue, NvsEntry, NvsPartition};
use lamp_app::{AppSettings, Broker, LampPin, Nvs, Services, TimeServer, Wifi};
use proptest::prelude::*;

const MAC: [u8; 6] = [0x7c, 0xdf, 0xa1, 0x0a, 0x0b, 0x0c];

fn nvs(entries: &[(&str, &str, DataValue)]) -> Nvs {
    let entry = |(space, key, value): &(&str, &str, DataValue)| {
        NvsEntry::new_data((*space).to_owned(), (*key).to_owned(), value.clone())
    };
    let partition = NvsPartition { entries: entries.iter().map(entry).collect() };
    Nvs::open(partition.generate_partition(0x6000).expect("fits")).expect("NVS")
}

fn text(text: &str) -> DataValue {
    DataValue::String(text.to_owned())
}

#[test]
fn without_settings_there_is_no_network_and_everything_else_has_its_default() {
    let settings = AppSettings::read(&mut Nvs::empty(), MAC);
    assert_eq!((settings.wifi, settings.broker), (None, None));
    assert_eq!(settings.lamp.client_id, "lamp-0a0b0c");
    assert_eq!((settings.lamp.keep_alive, settings.lamp.user, settings.lamp.password), (5, None, None));
    assert_eq!(settings.pin, LampPin { gpio: 2, active_low: true });
}

#[test]
fn strings_are_read() {
    let mut nvs = nvs(&[
        ("wifi", "ssid", text("rumah")),
        ("wifi", "password", text("rahasia123")),
        ("mqtt", "host", text("192.168.4.2")),
        ("mqtt", "port", text("1884")),
        ("mqtt", "client_id", text("lampu")),
        ("mqtt", "user", text("ibu")),
        ("mqtt", "password", text("x")),
        ("mqtt", "keep_alive", text("9")),
        ("lamp", "pin", text("7")),
        ("lamp", "active_low", text("false")),
        ("tls", "ca", text("-----BEGIN CERTIFICATE-----")),
        ("sntp", "host", text("192.168.4.3")),
    ]);
    let settings = AppSettings::read(&mut nvs, MAC);
    assert_eq!(settings.wifi, Some(Wifi { ssid: "rumah".into(), password: Some("rahasia123".into()) }));
    assert_eq!(settings.broker, Some(Broker { host: "192.168.4.2".into(), port: 1884 }));
    assert_eq!((settings.lamp.client_id.as_str(), settings.lamp.user.as_deref()), ("lampu", Some("ibu")));
    assert_eq!((settings.lamp.password.as_deref(), settings.lamp.keep_alive), (Some("x"), 9));
    assert_eq!(settings.pin, LampPin { gpio: 7, active_low: false });
    let Services { authority, time } = settings.services;
    assert_eq!(authority.as_deref(), Some("-----BEGIN CERTIFICATE-----"));
    assert_eq!(time, Some(TimeServer { host: "192.168.4.3".into(), port: 123 }));
}

#[test]
fn integers_of_every_type_are_read() {
    let values = [
        DataValue::U8(7),
        DataValue::I8(7),
        DataValue::U16(7),
        DataValue::I16(7),
        DataValue::U32(7),
        DataValue::I32(7),
        DataValue::U64(7),
        DataValue::I64(7),
    ];
    for value in values {
        let mut nvs = nvs(&[("mqtt", "port", value.clone()), ("mqtt", "host", text("b")), ("lamp", "pin", value)]);
        let settings = AppSettings::read(&mut nvs, MAC);
        assert_eq!(settings.broker, Some(Broker { host: "b".into(), port: 7 }));
        assert_eq!(settings.pin.gpio, 7);
    }
}

#[test]
fn the_extremes_of_every_integer_type_are_read() {
    let mut nvs = nvs(&[
        ("n", "u64", DataValue::U64(u64::MAX)),
        ("n", "i64", DataValue::I64(i64::MIN)),
        ("n", "i32", DataValue::I32(i32::MIN)),
        ("n", "i16", DataValue::I16(-2)),
        ("n", "i8", DataValue::I8(-128)),
    ]);
    assert_eq!(nvs.text("n", "u64").as_deref(), Some("18446744073709551615"));
    assert_eq!(nvs.number("n", "i64"), Some(i64::MIN));
    assert_eq!(nvs.number("n", "i32"), Some(i32::MIN));
    assert_eq!((nvs.number::<i16>("n", "i16"), nvs.number::<u8>("n", "i8")), (Some(-2), None));
}

#[test]
fn what_is_out_of_range_or_not_a_number_gets_its_default() {
    let mut nvs = nvs(&[
        ("mqtt", "host", text("b")),
        ("mqtt", "port", DataValue::U32(70_000)),
        ("mqtt", "keep_alive", text("soon")),
        ("lamp", "pin", DataValue::I32(-1)),
        ("lamp", "active_low", DataValue::U8(2)),
    ]);
    let settings = AppSettings::read(&mut nvs, MAC);
    assert_eq!(settings.broker.map(|broker| broker.port), Some(1883));
    assert_eq!((settings.lamp.keep_alive, settings.pin), (5, LampPin::default()));
}

#[test]
fn an_empty_password_is_an_open_network() {
    let mut nvs = nvs(&[("wifi", "ssid", text("x")), ("wifi", "password", text(""))]);
    assert_eq!(AppSettings::read(&mut nvs, MAC).wifi, Some(Wifi { ssid: "x".into(), password: None }));
}

#[test]
fn a_long_string_and_a_certificate_beside_the_settings_are_fine() {
    let long = "x".repeat(3_000);
    let mut nvs = nvs(&[
        ("tls", "ca", text(&long)),
        ("tls", "key", DataValue::Binary(vec![0; 5_000])),
        ("mqtt", "host", text("b")),
    ]);
    assert_eq!((nvs.text("tls", "ca"), nvs.text("tls", "key")), (Some(long), None));
    assert!(AppSettings::read(&mut nvs, MAC).broker.is_some());
}

#[test]
fn names_that_nvs_cant_hold_have_no_value() {
    let mut nvs = Nvs::empty();
    assert_eq!(nvs.text("a namespace that is too long", "k"), None);
    assert_eq!(nvs.text("n", "\u{e9}"), None);
}

#[test]
fn a_lamp_lights_at_the_level_of_its_wiring() {
    let low = LampPin { gpio: 2, active_low: true };
    assert_eq!((low.level(true), low.level(false)), (false, true));
    let high = LampPin { active_low: false, ..low };
    assert_eq!((high.level(true), high.level(false)), (true, false));
}

proptest! {
    #[test]
    fn flipped_bits_lose_settings_and_nothing_else(flips in proptest::collection::vec((0_usize..0x3000, 0_u8..8), 1..40)) {
        let entries = vec![
            NvsEntry::new_data("mqtt".into(), "host".into(), text("broker")),
            NvsEntry::new_data("mqtt".into(), "port".into(), DataValue::U16(1884)),
        ];
        let mut bytes = NvsPartition { entries }.generate_partition(0x3000).expect("fits");
        for (at, bit) in flips {
            bytes[at] ^= 1 << bit;
        }
        if let Ok(mut nvs) = Nvs::open(bytes) {
            let broker = AppSettings::read(&mut nvs, MAC).broker;
            prop_assert!(broker.is_none_or(|broker| broker.host == "broker" && [1883, 1884].contains(&broker.port)));
        }
    }

    #[test]
    fn any_bytes_are_settings_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..3).prop_flat_map(|seed| Just(seed.repeat(4096)))) {
        let _ = Nvs::open(bytes);
    }
}
