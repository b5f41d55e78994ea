//! One suite for every kind of rail. Each hangs on a small counterpart that speaks its protocol truly; `gpio` has the
//! kernel's own simulator (`harness/cli/tests/kernel`). None of it is a plug or a hub.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hil_bench::PowerDriver as _;
use hil_bench::power::Rails;
use hil_config::{Rail, RailDriver, SafeState};

/// What a rail hangs on in a test: tells whether it has supply.
type Supply = Box<dyn Fn() -> bool>;

fn rail(driver: RailDriver, safe_state: SafeState) -> Rail {
    Rail { driver, off_time: None, safe_state }
}

/// What every rail must do.
async fn obeys_the_contract(driver: RailDriver, sysfs: &Path, supply: Supply) {
    let rails = Rails::open(&[rail(driver.clone(), SafeState::Off)], sysfs).expect("open");
    assert_eq!(rails.rail(), driver.to_string());
    for on in [true, true, false, false, true] {
        rails.switch(on).await.expect("switches");
        assert_eq!(supply(), on, "what was asked for");
        let measured = rails.measure().await.expect("measures");
        assert!(measured.is_none_or(|measured| measured == on), "a driver that measures measures right");
    }
    rails.make_safe().await.expect("made safe");
    assert!(!supply());
    drop(rails);
    let rails = Rails::open(&[rail(driver, SafeState::On)], sysfs).expect("open again");
    assert!(!supply(), "opening switches nothing on");
    rails.make_safe().await.expect("made safe");
    assert!(supply(), "its safe state is on");
    rails.switch(false).await.expect("off");
}

fn command(folder: &Path) -> (RailDriver, Supply) {
    let state = folder.join("state");
    std::fs::write(&state, "off").expect("state");
    let say = |text: &str| vec!["sh".to_owned(), "-c".to_owned(), format!("printf {text} > '{}'", state.display())];
    let driver = RailDriver::Command {
        on: say("on"),
        off: say("off"),
        state: Some(vec!["cat".to_owned(), state.display().to_string()]),
        timeout: Duration::from_secs(10),
    };
    (driver, Box::new(move || std::fs::read_to_string(&state).expect("state") == "on"))
}

#[tokio::test]
async fn a_command_obeys_the_contract() {
    let folder = tempfile::tempdir().expect("folder");
    let (driver, supply) = command(folder.path());
    obeys_the_contract(driver, folder.path(), supply).await;
}

/// A folder shaped like sysfs: not a hub.
#[tokio::test]
async fn a_usb_port_obeys_the_contract() {
    let sysfs = tempfile::tempdir().expect("folder");
    let port = sysfs.path().join("bus/usb/devices/1-1:1.0/1-1-port2");
    std::fs::create_dir_all(&port).expect("port");
    std::fs::write(port.join("disable"), "1").expect("attribute");
    let attribute = port.join("disable");
    let supply = Box::new(move || std::fs::read_to_string(&attribute).expect("attribute") == "0");
    let driver = RailDriver::UsbPort { topology: "1-1.2".to_owned() };
    obeys_the_contract(driver, sysfs.path(), supply).await;
}

/// A plug's HTTP interface as its documentation describes it: not a plug.
fn shelly() -> (String, Arc<Mutex<bool>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listener");
    let address = listener.local_addr().expect("address").to_string();
    let state = Arc::new(Mutex::new(false));
    let relay = Arc::clone(&state);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().expect("clone")).lines().map_while(Result::ok);
            let request = lines.next().unwrap_or_default();
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let mut on = relay.lock().expect("state");
            let was = *on;
            let path = request.split(' ').nth(1).unwrap_or_default();
            let (status, body) = match path {
                "/relay/0?turn=on" | "/rpc/Switch.Set?id=0&on=true" => {
                    *on = true;
                    ("200 OK", format!(r#"{{"was_on":{was},"ison":true}}"#))
                }
                "/relay/0?turn=off" | "/rpc/Switch.Set?id=0&on=false" => {
                    *on = false;
                    ("200 OK", format!(r#"{{"was_on":{was},"ison":false}}"#))
                }
                "/rpc/Switch.GetStatus?id=0" => ("200 OK", format!(r#"{{"id":0,"output":{was},"apower":0.0}}"#)),
                _ => ("404 Not Found", "{}".to_owned()),
            };
            let length = body.len();
            let mut stream = stream;
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        }
    });
    (address, state)
}

#[tokio::test]
async fn a_shelly_obeys_the_contract_in_both_dialects() {
    for generation in [1, 2] {
        let (address, state) = shelly();
        let driver = RailDriver::Shelly { address, output: 0, generation };
        obeys_the_contract(driver, Path::new("/sys"), Box::new(move || *state.lock().expect("state"))).await;
    }
}

/// Tasmota's MQTT commands as its documentation describes them, on the embedded broker: not a plug.
#[tokio::test]
async fn a_tasmota_obeys_the_contract() {
    // In memory: the default writes files into the current folder.
    let storage =
        mqtt5::broker::config::StorageConfig::new().with_backend(mqtt5::broker::config::StorageBackend::Memory);
    let config = mqtt5::broker::BrokerConfig::default().with_bind_address(([127, 0, 0, 1], 0)).with_storage(storage);
    let mut broker = mqtt5::broker::MqttBroker::with_config(config).await.expect("broker");
    let address = broker.local_addr().expect("address");
    tokio::spawn(async move { broker.run().await });
    let state = Arc::new(Mutex::new(false));
    let relay = Arc::clone(&state);
    let mut options = rumqttc::MqttOptions::new("plug", "127.0.0.1", address.port());
    options.set_keep_alive(Duration::from_secs(30));
    let (client, mut events) = rumqttc::AsyncClient::new(options, 8);
    client.subscribe("cmnd/plug/Power1", rumqttc::QoS::AtLeastOnce).await.expect("subscribe");
    let (up, is_up) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut up = Some(up);
        while let Ok(event) = events.poll().await {
            match event {
                rumqttc::Event::Incoming(rumqttc::Incoming::SubAck(_)) => drop(up.take().map(|up| up.send(()))),
                rumqttc::Event::Incoming(rumqttc::Incoming::Publish(message)) => {
                    let on = &message.payload[..] == b"ON";
                    *relay.lock().expect("state") = on;
                    let word = if on { "ON" } else { "OFF" };
                    client.publish("stat/plug/POWER", rumqttc::QoS::AtMostOnce, false, word).await.expect("answer");
                }
                _ => {}
            }
        }
    });
    is_up.await.expect("the plug is up");
    let driver = RailDriver::Tasmota { broker: address.to_string(), topic: "plug".to_owned(), output: 1, login: None };
    obeys_the_contract(driver, Path::new("/sys"), Box::new(move || *state.lock().expect("state"))).await;
}

#[tokio::test]
async fn what_does_not_switch_says_why() {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let command = |on: &[&str], timeout| RailDriver::Command {
        on: words(on),
        off: words(&["true"]),
        state: Some(words(&["echo", "perhaps"])),
        timeout: Duration::from_millis(timeout),
    };
    let nobody = TcpListener::bind("127.0.0.1:0").expect("listener").local_addr().expect("address");
    let drivers = [
        command(&["sh", "-c", "echo relay 3 is gone >&2; exit 3"], 5_000),
        command(&["/no/such/program"], 5_000),
        command(&["sleep", "30"], 50),
        RailDriver::Shelly { address: nobody.to_string(), output: 0, generation: 2 },
        RailDriver::Shelly { address: shelly().0, output: 5, generation: 2 },
        RailDriver::Tasmota { broker: nobody.to_string(), topic: "plug".into(), output: 1, login: None },
    ];
    let mut text = String::new();
    for driver in drivers {
        let rails = Rails::open(&[rail(driver, SafeState::Off)], Path::new("/sys")).expect("open");
        let error = rails.switch(true).await.expect_err("does not switch");
        text.push_str(&format!("{error}\nhint: {}\n", error.hint.as_deref().unwrap_or("none")));
    }
    let rails = Rails::open(&[rail(command(&["true"], 5_000), SafeState::Off)], Path::new("/sys")).expect("open");
    text.push_str(&format!("{}\n", rails.measure().await.expect_err("no state")));
    let absent = RailDriver::UsbPort { topology: "9-9.9".to_owned() };
    let error = Rails::open(&[rail(absent, SafeState::Off)], Path::new("/sys")).expect_err("no hub");
    text.push_str(&format!("{error}\nhint: {}\n", error.hint.as_deref().unwrap_or("none")));
    insta::with_settings!({filters => vec![(r"127\.0\.0\.1:\d+", "HOST:PORT")]}, {
        insta::assert_snapshot!(text);
    });
}
