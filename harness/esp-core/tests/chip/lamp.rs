//! The lamp's image of this repository, up to its network's first frames.

use esp_nvs_partition_tool::{DataValue, NvsEntry, NvsPartition};
use hil_esp_core::chip::{AccessPoint, Auth, End, Input, Machine, MemoryFlash, Output, Setup};

use crate::program::{Ran, run};

const NVS: u32 = 0x9000;
const NVS_LEN: u32 = 0x6000;
const PASSWORD: &str = "labpassword";

fn file() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/images/lamp-esp32c3");
    std::fs::read(path).expect("the image")
}

/// A partition table with an NVS partition and the app.
fn table() -> Vec<u8> {
    let entry = |kind: u8, subkind: u8, at: u32, len: u32, name: &str| {
        let mut entry = vec![0xaa, 0x50, kind, subkind];
        entry.extend(at.to_le_bytes());
        entry.extend(len.to_le_bytes());
        entry.extend(name.as_bytes());
        entry.resize(32, 0);
        entry
    };
    [entry(1, 2, NVS, NVS_LEN, "nvs"), entry(0, 0, 0x1_0000, 0x3f_0000, "factory")].concat()
}

/// The lamp with settings, in a flash chip with a partition table.
fn lamp(settings: &[(&str, &str, &str)]) -> Setup {
    let mut setup = Setup::from_elf(file()).expect("a program");
    let mut flash = MemoryFlash::new(setup.flash.size());
    setup.flash.read(0, flash.bytes_mut()).expect("read");
    let entry = |(namespace, key, value): &(&str, &str, &str)| {
        NvsEntry::new_data((*namespace).into(), (*key).into(), DataValue::String((*value).into()))
    };
    let entries = settings.iter().map(entry).collect();
    let nvs = NvsPartition { entries }.generate_partition(NVS_LEN as usize).expect("it fits");
    for (at, bytes) in [(0x8000, table()), (NVS, nvs)] {
        flash.bytes_mut()[at as usize..][..bytes.len()].copy_from_slice(&bytes);
    }
    setup.flash = Box::new(flash);
    setup
}

fn with_network(password: &str) -> Setup {
    let mut setup = lamp(&[("wifi", "ssid", "lab"), ("wifi", "password", password), ("mqtt", "host", "10.0.2.2")]);
    setup.access_points = vec![AccessPoint {
        ssid: b"lab".to_vec(),
        bssid: [0x52, 0x55, 10, 0, 2, 2],
        channel: 6,
        rssi: -50,
        auth: Auth::Wpa2,
        password: PASSWORD.into(),
    }];
    setup
}

/// Runs until an output that ends it.
fn until(setup: Setup, ends: impl Fn(&Output) -> bool) -> Ran {
    run(setup, |output, inputs| {
        if ends(output) {
            let _ = inputs.send(Input::Stop);
        }
    })
}

fn says(output: &Output, text: &str) -> bool {
    matches!(output, Output::Uart(bytes) if String::from_utf8_lossy(bytes).contains(text))
}

#[test]
fn it_says_that_it_has_no_settings() {
    let ran = until(lamp(&[]), |output| says(output, "nothing to do"));
    assert!(ran.console().contains("lamp: lamp-esp32c3"), "{}", ran.console());
    assert!(ran.outputs.contains(&Output::Pin { gpio: 2, level: Some(true) }), "{:?}", ran.outputs);
}

#[test]
fn it_joins_its_network_and_asks_for_an_address() {
    let ran = until(with_network(PASSWORD), |output| matches!(output, Output::Frame(_)));
    assert_eq!(ran.end, End::Stopped);
    let frames = ran.outputs.iter().filter_map(|output| match output {
        Output::Frame(frame) => Some(frame),
        _ => None,
    });
    let mac = [0x02, 0, 0, 0, 0, 1];
    let broadcast = frames.into_iter().find(|frame| frame.starts_with(&[0xff; 6])).expect("a frame");
    assert_eq!(broadcast[6..12], mac, "sent from the address in the eFuses");
    assert_eq!(broadcast[12..14], [0x08, 0x00]);
    assert_eq!(broadcast[36..38], [0, 67], "to the port of DHCP");
}

#[test]
fn a_wrong_password_leaves_it_outside() {
    let ran = until(with_network("another1"), |output| matches!(output, Output::Left { .. }));
    assert!(ran.outputs.contains(&Output::Left { reason: 15 }), "{:?}", ran.outputs);
}

#[test]
fn without_symbols_wifi_is_refused_with_a_hint() {
    let mut setup = with_network(PASSWORD);
    setup.elf = None;
    let mut machine = Machine::boot(setup).expect("it boots");
    let (_inputs, received) = std::sync::mpsc::channel();
    match machine.run(&received, &mut |_| ()) {
        End::Refused(unsupported) => {
            let text = unsupported.to_string();
            assert!(text.contains("give the ELF file with symbols"), "{text}");
        }
        end => panic!("{end:?}"),
    }
}
