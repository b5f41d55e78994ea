//! Rails behind a Tasmota plug, over MQTT (Tasmota documentation, "Commands", `Power<x>`).

use std::time::Duration;

use rumqttc::{AsyncClient, ConnectionError, Event, Incoming, MqttOptions, NetworkOptions, QoS};

use crate::driver::{Measuring, PowerDriver, PowerError, Switching};
use crate::retry::{Failed, retry};

/// One relay of a plug.
#[derive(Debug)]
pub(crate) struct Tasmota {
    pub(crate) name: String,
    pub(crate) broker: String,
    pub(crate) topic: String,
    pub(crate) output: u8,
    pub(crate) login: Option<(String, String)>,
}

impl Tasmota {
    /// How long an attempt waits for the plug's answer: a plug answers within a second; Wi-Fi that wakes up takes longer.
    const PATIENCE: Duration = Duration::from_secs(3);
    /// All attempts of all rungs of the recovery ladder must end before the step's deadline of 60 s.
    const ATTEMPTS: u32 = 3;
    const PAUSE: Duration = Duration::from_millis(300);

    /// Where it answers: a plug with one relay leaves the number out.
    fn answers(&self) -> [String; 2] {
        let answer = format!("stat/{}/POWER", self.topic);
        [format!("{answer}{}", self.output), answer]
    }

    fn is_answer(&self, topic: &str) -> bool {
        let [numbered, plain] = self.answers();
        topic == numbered || (self.output == 1 && topic == plain)
    }

    fn options(&self) -> Result<MqttOptions, Failed> {
        let (host, port) = self.broker.rsplit_once(':').unwrap_or((&self.broker, "1883"));
        let port = port.parse().map_err(|_| Failed::Lasting(format!("`{port}` is not a port")))?;
        let id = format!("hil-rail-{}-{}-{}", std::process::id(), self.topic, self.output);
        let mut options = MqttOptions::new(id, host, port);
        if let Some((user, password)) = &self.login {
            options.set_credentials(user, password);
        }
        Ok(options)
    }

    /// Sends the command `Power<x>` with a word, or asks with an empty one, and gives back the first answer that `takes`
    /// accepts: a late answer to an earlier command may come first.
    async fn command(&self, word: &'static str, takes: &Takes) -> Result<bool, Failed> {
        let (client, mut events) = AsyncClient::new(self.options()?, 8);
        let mut network = NetworkOptions::new();
        // With Nagle's algorithm the command waits up to 40 ms for the acknowledgement of what was sent before it.
        network.set_tcp_nodelay(true);
        events.set_network_options(network);
        let gone = |error: rumqttc::ClientError| Failed::Passing(error.to_string());
        for answer in self.answers() {
            client.subscribe(answer, QoS::AtLeastOnce).await.map_err(gone)?;
        }
        let mut granted = 0;
        loop {
            match events.poll().await.map_err(|error| self.no_connection(&error))? {
                Event::Incoming(Incoming::SubAck(_)) => {
                    granted += 1;
                    if granted == 2 {
                        let command = format!("cmnd/{}/Power{}", self.topic, self.output);
                        client.publish(command, QoS::AtLeastOnce, false, word).await.map_err(gone)?;
                    }
                }
                Event::Incoming(Incoming::Publish(message))
                    if granted == 2 && self.is_answer(&message.topic) && !message.retain =>
                {
                    let Some(on) = on_or_off(&message.payload).filter(|on| takes(*on)) else { continue };
                    let _ = client.disconnect().await;
                    // One more turn writes it; a broker that is gone needs none.
                    let _ = events.poll().await;
                    return Ok(on);
                }
                _ => {}
            }
        }
    }

    fn no_connection(&self, error: &ConnectionError) -> Failed {
        let reason = format!("no connection to {}: {error}", self.broker);
        // The broker says that it will not, and will say so again.
        if matches!(error, ConnectionError::ConnectionRefused(_)) {
            Failed::Lasting(reason)
        } else {
            Failed::Passing(reason)
        }
    }

    /// An attempt is a connection of its own: what was lost with one does not matter to the next. Each command names the
    /// wanted state, so that it may be sent again when an answer is lost.
    async fn ask(&self, attempts: u32, word: &'static str, takes: &Takes) -> Result<bool, PowerError> {
        let silent = || format!("the plug `{}` did not answer within {} s", self.topic, Self::PATIENCE.as_secs());
        let asked = retry(attempts, Self::PAUSE, || async {
            let answer = tokio::time::timeout(Self::PATIENCE, self.command(word, takes)).await;
            answer.unwrap_or_else(|_| Err(Failed::Passing(silent())))
        });
        asked.await.map_err(|failed| {
            let hint = "is the plug on this broker, and is its `Topic` the one of the bench file?";
            let error = PowerError::new(&self.name, failed.reason(), hint);
            if matches!(failed, Failed::Passing(_)) { error.passing() } else { error }
        })
    }
}

/// Whether an answer is the awaited one.
type Takes = dyn Fn(bool) -> bool + Send + Sync;

fn on_or_off(payload: &[u8]) -> Option<bool> {
    match payload {
        word if word.eq_ignore_ascii_case(b"ON") => Some(true),
        word if word.eq_ignore_ascii_case(b"OFF") => Some(false),
        _ => None,
    }
}

impl PowerDriver for Tasmota {
    fn switch(&self, on: bool) -> Switching<'_> {
        Box::pin(async move {
            self.ask(Self::ATTEMPTS, if on { "ON" } else { "OFF" }, &move |state| state == on).await.map(drop)
        })
    }

    fn state(&self) -> Measuring<'_> {
        Box::pin(async move { self.ask(1, "", &|_| true).await.map(Some) })
    }

    fn rail(&self) -> &str {
        &self.name
    }
}
