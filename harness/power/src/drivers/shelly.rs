//! Rails behind a Shelly plug, over HTTP (Shelly API documentation: "Shelly1/1PM: /relay/{index}" for the first
//! generation, "Switch.Set" and "Switch.GetStatus" for later ones).

use std::path::Path;
use std::time::Duration;

use hil_config::spec::{Key, Kind, TableSpec};
use hil_config::table::Table;
use hil_config::{OFF_TIME, RailContext, RailUses, RemoteDevice, SAFE_STATE};
use serde::{Deserialize, Serialize};

use crate::driver::{Measuring, PowerDriver, PowerError, Switching};
use crate::http::{HttpClient, HttpRequest};
use crate::kind::{Diagnosis, Opened, Opening, PowerKind};
use crate::meter::metered;
use crate::retry::{Failed, retry};

/// One relay of a plug.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Shelly {
    /// Host, with its port if that is not 80.
    address: String,
    /// From 0.
    output: u8,
    /// First generation (`/relay/0`) or later (`/rpc/Switch.Set`).
    generation: u8,
}

impl PowerKind for Shelly {
    const WORD: &'static str = "shelly";
    const KEYS: &'static TableSpec = &TableSpec {
        keys: &[
            Key::required(
                "address",
                Kind::Text,
                "Host of the plug, with `:port` where it is not 80. Plugs with a password are not supported.",
            ),
            Key::optional("output", Kind::Integer(0, 7), "`0`", "The plug's relay, from 0."),
            Key::optional(
                "generation",
                Kind::Integer(1, 4),
                "`2`",
                "1: `/relay/0` (Shelly 1, Plug S); 2 and later: `/rpc/Switch.Set` (Plus, Pro, Gen3).",
            ),
            OFF_TIME,
            SAFE_STATE,
        ],
    };

    fn read(table: &mut Table<'_, '_>, _: &RailContext<'_>) -> Option<Self> {
        let address = table.required("address", "example: `address = \"192.168.7.20\"`").and_then(|v| v.address(false));
        let output = table.value("output").and_then(|v| v.integer(0..=7)).unwrap_or(0);
        let generation = table.value("generation").and_then(|v| v.integer(1..=4)).unwrap_or(2);
        let (output, generation) = (u8::try_from(output).ok()?, u8::try_from(generation).ok()?);
        Some(Self { address: address?, output, generation })
    }

    fn label(&self) -> String {
        format!("{} {}", self.address, self.output)
    }

    fn uses(&self) -> RailUses {
        let what = format!("relay {} of the Shelly plug", self.output);
        RailUses { remote: RemoteDevice::at(&self.address, 80, what), ..RailUses::default() }
    }

    fn open(rails: Vec<Opening<Self>>, _: &Path) -> Result<Vec<Opened>, PowerError> {
        Opening::each(rails, |settings, name| Ok(Plug { name, settings, client: HttpClient::new(PATIENCE) }))
    }

    fn check(&self) -> Diagnosis {
        Diagnosis::of_remote(&self.uses())
    }
}

/// For one request: a plug answers within 100 ms, on a busy network within a second. All attempts of all rungs of the
/// recovery ladder must end before the step's deadline of 60 s.
const PATIENCE: Duration = Duration::from_secs(2);
const ATTEMPTS: u32 = 3;
const STATE_ATTEMPTS: u32 = 2;
const PAUSE: Duration = Duration::from_millis(300);

/// One relay, and the connections to its plug.
#[derive(Debug)]
struct Plug {
    name: String,
    settings: Shelly,
    client: HttpClient,
}

/// What a plug reports of a relay.
struct Report {
    /// What the relay is switched to.
    on: bool,
    /// Active power in watts, from plugs with a meter: "apower" of `Switch.GetStatus`. Plugs of the first generation
    /// report a number here that some of them do not measure.
    watts: Option<f64>,
}

impl Plug {
    fn set_url(&self, on: bool) -> String {
        let Shelly { address, output, generation } = &self.settings;
        match generation {
            1 => format!("http://{address}/relay/{output}?turn={}", if on { "on" } else { "off" }),
            _ => format!("http://{address}/rpc/Switch.Set?id={output}&on={on}"),
        }
    }

    fn state_url(&self) -> String {
        let Shelly { address, output, generation } = &self.settings;
        match generation {
            1 => format!("http://{address}/relay/{output}"),
            _ => format!("http://{address}/rpc/Switch.GetStatus?id={output}"),
        }
    }

    async fn ask(&self, url: String) -> Result<serde_json::Value, Failed> {
        let answer = self.client.send(HttpRequest::get(url)).await?;
        serde_json::from_str(&answer).map_err(|_| Failed::Passing("the plug's answer is not JSON".to_owned()))
    }

    async fn report(&self) -> Result<Report, Failed> {
        let answer = self.ask(self.state_url()).await?;
        let on = answer.get("output").or_else(|| answer.get("ison")).and_then(serde_json::Value::as_bool);
        let on = on.ok_or_else(|| Failed::Passing("the plug's answer has no state in it".to_owned()))?;
        Ok(Report { on, watts: answer.get("apower").and_then(serde_json::Value::as_f64) })
    }

    async fn repeated_report(&self) -> Result<Report, PowerError> {
        let report = retry(STATE_ATTEMPTS, PAUSE, || self.report()).await;
        report.map_err(|failed| self.explain(&failed))
    }

    /// Sets the relay and reads back what it is. Each request names the wanted state, so that both may be sent again
    /// when an answer is lost.
    async fn set(&self, on: bool) -> Result<(), Failed> {
        retry(ATTEMPTS, PAUSE, || async move {
            // After a lost answer the state of the relay is unknown: it is read in any case.
            let sent = self.ask(self.set_url(on)).await;
            if let Err(failed @ Failed::Lasting(_)) = sent {
                return Err(failed);
            }
            match (self.report().await?.on, sent) {
                (state, _) if state == on => Ok(()),
                (_, Err(failed)) => Err(failed),
                (_, Ok(_)) => Err(Failed::Passing("the plug did not switch".to_owned())),
            }
        })
        .await
    }

    fn explain(&self, failed: &Failed) -> PowerError {
        let hint = "are `address` and `generation` right, and has the plug no password?";
        let error = PowerError::new(&self.name, failed.reason(), hint);
        if matches!(failed, Failed::Passing(_)) { error.passing() } else { error }
    }
}

impl PowerDriver for Plug {
    fn switch(&self, on: bool) -> Switching<'_> {
        Box::pin(async move { self.set(on).await.map_err(|failed| self.explain(&failed)) })
    }

    /// By the plug's meter: what draws power has supply, whatever the relay is switched to. Without a meter, a relay
    /// that is off may be welded.
    fn measure(&self) -> Measuring<'_> {
        Box::pin(async move {
            if self.settings.generation == 1 {
                return Ok(None);
            }
            metered(|| async { self.repeated_report().await.map(|report| (report.on, report.watts)) }).await
        })
    }

    fn state(&self) -> Measuring<'_> {
        Box::pin(async move { self.repeated_report().await.map(|report| Some(report.on)) })
    }

    fn rail(&self) -> &str {
        &self.name
    }
}
