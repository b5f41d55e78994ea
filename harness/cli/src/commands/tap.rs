//! `hil tap`.

mod live;

use std::path::PathBuf;
use std::sync::Arc;

use hil_capture::Capture;
use hil_config::BrokerUrl;
use hil_mqtt::{Endpoint, Fault, FaultError, Offers, Route, TapPort, TlsMode, Transport};
use hil_report::{Traffic, traffic_table};
use hil_timeline::{Cursor, Epoch, Mask, Timeline, What};
use hil_tls::{ClientAuth, TlsError, TlsIdentity, server_config};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::args::{Format, TapArgs};
use crate::exit_code::ExitCode;
use crate::output::{Message, say, say_json, set_up_failed, warn};
use crate::{folder, signals};

/// The board name of all recorded events.
const DEVICE: &str = "device";
/// How many events to keep in memory: older ones are not used, but a terminal may be slow.
const KEPT: usize = 100_000;

pub(crate) fn tap(args: &TapArgs) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return set_up_failed(&error, None),
    };
    let code = runtime.block_on(run(args)).unwrap_or_else(|code| code);
    // Does not wait for the thread that reads standard input: it may block for long.
    runtime.shutdown_background();
    code
}

async fn run(args: &TapArgs) -> Result<ExitCode, ExitCode> {
    let abort = signals::end_on_signals_or_after(args.duration).map_err(|error| set_up_failed(&error, None))?;
    let broker = endpoint(args)?;
    let timeline = Timeline::in_memory(Epoch::start());
    timeline.forget_after(KEPT);
    let recorder = timeline.recorder(None);
    let capture = args.write.as_deref().map(|path| {
        let started = u64::try_from(folder::now().as_micros()).unwrap_or(u64::MAX);
        Capture::create(path, started, (!args.unmask).then(Mask::default), u64::MAX)
    });
    let hint = || Some("`--write` needs the name of a new file".to_owned());
    let capture = capture.transpose().map_err(|error| set_up_failed(&error, hint()))?;
    let tls = tls_mode(args).map_err(|error| set_up_failed(&error, Some(error.hint())))?;
    let tap = TapPort::open(DEVICE, args.listen.ip(), args.listen.port(), tls).await;
    let tap = tap.map_err(|error| {
        let hint = "`--listen 127.0.0.1:0` uses any free port".to_owned();
        set_up_failed(&Message(format!("the tap can't listen on {}: {}", error.address, error.reason())), Some(hint))
    })?;
    let offers = Offers { observer: broker.clone(), observer_login: None, boards: vec![broker.clone()] };
    // Before a device can connect.
    for fault in &args.fault {
        tap.apply(fault, &recorder).await;
    }
    tap.open_route(Route { offers, identity: None, recorder: recorder.clone(), capture: capture.clone() });
    warn(format!("listening on {}, forwarding to {broker}; Ctrl-C exits", tap.address()));
    // Printing waits for its reader; counting does not.
    let counting = tokio::spawn(live::count(timeline.follow(Cursor::default())));
    let showing = tokio::spawn(live::show(timeline.follow(Cursor::default()), args.format.format));
    handle_commands(&tap, &recorder, abort).await;
    tap.close_route();
    timeline.record(None, What::RunFinished { exit_code: 0 });
    let failure = capture.as_ref().and_then(Capture::failure);
    signals::settle(if failure.is_some() { ExitCode::Setup } else { ExitCode::Passed });
    // Both tasks end with that event; if one panicked, the other's results are still valid.
    let traffic = counting.await.unwrap_or_default();
    let _ = showing.await;
    say_statistics(&traffic, args.format.format);
    match failure {
        Some(failure) => Err(set_up_failed(&failure, Some("check whether the disk is full".to_owned()))),
        None => Ok(ExitCode::Passed),
    }
}

/// Parses the broker: `host:port` or a URL.
fn endpoint(args: &TapArgs) -> Result<Endpoint, ExitCode> {
    let text = if args.broker.contains("://") { args.broker.clone() } else { format!("mqtt://{}", args.broker) };
    let Some(url) = BrokerUrl::parse(&text) else {
        let hint = "examples: `192.168.7.1:1883`, `mqtts://broker.example`, `ws://broker.example/mqtt`".to_owned();
        return Err(set_up_failed(&Message(format!("`{}` is not a broker address", args.broker)), Some(hint)));
    };
    let transport = [Transport::Tcp, Transport::Tls, Transport::WebSocket, Transport::SecureWebSocket]
        .into_iter()
        .find(|transport| transport.scheme() == url.scheme)
        .unwrap_or(Transport::Tcp);
    let identity = identity(args.broker_cert.clone(), args.broker_key.clone());
    let endpoint = Endpoint {
        host: url.host,
        port: url.port,
        transport,
        path: url.path,
        ca: args.broker_ca.clone(),
        identity,
        embedded: None,
    };
    endpoint.tls().map_err(|error| set_up_failed(&error, Some(error.hint())))?;
    Ok(endpoint)
}

fn identity(cert: Option<PathBuf>, key: Option<PathBuf>) -> Option<TlsIdentity> {
    cert.zip(key).map(|(cert, key)| TlsIdentity { cert, key })
}

fn tls_mode(args: &TapArgs) -> Result<TlsMode, TlsError> {
    if args.pass_through {
        return Ok(TlsMode::PassThrough);
    }
    let Some(identity) = identity(args.cert.clone(), args.key.clone()) else { return Ok(TlsMode::Absent) };
    let ca = args.client_ca.as_deref();
    let anybody = server_config(&identity, ca.map(|ca| (ca, ClientAuth::Asked)))?;
    Ok(TlsMode::Terminate { with_certificate: Arc::clone(&anybody), anybody })
}

/// Handles commands on standard input until `quit` or Ctrl-C. End of file does not end it: a service has no input.
async fn handle_commands(
    tap: &TapPort,
    recorder: &hil_timeline::Recorder,
    mut abort: tokio::sync::watch::Receiver<bool>,
) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut open = true;
    loop {
        let line = tokio::select! {
            // Never an error: the sender lives as long as the program.
            _ = abort.wait_for(|abort| *abort) => return,
            line = lines.next_line(), if open => line,
        };
        match line {
            Ok(Some(line)) if line.trim() == "quit" => return,
            Ok(Some(line)) if line.trim().is_empty() => {}
            Ok(Some(line)) => match line.parse::<Fault>() {
                Ok(fault) => {
                    tap.apply(&fault, recorder).await;
                }
                Err(error) => warn(format!("error: {error}\nhint: {}", FaultError::HINT)),
            },
            Ok(None) | Err(_) => open = false,
        }
    }
}

fn say_statistics(traffic: &Traffic, format: Format) {
    let topics = traffic.topics();
    match format {
        Format::Json => {
            say_json(&serde_json::json!({ "event": "traffic", "topics": topics }));
        }
        Format::Text if topics.is_empty() => say("no messages"),
        Format::Text => say(format!("\n{}", traffic_table(&topics))),
    }
}
