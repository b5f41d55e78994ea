//! One suite for every kind of rail. Each uses a small counterpart that implements its protocol; `gpio` has the
//! kernel's own simulator (`harness/cli/tests/kernel`). None of them is a real plug or hub.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hil_config::{Kinds, Rail, SafeState};
use hil_power::PowerDriver as _;
use hil_power::Rails;
use parking_lot::Mutex;

/// The supply of a rail in a test: whether it is there.
type Supply = Box<dyn Fn() -> bool>;

/// A rail as a bench file describes it.
fn rail(keys: &str, safe_state: SafeState) -> Rail {
    let rail = Rail::from_keys(keys, &Kinds { rails: hil_power::kinds(), ..Kinds::default() }).expect("a rail");
    Rail { safe_state, ..rail }
}

/// The keys of a rail of programs, each run by a shell.
fn command_keys(on: &str, off: &str, state: &str) -> String {
    let shell = |script: &str| format!("[\"sh\", \"-c\", {script:?}]");
    format!("driver = \"command\", on = {}, off = {}, state = {}", shell(on), shell(off), shell(state))
}

/// What every rail must do.
async fn fulfills_the_contract(keys: &str, sysfs: &Path, supply: Supply) {
    let rails = Rails::open(&[rail(keys, SafeState::Off)], sysfs).expect("open");
    assert_eq!(rails.rail(), rail(keys, SafeState::Off).driver.to_string());
    for on in [true, true, false, false, true] {
        rails.switch(on).await.expect("switches");
        assert_eq!(supply(), on, "what was asked for");
        assert!(rails.state().await.expect("tells").is_none_or(|state| state == on), "its state is what was asked for");
        let measured = rails.measure().await.expect("measures");
        assert!(measured.is_none_or(|measured| measured == on), "a driver that measures measures right");
    }
    rails.make_safe().await.expect("made safe");
    assert!(!supply());
    drop(rails);
    let rails = Rails::open(&[rail(keys, SafeState::On)], sysfs).expect("open again");
    assert!(!supply(), "opening switches nothing on");
    rails.make_safe().await.expect("made safe");
    assert!(supply(), "its safe state is on");
    rails.switch(false).await.expect("off");
}

/// A file is the relay, `say` what writes a word into it.
struct FileRelay {
    state: PathBuf,
}

impl FileRelay {
    fn new(folder: &Path) -> Self {
        let state = folder.join("state");
        std::fs::write(&state, "off").expect("state");
        Self { state }
    }

    fn say(&self, word: &str) -> String {
        format!("printf {word} > '{}'", self.state.display())
    }

    fn keys(&self) -> String {
        command_keys(&self.say("on"), &self.say("off"), &format!("cat '{}'", self.state.display()))
    }

    fn supply(&self) -> Supply {
        let state = self.state.clone();
        Box::new(move || std::fs::read_to_string(&state).expect("state") == "on")
    }
}

#[tokio::test]
async fn a_command_fulfills_the_contract() {
    let folder = tempfile::tempdir().expect("folder");
    let relay = FileRelay::new(folder.path());
    fulfills_the_contract(&relay.keys(), folder.path(), relay.supply()).await;
}

/// A folder shaped like sysfs: not a hub.
#[tokio::test]
async fn a_usb_port_fulfills_the_contract() {
    let sysfs = tempfile::tempdir().expect("folder");
    let port = sysfs.path().join("bus/usb/devices/1-1:1.0/1-1-port2");
    std::fs::create_dir_all(&port).expect("port");
    std::fs::write(port.join("disable"), "1").expect("attribute");
    let attribute = port.join("disable");
    let supply = Box::new(move || std::fs::read_to_string(&attribute).expect("attribute") == "0");
    fulfills_the_contract("driver = \"usb-port\", topology = \"1-1.2\"", sysfs.path(), supply).await;
}

/// What goes wrong with a plug's answer, after the plug has switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The connection is closed without an answer.
    Closes,
    /// No answer until the caller has timed out.
    Silent,
    /// An invalid answer.
    Garbage,
    /// The answer comes together with that to the next command.
    Late,
}

/// A plug in a test: its relay, and what goes wrong with its next answers.
#[derive(Clone, Default)]
struct Plug {
    on: Arc<Mutex<bool>>,
    /// What its meter shows while it is on, in watts; none without a meter.
    watts: Option<f64>,
    faults: Arc<Mutex<VecDeque<Fault>>>,
    commands: Arc<Mutex<usize>>,
}

impl Plug {
    fn with(faults: impl IntoIterator<Item = Fault>) -> Self {
        Self { faults: Arc::new(Mutex::new(faults.into_iter().collect())), ..Self::default() }
    }

    fn supply(&self) -> Supply {
        let on = Arc::clone(&self.on);
        Box::new(move || *on.lock())
    }

    fn set(&self, on: bool) {
        *self.on.lock() = on;
        *self.commands.lock() += 1;
    }

    fn is_on(&self) -> bool {
        *self.on.lock()
    }

    /// What its meter shows.
    fn shown_watts(&self) -> Option<f64> {
        self.watts.map(|watts| if self.is_on() { watts } else { 0.0 })
    }

    fn next_fault(&self) -> Option<Fault> {
        self.faults.lock().pop_front()
    }
}

/// A plug's HTTP interface as its documentation describes it: not a plug.
fn http_plug(plug: &Plug) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listener");
    let address = listener.local_addr().expect("address").to_string();
    let plug = plug.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer_http(&plug, stream);
        }
    });
    address
}

fn answer_http(plug: &Plug, mut stream: TcpStream) {
    let mut lines = BufReader::new(stream.try_clone().expect("clone")).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let was = plug.is_on();
    let path = request.split(' ').nth(1).unwrap_or_default();
    match path {
        "/relay/0?turn=on" | "/rpc/Switch.Set?id=0&on=true" | "/on" => plug.set(true),
        "/relay/0?turn=off" | "/rpc/Switch.Set?id=0&on=false" | "/off" => plug.set(false),
        _ => {}
    }
    let on = plug.is_on();
    let (status, body) = match path {
        "/relay/0?turn=on" | "/relay/0?turn=off" | "/relay/0" => ("200 OK", format!(r#"{{"ison":{on}}}"#)),
        "/rpc/Switch.Set?id=0&on=true" | "/rpc/Switch.Set?id=0&on=false" => {
            ("200 OK", format!(r#"{{"was_on":{was}}}"#))
        }
        "/rpc/Switch.GetStatus?id=0" => {
            let meter = plug.shown_watts().map(|watts| format!(r#","apower":{watts:.1}"#)).unwrap_or_default();
            ("200 OK", format!(r#"{{"id":0,"output":{on}{meter}}}"#))
        }
        "/on" | "/off" => ("200 OK", String::new()),
        "/state" => ("200 OK", if on { "ON\n" } else { "OFF\n" }.to_owned()),
        _ => ("404 Not Found", "{}".to_owned()),
    };
    let body = match plug.next_fault() {
        None => body,
        Some(Fault::Garbage) => "<html>".to_owned(),
        Some(Fault::Closes) => return,
        Some(Fault::Silent | Fault::Late) => {
            // The end of the stream: it has given up.
            let _ = stream.read_to_end(&mut Vec::new());
            return;
        }
    };
    let length = body.len();
    let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
}

fn shelly_keys(address: &str, generation: u8) -> String {
    format!("driver = \"shelly\", address = \"{address}\", generation = {generation}")
}

#[tokio::test]
async fn a_shelly_fulfills_the_contract_in_both_dialects() {
    for generation in [1, 2] {
        let plug = Plug::default();
        let driver = shelly_keys(&http_plug(&plug), generation);
        fulfills_the_contract(&driver, Path::new("/sys"), plug.supply()).await;
    }
}

/// Tasmota's MQTT commands as its documentation describes them, on the embedded broker: not a plug.
async fn tasmota(plug: &Plug) -> SocketAddr {
    // In memory: the default writes files into the current folder.
    let storage =
        mqtt5::broker::config::StorageConfig::new().with_backend(mqtt5::broker::config::StorageBackend::Memory);
    let config = mqtt5::broker::BrokerConfig::default().with_bind_address(([127, 0, 0, 1], 0)).with_storage(storage);
    let mut broker = mqtt5::broker::MqttBroker::with_config(config).await.expect("broker");
    let address = broker.local_addr().expect("address");
    tokio::spawn(async move { broker.run().await });
    let mut options = rumqttc::MqttOptions::new("plug", "127.0.0.1", address.port());
    options.set_keep_alive(Duration::from_secs(30));
    let (client, mut events) = rumqttc::AsyncClient::new(options, 8);
    client.subscribe("cmnd/plug/+", rumqttc::QoS::AtLeastOnce).await.expect("subscribe");
    let (up, is_up) = tokio::sync::oneshot::channel();
    let plug = plug.clone();
    tokio::spawn(async move {
        let mut up = Some(up);
        let mut late = Vec::new();
        while let Ok(event) = events.poll().await {
            match event {
                rumqttc::Event::Incoming(rumqttc::Incoming::SubAck(_)) => drop(up.take().map(|up| up.send(()))),
                rumqttc::Event::Incoming(rumqttc::Incoming::Publish(message))
                    if message.topic == "cmnd/plug/Status" =>
                {
                    let meter = plug.shown_watts().map(|watts| format!(r#","ENERGY":{{"Power":{watts:.0}}}"#));
                    let telemetry = format!(r#"{{"StatusSNS":{{"Time":"0"{}}}}}"#, meter.unwrap_or_default());
                    let answer = client.publish("stat/plug/STATUS10", rumqttc::QoS::AtMostOnce, false, telemetry);
                    answer.await.expect("answer");
                }
                rumqttc::Event::Incoming(rumqttc::Incoming::Publish(message)) => {
                    // An empty payload asks.
                    match &message.payload[..] {
                        b"ON" => plug.set(true),
                        b"OFF" => plug.set(false),
                        _ => {}
                    }
                    let word = if plug.is_on() { "ON" } else { "OFF" };
                    match plug.next_fault() {
                        Some(Fault::Silent | Fault::Closes) => {}
                        Some(Fault::Late) => late.push(word),
                        Some(Fault::Garbage) => late.push("PERHAPS"),
                        None => late.push(word),
                    }
                    if plug.faults.lock().is_empty() {
                        for word in late.drain(..) {
                            let answer = client.publish("stat/plug/POWER", rumqttc::QoS::AtMostOnce, false, word);
                            answer.await.expect("answer");
                        }
                    }
                }
                _ => {}
            }
        }
    });
    is_up.await.expect("the plug is up");
    address
}

fn tasmota_keys(broker: SocketAddr) -> String {
    format!("driver = \"tasmota\", broker = \"{broker}\", topic = \"plug\"")
}

#[tokio::test]
async fn a_tasmota_fulfills_the_contract() {
    let plug = Plug::default();
    let driver = tasmota_keys(tasmota(&plug).await);
    fulfills_the_contract(&driver, Path::new("/sys"), plug.supply()).await;
}

fn http_keys(address: &str, more: &str) -> String {
    format!("driver = \"http\", on = \"http://{address}/on\", off = \"http://{address}/off\"{more}")
}

#[tokio::test]
async fn requests_of_ones_own_fulfill_the_contract_with_and_without_a_state() {
    let state = |plug: &str, path: &str| format!(", state = \"http://{plug}{path}\"");
    let pointer = ", state-pointer = \"/output\"";
    let (plain, words, json) = (Plug::default(), Plug::default(), Plug::default());
    let addresses = [&plain, &words, &json].map(http_plug);
    for (plug, address, more) in [
        (&plain, &addresses[0], String::new()),
        (&words, &addresses[1], state(&addresses[1], "/state")),
        (
            &json,
            &addresses[2],
            state(&addresses[2], "/rpc/Switch.GetStatus?id=0") + pointer + ", state-measures = true",
        ),
    ] {
        fulfills_the_contract(&http_keys(address, &more), Path::new("/sys"), plug.supply()).await;
    }
}

#[tokio::test]
async fn a_lost_reply_to_a_request_of_ones_own_is_not_a_failure() {
    for faults in [vec![Fault::Closes], vec![Fault::Garbage], vec![Fault::Closes, Fault::Garbage]] {
        let plug = Plug::with(faults.clone());
        let address = http_plug(&plug);
        let driver = http_keys(&address, &format!(", state = \"http://{address}/state\""));
        switches(&driver, &plug, &format!("{faults:?}")).await;
    }
}

/// A meter shows whether there is supply; a relay's state does not.
#[tokio::test]
async fn the_meter_of_a_plug_measures_the_supply() {
    let metered = || Plug { watts: Some(2.0), ..Plug::default() };
    let (shelly, tasmota_plug) = (metered(), metered());
    let tasmota_broker = tasmota(&tasmota_plug).await;
    for keys in [shelly_keys(&http_plug(&shelly), 2), tasmota_keys(tasmota_broker)] {
        let rails = Rails::open(&[rail(&keys, SafeState::Off)], Path::new("/sys")).expect("open");
        rails.switch(true).await.expect("on");
        assert_eq!(rails.measure().await.expect("measures"), Some(true), "{keys}");
        rails.switch(false).await.expect("off");
        assert_eq!(rails.measure().await.expect("measures"), Some(false), "{keys}");
    }
}

/// Switches on once, although something goes wrong with the answers.
async fn switches(driver: &str, plug: &Plug, what: &str) {
    let rails = Rails::open(&[rail(driver, SafeState::Off)], Path::new("/sys")).expect("open");
    rails.switch(true).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(plug.is_on() && plug.faults.lock().is_empty(), "{what}");
    assert_eq!(rails.state().await.expect("tells"), Some(true), "{what}");
    assert_eq!(rails.measure().await.expect("measures"), None, "{what}: a relay's state is not a measurement");
}

/// After a lost reply the state of the relay is unknown: the command is sent again, and the state is read.
#[tokio::test]
async fn a_lost_reply_of_a_shelly_is_not_a_failure() {
    for generation in [1, 2] {
        for fault in [Fault::Closes, Fault::Garbage] {
            // Of the command, of the question after it, and of both.
            for faults in [vec![fault], vec![fault, fault]] {
                let plug = Plug::with(faults.clone());
                let driver = shelly_keys(&http_plug(&plug), generation);
                switches(&driver, &plug, &format!("{faults:?}, generation {generation}")).await;
            }
        }
    }
    let plug = Plug::with([Fault::Silent]);
    switches(&shelly_keys(&http_plug(&plug), 2), &plug, "no answer in time").await;
}

#[tokio::test]
async fn a_lost_reply_of_a_tasmota_is_not_a_failure() {
    for fault in [Fault::Silent, Fault::Garbage, Fault::Late] {
        let plug = Plug::with([fault]);
        let driver = tasmota_keys(tasmota(&plug).await);
        switches(&driver, &plug, &format!("{fault:?}")).await;
    }
}

/// The broker's machine is busy, or its Wi-Fi is down: the connection closes before any packet.
#[tokio::test]
async fn a_connection_that_a_tasmotas_broker_closes_is_made_again() {
    let plug = Plug::default();
    let broker = tasmota(&plug).await;
    let proxy = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listener");
    let address = proxy.local_addr().expect("address");
    tokio::spawn(async move {
        drop(proxy.accept().await.expect("the first one"));
        while let Ok((mut inside, _)) = proxy.accept().await {
            let mut outside = tokio::net::TcpStream::connect(broker).await.expect("broker");
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut inside, &mut outside).await });
        }
    });
    switches(&tasmota_keys(address), &plug, "closed once").await;
}

/// A plug that does not answer is an error that may pass, and its command was sent a bounded number of times.
#[tokio::test]
async fn a_plug_that_never_answers_gets_a_bounded_number_of_commands() {
    let plug = Plug::with([Fault::Closes; 100]);
    let driver = shelly_keys(&http_plug(&plug), 2);
    let rails = Rails::open(&[rail(&driver, SafeState::Off)], Path::new("/sys")).expect("open");
    let error = rails.switch(true).await.expect_err("no answer");
    assert!(error.may_pass, "{error}");
    assert_eq!(*plug.commands.lock(), 3);
}

#[tokio::test]
async fn a_command_that_fails_once_is_run_again() {
    let folder = tempfile::tempdir().expect("folder");
    let relay = FileRelay::new(folder.path());
    let busy = folder.path().join("busy");
    std::fs::write(&busy, "").expect("busy");
    let on = format!("if rm '{}' 2>/dev/null; then exit 1; fi; {}", busy.display(), relay.say("on"));
    let driver = command_keys(&on, &relay.say("off"), "echo off");
    let rails = Rails::open(&[rail(&driver, SafeState::Off)], Path::new("/sys")).expect("open");
    rails.switch(true).await.expect("the second time");
    assert!(relay.supply()());
}

#[tokio::test]
async fn what_does_not_switch_says_why() {
    let command = |on: &str, timeout: &str| {
        format!(
            "driver = \"command\", on = {on}, off = [\"true\"], state = [\"echo\", \"perhaps\"], timeout = \"{timeout}\""
        )
    };
    let closed = TcpListener::bind("127.0.0.1:0").expect("listener").local_addr().expect("address");
    let plug = http_plug(&Plug::default());
    let drivers = [
        command("[\"sh\", \"-c\", \"echo relay 3 is gone >&2; exit 3\"]", "5s"),
        command("[\"/no/such/program\"]", "5s"),
        command("[\"sleep\", \"30\"]", "50ms"),
        shelly_keys(&closed.to_string(), 2),
        format!("{}, output = 5", shelly_keys(&plug, 2)),
        tasmota_keys(closed),
        http_keys(&closed.to_string(), ""),
        http_keys(&plug, "").replace("/on", "/nothing"),
        http_keys(&plug, ", state = \"http://HOST/rpc/Switch.GetStatus?id=0\"").replace("HOST", &plug),
    ];
    let mut text = String::new();
    for driver in drivers {
        let rails = Rails::open(&[rail(&driver, SafeState::Off)], Path::new("/sys")).expect("open");
        let error = rails.switch(true).await.expect_err("does not switch");
        text.push_str(&format!("{error}\nhint: {}\n", error.hint.as_deref().unwrap_or("none")));
    }
    let rails = Rails::open(&[rail(&command("[\"true\"]", "5s"), SafeState::Off)], Path::new("/sys")).expect("open");
    text.push_str(&format!("{}\n", rails.measure().await.expect_err("no state")));
    let absent = "driver = \"usb-port\", topology = \"9-9.9\"";
    let error = Rails::open(&[rail(absent, SafeState::Off)], Path::new("/sys")).expect_err("no hub");
    text.push_str(&format!("{error}\nhint: {}\n", error.hint.as_deref().unwrap_or("none")));
    insta::with_settings!({filters => vec![(r"127\.0\.0\.1:\d+", "HOST:PORT")]}, {
        insta::assert_snapshot!(text);
    });
}
