//! Rails behind a Shelly plug, over HTTP (Shelly API documentation: "Shelly1/1PM: /relay/{index}" for the first
//! generation, "Switch.Set" and "Switch.GetStatus" for later ones).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::driver::{Measuring, PowerDriver, PowerError, Switching};
use crate::retry::{Failed, retry};

/// One relay of a plug.
#[derive(Debug)]
pub(crate) struct Shelly {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) output: u8,
    pub(crate) generation: u8,
    /// Held while the plug is asked: a request that was given up ends before the next begins.
    pub(crate) busy: Arc<Mutex<()>>,
}

impl Shelly {
    /// For one request: a plug answers within 100 ms, on a busy network within a second. All attempts of all rungs of the
    /// recovery ladder must end before the step's deadline of 60 s.
    const PATIENCE: Duration = Duration::from_secs(2);
    const ATTEMPTS: u32 = 3;
    const STATE_ATTEMPTS: u32 = 2;
    const PAUSE: Duration = Duration::from_millis(300);

    fn set_url(&self, on: bool) -> String {
        let (address, output) = (&self.address, self.output);
        match self.generation {
            1 => format!("http://{address}/relay/{output}?turn={}", if on { "on" } else { "off" }),
            _ => format!("http://{address}/rpc/Switch.Set?id={output}&on={on}"),
        }
    }

    fn state_url(&self) -> String {
        let (address, output) = (&self.address, self.output);
        match self.generation {
            1 => format!("http://{address}/relay/{output}"),
            _ => format!("http://{address}/rpc/Switch.GetStatus?id={output}"),
        }
    }

    /// Sends a request and reads the answer, beside the runtime's threads.
    async fn ask(&self, url: String) -> Result<serde_json::Value, Failed> {
        let busy = Arc::clone(&self.busy).lock_owned().await;
        let asked = tokio::task::spawn_blocking(move || {
            let _busy = busy;
            ask(&url)
        });
        asked.await.unwrap_or_else(|error| Err(Failed::Passing(error.to_string())))
    }

    /// Tells the relay what to be and reads back what it is. Each request names the wanted state, so that both may be
    /// sent again when an answer is lost.
    async fn tell(&self, on: bool) -> Result<(), Failed> {
        retry(Self::ATTEMPTS, Self::PAUSE, || async move {
            // A lost answer says nothing about the relay: that is asked whatever became of the request.
            let sent = self.ask(self.set_url(on)).await;
            if let Err(failed @ Failed::Lasting(_)) = sent {
                return Err(failed);
            }
            match (relay_state(&self.ask(self.state_url()).await?)?, sent) {
                (state, _) if state == on => Ok(()),
                (_, Err(failed)) => Err(failed),
                (_, Ok(_)) => Err(Failed::Passing("the plug did not switch".to_owned())),
            }
        })
        .await
    }

    async fn relay(&self) -> Result<bool, Failed> {
        retry(Self::STATE_ATTEMPTS, Self::PAUSE, || async { relay_state(&self.ask(self.state_url()).await?) }).await
    }

    fn explain(&self, failed: &Failed) -> PowerError {
        let hint = "is `address` the plug's, `generation` right, and has it no password?";
        let error = PowerError::new(&self.name, failed.reason(), hint);
        if matches!(failed, Failed::Passing(_)) { error.passing() } else { error }
    }
}

/// Blocks; bounded by the agent's own time-out.
fn ask(url: &str) -> Result<serde_json::Value, Failed> {
    let passing = |error: ureq::Error| match error {
        // "Not found", "unauthorized": the plug is another one than the bench file says.
        ureq::Error::StatusCode(400..=499) => Failed::Lasting(error.to_string()),
        _ => Failed::Passing(error.to_string()),
    };
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(Shelly::PATIENCE)).proxy(None).build().into();
    let mut response = agent.get(url).call().map_err(passing)?;
    let text = response.body_mut().read_to_string().map_err(passing)?;
    serde_json::from_str(&text).map_err(|_| Failed::Passing("the plug's answer is not JSON".to_owned()))
}

fn relay_state(answer: &serde_json::Value) -> Result<bool, Failed> {
    let state = answer.get("output").or_else(|| answer.get("ison")).and_then(serde_json::Value::as_bool);
    state.ok_or_else(|| Failed::Passing("the plug's answer does not tell its state".to_owned()))
}

impl PowerDriver for Shelly {
    fn switch(&self, on: bool) -> Switching<'_> {
        Box::pin(async move { self.tell(on).await.map_err(|failed| self.explain(&failed)) })
    }

    fn state(&self) -> Measuring<'_> {
        Box::pin(async move { self.relay().await.map(Some).map_err(|failed| self.explain(&failed)) })
    }

    fn rail(&self) -> &str {
        &self.name
    }
}
