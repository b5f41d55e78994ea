//! What all scenarios of a run share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hil_bench::{Bench, Claim, Needs, TapAddress, keeper::Failures};
use hil_capture::Capture;
use hil_mqtt::{Observer, TapPort};
use hil_timeline::{Mask, ScenarioId, Timeline};
use tokio::sync::{Mutex, watch};

use crate::network::Network;
use crate::radio::{Radio, RadioClaim};
use crate::setup_error::SetupError;
use crate::stalls::Stalls;

/// Time limits: what takes longer is a bench error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For one step, in addition to the durations in its text.
    pub step: Duration,
    /// For one scenario, from its first step.
    pub scenario: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { step: Duration::from_secs(60), scenario: Duration::from_secs(300) }
    }
}

/// Boards, taps and timeline of a run.
#[derive(Debug)]
pub struct RunContext {
    pub(crate) bench: Bench,
    pub(crate) network: Network,
    pub(crate) radio: Option<Radio>,
    pub(crate) timeline: Timeline,
    pub(crate) limits: Limits,
    abort: watch::Receiver<bool>,
    next_scenario: AtomicU32,
    /// Whether this machine has what a firmware needs on a board; filled by the first check.
    needs: Mutex<BTreeMap<(String, String), Needs>>,
    /// Secrets, hidden in all output.
    pub(crate) mask: std::sync::OnceLock<Mask>,
    pub(crate) stalls: Stalls,
}

impl RunContext {
    /// Claims the boards, waiting for them if necessary, and opens them and their taps; nothing has power yet. `abort`
    /// turns true to end the run.
    ///
    /// # Errors
    /// When a board or a port is not available.
    pub async fn open(
        config: hil_config::Bench,
        timeline: Timeline,
        limits: Limits,
        abort: watch::Receiver<bool>,
        claim: Claim,
    ) -> Result<Self, SetupError> {
        // Boards first: their locks protect their tap ports as well.
        let (wanted, radio) = (claim.boards.clone(), RadioClaim::of(&config, &claim));
        let bench = Bench::open(config, &timeline, claim).await?;
        match open_around(bench.config(), (wanted.as_ref(), &radio), &timeline).await {
            Ok((network, radio)) => {
                let (next_scenario, needs) = (AtomicU32::new(1), Mutex::default());
                let mask = std::sync::OnceLock::new();
                let stalls = Stalls::watch(timeline.recorder(None));
                Ok(Self { bench, network, radio, timeline, limits, abort, next_scenario, needs, mask, stalls })
            }
            Err(error) => {
                // Frees the locks for the next run.
                bench.close().await;
                Err(error)
            }
        }
    }

    /// Ends the access point, makes all boards safe and releases them. Returns the boards whose rails may not be safe.
    pub async fn close(&self) -> Failures {
        if let Some(radio) = &self.radio {
            radio.stop().await;
        }
        self.bench.close().await
    }

    /// The bench.
    #[must_use]
    pub fn bench(&self) -> &Bench {
        &self.bench
    }

    /// Where a board reaches its tap.
    #[must_use]
    pub fn tap_address(&self, board: &str) -> TapAddress {
        self.network.address(board)
    }

    /// Hides these secrets in snapshots from now on.
    pub fn hide(&self, mask: Mask) {
        // Set once, before the first scenario.
        let _ = self.mask.set(mask);
    }

    /// Captures the traffic of the taps from now on.
    pub fn capture_to(&self, capture: Capture) {
        // Set once, before the first scenario.
        let _ = self.network.capture.set(capture);
    }

    /// The capture, if there is one.
    #[must_use]
    pub fn capture(&self) -> Option<&Capture> {
        self.network.capture.get()
    }

    /// A board's tap.
    #[must_use]
    pub fn tap(&self, board: &str) -> Option<&TapPort> {
        self.network.tap(board)
    }

    /// Whether this machine has what these firmware need on these boards: the first unmet need.
    pub(crate) async fn needs(&self, wanted: &[(String, String)]) -> Needs {
        for (board, firmware) in wanted {
            let key = (board.clone(), firmware.clone());
            let mut known = self.needs.lock().await;
            let needs = match known.get(&key) {
                Some(needs) => needs.clone(),
                None => hil_bench::needs(self.bench.config(), board, firmware).await,
            };
            match needs {
                // Not remembered: the check may succeed in the next scenario.
                Needs::Unknown(_) => return needs,
                _ => drop(known.insert(key, needs.clone())),
            }
            if needs != Needs::Met {
                return needs;
            }
        }
        Needs::Met
    }

    pub(crate) fn next_id(&self) -> ScenarioId {
        ScenarioId(self.next_scenario.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether the run is to end.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        *self.abort.borrow()
    }

    /// Waits until the run is to end.
    pub async fn aborted(&self) {
        let mut abort = self.abort.clone();
        if abort.wait_for(|abort| *abort).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Opens what is around the boards: the taps, and the access point.
async fn open_around(
    config: &hil_config::Bench,
    (wanted, radio): (Option<&BTreeSet<String>>, &RadioClaim),
    timeline: &Timeline,
) -> Result<(Network, Option<Radio>), SetupError> {
    let network = open_network(config, wanted, timeline).await?;
    Ok((network, Radio::open(config, radio, timeline).await?))
}

/// Opens the taps of the claimed boards, and checks the broker once: otherwise every scenario would report it.
async fn open_network(
    config: &hil_config::Bench,
    wanted: Option<&BTreeSet<String>>,
    timeline: &Timeline,
) -> Result<Network, SetupError> {
    let network = Network::open(config, wanted).await?;
    if !config.broker.kind.can.in_process || config.broker.listen.port() != 0 {
        let mut probe = hil_mqtt::broker::new(&config.broker, Arc::new(|_| {}))?;
        let offers = probe.start().await?;
        if config.broker.is_shared() {
            Observer::connect("probe", &offers, timeline.recorder(None)).await?.subscribe("#").await?;
        }
        probe.discard().await;
    }
    Ok(network)
}
