//! Rails behind a Tasmota plug, over MQTT (Tasmota documentation, "Commands", `Power<x>`).

use std::time::Duration;

use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, QoS};

use super::{PowerDriver, PowerError, Switching};

/// One relay of a plug.
#[derive(Debug)]
pub(super) struct Tasmota {
    pub(super) name: String,
    pub(super) broker: String,
    pub(super) topic: String,
    pub(super) output: u8,
    pub(super) login: Option<(String, String)>,
}

impl Tasmota {
    /// A plug answers within a second; Wi-Fi that wakes up takes longer.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// Where it answers: a plug with one relay leaves the number out.
    fn answers(&self) -> [String; 2] {
        let answer = format!("stat/{}/POWER", self.topic);
        [format!("{answer}{}", self.output), answer]
    }

    fn is_answer(&self, topic: &str) -> bool {
        let [numbered, plain] = self.answers();
        topic == numbered || (self.output == 1 && topic == plain)
    }

    async fn tell(&self, on: bool) -> Result<(), String> {
        let (host, port) = self.broker.rsplit_once(':').unwrap_or((&self.broker, "1883"));
        let port = port.parse().map_err(|_| format!("`{port}` is no port"))?;
        let id = format!("hil-rail-{}-{}-{}", std::process::id(), self.topic, self.output);
        let mut options = MqttOptions::new(id, host, port);
        if let Some((user, password)) = &self.login {
            options.set_credentials(user, password);
        }
        let (client, mut events) = AsyncClient::new(options, 8);
        let word = if on { "ON" } else { "OFF" };
        let gone = |error: rumqttc::ClientError| error.to_string();
        for answer in self.answers() {
            client.subscribe(answer, QoS::AtLeastOnce).await.map_err(gone)?;
        }
        let mut granted = 0;
        loop {
            match events.poll().await.map_err(|error| format!("no connection to {}: {error}", self.broker))? {
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
                    if !message.payload.eq_ignore_ascii_case(word.as_bytes()) {
                        continue;
                    }
                    let _ = client.disconnect().await;
                    // One more turn writes it; a broker that is gone needs none.
                    let _ = events.poll().await;
                    return Ok(());
                }
                _ => {}
            }
        }
    }
}

impl PowerDriver for Tasmota {
    fn switch(&self, on: bool) -> Switching<'_> {
        Box::pin(async move {
            let silent =
                || Err(format!("the plug `{}` did not answer within {} s", self.topic, Self::PATIENCE.as_secs()));
            let told = tokio::time::timeout(Self::PATIENCE, self.tell(on)).await.unwrap_or_else(|_| silent());
            let hint = "is the plug on this broker, and is its `Topic` the one of the bench file?";
            told.map_err(|reason| PowerError::new(&self.name, reason, hint))
        })
    }

    fn rail(&self) -> &str {
        &self.name
    }
}
