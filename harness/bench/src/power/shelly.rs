//! Rails behind a Shelly plug, over HTTP (Shelly API documentation: "Shelly1/1PM: /relay/{index}" for the first
//! generation, "Switch.Set" and "Switch.GetStatus" for later ones).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::{PowerDriver, PowerError, Switching};

/// One relay of a plug.
#[derive(Debug)]
pub(super) struct Shelly {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) output: u8,
    pub(super) generation: u8,
    /// Held while the plug is asked: a request that was given up ends before the next begins.
    pub(super) busy: Arc<Mutex<()>>,
}

impl Shelly {
    const PATIENCE: Duration = Duration::from_secs(5);

    /// What switches, and what tells the state thereafter.
    fn requests(&self, on: bool) -> (String, Option<String>) {
        let (address, output) = (&self.address, self.output);
        match self.generation {
            1 => (format!("http://{address}/relay/{output}?turn={}", if on { "on" } else { "off" }), None),
            _ => (
                format!("http://{address}/rpc/Switch.Set?id={output}&on={on}"),
                Some(format!("http://{address}/rpc/Switch.GetStatus?id={output}")),
            ),
        }
    }
}

/// Blocks; bounded by the agent's own time-out.
fn ask(url: &str) -> Result<serde_json::Value, String> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(Shelly::PATIENCE)).proxy(None).build().into();
    let mut response = agent.get(url).call().map_err(|error| error.to_string())?;
    let text = response.body_mut().read_to_string().map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|_| "the plug's answer is no JSON".to_owned())
}

fn switch(set: &str, status: Option<&str>, on: bool) -> Result<(), String> {
    let mut answer = ask(set)?;
    if let Some(status) = status {
        answer = ask(status)?;
    }
    let state = answer.get("output").or_else(|| answer.get("ison")).and_then(serde_json::Value::as_bool);
    match state {
        Some(state) if state == on => Ok(()),
        Some(_) => Err("the plug did not switch".to_owned()),
        None => Err("the plug's answer does not tell its state".to_owned()),
    }
}

impl PowerDriver for Shelly {
    fn switch(&self, on: bool) -> Switching<'_> {
        Box::pin(async move {
            let (set, status) = self.requests(on);
            let busy = Arc::clone(&self.busy).lock_owned().await;
            let ask = tokio::task::spawn_blocking(move || {
                let _busy = busy;
                switch(&set, status.as_deref(), on)
            });
            let told = ask.await.unwrap_or_else(|error| Err(error.to_string()));
            let hint = "is `address` the plug's, `generation` right, and has it no password?";
            told.map_err(|reason| PowerError::new(&self.name, reason, hint))
        })
    }

    fn rail(&self) -> &str {
        &self.name
    }
}
