//! Rails behind a Tasmota plug, over MQTT (Tasmota documentation, "Commands", `Power<x>`).

use std::path::Path;
use std::time::Duration;

use hil_config::spec::{Key, Kind, TableSpec};
use hil_config::table::Table;
use hil_config::{OFF_TIME, RailContext, RailUses, RemoteDevice, SAFE_STATE};
use rumqttc::{AsyncClient, ConnectionError, Event, Incoming, MqttOptions, NetworkOptions, QoS};

use serde::{Deserialize, Serialize};

use crate::driver::{Measuring, PowerDriver, PowerError, Switching};
use crate::kind::{Diagnosis, Opened, Opening, PowerKind};
use crate::meter::metered;
use crate::retry::{Failed, retry};

/// One relay of a plug, and the broker that the plug listens to.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Tasmota {
    /// Host and port.
    broker: String,
    topic: String,
    /// From 1.
    output: u8,
    login: Option<(String, String)>,
}

impl PowerKind for Tasmota {
    const WORD: &'static str = "tasmota";
    const KEYS: &'static TableSpec = &TableSpec {
        keys: &[
            Key::required(
                "broker",
                Kind::Text,
                "Host and port of the broker that the plug listens to; not a scenario's.",
            ),
            Key::required("topic", Kind::Text, "The plug's topic (Tasmota's `Topic`)."),
            Key::optional("output", Kind::Integer(1, 8), "`1`", "The plug's relay, from 1."),
            Key::optional("user", Kind::Text, "", "User on that broker."),
            Key::optional("password", Kind::Text, "", "Its password; `${NAME}` takes it from the environment."),
            OFF_TIME,
            SAFE_STATE,
        ],
    };

    fn read(table: &mut Table<'_, '_>, _: &RailContext<'_>) -> Option<Self> {
        let broker = table.required("broker", "example: `broker = \"192.168.7.1:1883\"`").and_then(|v| v.address(true));
        let topic = table.required("topic", "example: `topic = \"tasmota_1A2B3C\"`").and_then(|v| {
            v.parsed("a Tasmota topic", "the plug's `Topic`, without `cmnd/`", |text| {
                let plain = !text.is_empty() && !text.contains(['#', '+', '\0']);
                plain.then(|| text.to_owned())
            })
        });
        let output = table.value("output").and_then(|v| v.integer(1..=8)).unwrap_or(1);
        let user = table.value("user").and_then(|v| v.with_variables());
        let password = table.value("password").and_then(|v| v.password());
        let login = user.map(|user| (user, password.unwrap_or_default()));
        Some(Self { broker: broker?, topic: topic?, output: u8::try_from(output).ok()?, login })
    }

    fn label(&self) -> String {
        format!("{} {}", self.topic, self.output)
    }

    fn uses(&self) -> RailUses {
        let what = format!("relay {} of the Tasmota plug `{}`", self.output, self.topic);
        RailUses { remote: RemoteDevice::at(&self.broker, 1883, what), ..RailUses::default() }
    }

    fn open(rails: Vec<Opening<Self>>, _: &Path) -> Result<Vec<Opened>, PowerError> {
        Opening::each(rails, |settings, name| Ok(Plug { name, settings }))
    }

    fn check(&self) -> Diagnosis {
        Diagnosis::of_remote(&self.uses())
    }
}

/// One relay of a plug.
#[derive(Debug)]
struct Plug {
    name: String,
    settings: Tasmota,
}

impl Plug {
    /// How long an attempt waits for the plug's answer: a plug answers within a second; Wi-Fi that wakes up takes
    /// longer.
    const PATIENCE: Duration = Duration::from_secs(3);
    /// All attempts of all rungs of the recovery ladder must end before the step's deadline of 60 s.
    const ATTEMPTS: u32 = 3;
    const PAUSE: Duration = Duration::from_millis(300);

    /// Where it answers `Power<x>`: a plug with one relay leaves the number out.
    fn relay_answers(&self) -> Vec<String> {
        let answer = format!("stat/{}/POWER", self.settings.topic);
        let numbered = format!("{answer}{}", self.settings.output);
        if self.settings.output == 1 { vec![numbered, answer] } else { vec![numbered] }
    }

    fn options(&self) -> Result<MqttOptions, Failed> {
        let (host, port) = self.settings.broker.rsplit_once(':').unwrap_or((&self.settings.broker, "1883"));
        let port = port.parse().map_err(|_| Failed::Lasting(format!("`{port}` is not a port")))?;
        let id = format!("hil-rail-{}-{}-{}", std::process::id(), self.settings.topic, self.settings.output);
        let mut options = MqttOptions::new(id, host, port);
        if let Some((user, password)) = &self.settings.login {
            options.set_credentials(user, password);
        }
        Ok(options)
    }

    /// Sends a command and returns the first answer that it takes: a late answer to an earlier command may come first.
    async fn exchange<T>(&self, command: &PlugCommand<'_, T>) -> Result<T, Failed> {
        let (client, mut events) = AsyncClient::new(self.options()?, 8);
        let mut network = NetworkOptions::new();
        // With Nagle's algorithm the command waits up to 40 ms for the acknowledgement of what was sent before it.
        network.set_tcp_nodelay(true);
        events.set_network_options(network);
        let gone = |error: rumqttc::ClientError| Failed::Passing(error.to_string());
        for answer in &command.answers {
            client.subscribe(answer, QoS::AtLeastOnce).await.map_err(gone)?;
        }
        let mut granted = 0;
        let is_ready = |granted| granted == command.answers.len();
        loop {
            match events.poll().await.map_err(|error| self.no_connection(&error))? {
                Event::Incoming(Incoming::SubAck(_)) => {
                    granted += 1;
                    if is_ready(granted) {
                        let topic = format!("cmnd/{}/{}", self.settings.topic, command.name);
                        client.publish(topic, QoS::AtLeastOnce, false, command.payload).await.map_err(gone)?;
                    }
                }
                Event::Incoming(Incoming::Publish(message))
                    if is_ready(granted) && command.answers.contains(&message.topic) && !message.retain =>
                {
                    let Some(answer) = (command.takes)(&message.payload) else { continue };
                    let _ = client.disconnect().await;
                    // One more poll writes it; a closed connection needs no DISCONNECT.
                    let _ = events.poll().await;
                    return Ok(answer);
                }
                _ => {}
            }
        }
    }

    fn no_connection(&self, error: &ConnectionError) -> Failed {
        let reason = format!("no connection to {}: {error}", self.settings.broker);
        // The broker refuses the connection, and will refuse it again.
        if matches!(error, ConnectionError::ConnectionRefused(_)) {
            Failed::Lasting(reason)
        } else {
            Failed::Passing(reason)
        }
    }

    /// An attempt is a connection of its own: what was lost with one does not matter to the next. Each command names
    /// the wanted state, so that it may be sent again when an answer is lost.
    async fn ask<T>(&self, attempts: u32, command: PlugCommand<'_, T>) -> Result<T, PowerError> {
        let topic = &self.settings.topic;
        let silent = || format!("the plug `{topic}` did not answer within {} s", Self::PATIENCE.as_secs());
        let asked = retry(attempts, Self::PAUSE, || async {
            let answer = tokio::time::timeout(Self::PATIENCE, self.exchange(&command)).await;
            answer.unwrap_or_else(|_| Err(Failed::Passing(silent())))
        });
        asked.await.map_err(|failed| {
            let hint = "is the plug on this broker, and is its `Topic` the one of the bench file?";
            let error = PowerError::new(&self.name, failed.reason(), hint);
            if matches!(failed, Failed::Passing(_)) { error.passing() } else { error }
        })
    }

    /// Sends `Power<x>` with a word, or asks with an empty one.
    async fn relay(&self, attempts: u32, word: &'static str, takes: &Takes<'_, bool>) -> Result<bool, PowerError> {
        let name = format!("Power{}", self.settings.output);
        self.ask(attempts, PlugCommand { name, payload: word, answers: self.relay_answers(), takes }).await
    }

    /// The power that is drawn, in watts; none from a plug without a meter (Tasmota documentation, "Commands",
    /// `Status 10`: the telemetry of its sensors).
    async fn watts(&self) -> Result<Option<f64>, PowerError> {
        let answers = vec![format!("stat/{}/STATUS10", self.settings.topic)];
        let takes = |payload: &[u8]| Some(watts_in(payload, self.settings.output));
        self.ask(1, PlugCommand { name: "Status".to_owned(), payload: "10", answers, takes: &takes }).await
    }
}

/// A command, and what answers it.
struct PlugCommand<'a, T> {
    name: String,
    payload: &'static str,
    /// Topics of its answers.
    answers: Vec<String>,
    takes: &'a Takes<'a, T>,
}

/// What an answer means; none if it is not the expected one.
type Takes<'a, T> = dyn Fn(&[u8]) -> Option<T> + Send + Sync + 'a;

/// One number, or one for each relay.
fn watts_in(payload: &[u8], output: u8) -> Option<f64> {
    let answer: serde_json::Value = serde_json::from_slice(payload).ok()?;
    let power = answer.pointer("/StatusSNS/ENERGY/Power")?;
    match power.as_array() {
        Some(relays) => relays.get(usize::from(output).checked_sub(1)?)?.as_f64(),
        None => power.as_f64(),
    }
}

fn on_or_off(payload: &[u8]) -> Option<bool> {
    match payload {
        word if word.eq_ignore_ascii_case(b"ON") => Some(true),
        word if word.eq_ignore_ascii_case(b"OFF") => Some(false),
        _ => None,
    }
}

impl PowerDriver for Plug {
    fn switch(&self, on: bool) -> Switching<'_> {
        Box::pin(async move {
            let takes = move |payload: &[u8]| on_or_off(payload).filter(|state| *state == on);
            self.relay(Self::ATTEMPTS, if on { "ON" } else { "OFF" }, &takes).await.map(drop)
        })
    }

    /// By the plug's meter. Tasmota shows whole watts unless `WattRes` is set: a board that draws less is not
    /// measured.
    fn measure(&self) -> Measuring<'_> {
        Box::pin(metered(|| async {
            let on = self.relay(1, "", &on_or_off).await?;
            Ok((on, self.watts().await?))
        }))
    }

    fn state(&self) -> Measuring<'_> {
        Box::pin(async move { self.relay(1, "", &on_or_off).await.map(Some) })
    }

    fn rail(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_power_of_a_relay_is_found_in_the_telemetry() {
        let one = br#"{"StatusSNS":{"Time":"2026-11-27T07:00:00","ENERGY":{"Power":3,"Voltage":230}}}"#;
        let two = br#"{"StatusSNS":{"ENERGY":{"Power":[0,7.5]}}}"#;
        let none = br#"{"StatusSNS":{"Time":"2026-11-27T07:00:00"}}"#;
        assert_eq!(watts_in(one, 1), Some(3.0));
        assert_eq!((watts_in(two, 1), watts_in(two, 2), watts_in(two, 3)), (Some(0.0), Some(7.5), None));
        assert_eq!((watts_in(none, 1), watts_in(b"perhaps", 1)), (None, None));
    }
}
