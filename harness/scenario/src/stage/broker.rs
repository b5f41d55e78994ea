//! The broker of a scenario.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hil_mqtt::broker::{Settings, WillWindow};
use hil_mqtt::{Broker, Observer, Offers};
use hil_timeline::{Cursor, Effect, Packet, Payload, QoS, Recorder, RunEvent, Stamp, What};
use hil_verdict::KeepAliveLimits;
use tokio::sync::watch;

use super::{OBSERVER, Stage};
use crate::error::StepError;

impl Stage {
    /// When the broker may publish the will of a client with this keep alive, whose last packet came at `last`. The
    /// embedded broker is late if this machine stalls when the will is due.
    #[must_use]
    pub fn keep_alive_limits(&self, keep_alive: Duration, last: Stamp) -> KeepAliveLimits {
        let WillWindow { not_before, not_after, early, late } = self.broker.will_window(keep_alive);
        let stalled = if self.broker.kind().can.in_process {
            self.stalled_since(last + not_before.min(Duration::from_secs(1)))
        } else {
            Duration::ZERO
        };
        KeepAliveLimits { not_before, not_after: not_after + stalled, early, late: late + stalled }
    }

    /// Subscribes the observer to topics that `#` does not cover: those that begin with `$`.
    ///
    /// # Errors
    /// When the broker does not confirm it.
    pub async fn observe(&mut self, filter: &str) -> Result<(), StepError> {
        if !self.observed.iter().any(|observed| observed == filter) {
            self.observer.subscribe(filter).await?;
            self.observed.push(filter.to_owned());
        }
        Ok(())
    }

    /// Stops the broker cleanly, and waits until the observer has lost it. It takes effect when the broker is gone;
    /// before that it closes its connections.
    ///
    /// # Errors
    /// When the harness can't stop it.
    pub async fn stop_broker(&mut self) -> Result<Effect, StepError> {
        self.check_runs()?;
        let begin = self.end();
        self.broker.stop().await?;
        Ok(self.broker_is_gone(begin).await)
    }

    /// Kills the broker as a crash would, and waits until the observer has lost it.
    ///
    /// # Errors
    /// When this kind of broker can't crash.
    pub async fn crash_broker(&mut self) -> Result<Effect, StepError> {
        self.check_runs()?;
        let begin = self.end();
        self.broker.crash().await?;
        Ok(self.broker_is_gone(begin).await)
    }

    async fn broker_is_gone(&mut self, begin: Cursor) -> Effect {
        self.broker_stopped = true;
        let event = record_broker(&self.recorder, &*self.broker, &self.offers, false);
        self.observer.wait_for_loss().await;
        Effect::since(begin, &event)
    }

    /// Pauses the broker.
    ///
    /// # Errors
    /// When this kind of broker can't be paused.
    pub fn pause_broker(&mut self) -> Result<Effect, StepError> {
        let begin = self.end();
        self.broker.pause()?;
        self.broker_stopped = true;
        let event = record_broker(&self.recorder, &*self.broker, &self.offers, false);
        Ok(Effect::since(begin, &event))
    }

    /// Resumes a paused broker.
    ///
    /// # Errors
    /// When this kind of broker can't be paused.
    pub fn resume_broker(&mut self) -> Result<Effect, StepError> {
        let begin = self.end();
        self.broker.resume()?;
        self.broker_stopped = false;
        let event = record_broker(&self.recorder, &*self.broker, &self.offers, true);
        Ok(Effect::since(begin, &event))
    }

    /// Starts the broker again at its address, and waits until the observer is connected.
    ///
    /// # Errors
    /// When it does not start, or the observer can't connect.
    pub async fn start_broker(&mut self) -> Result<Effect, StepError> {
        if !self.broker_stopped {
            return Err(StepError::errored("the broker is already running"));
        }
        self.start_again().await
    }

    fn check_runs(&self) -> Result<(), StepError> {
        if self.broker_stopped { Err(StepError::errored("the broker is not running")) } else { Ok(()) }
    }

    async fn start_again(&mut self) -> Result<Effect, StepError> {
        let begin = self.end();
        self.offers = self.broker.start().await?;
        let event = record_broker(&self.recorder, &*self.broker, &self.offers, true);
        // The address may differ now.
        self.observer = observe(OBSERVER, &self.offers, &self.recorder, &self.observed).await?;
        for board in self.boards.keys() {
            self.context.network.route(board, &self.offers, &self.recorder);
        }
        self.broker_stopped = false;
        Ok(Effect::since(begin, &event))
    }

    /// Changes the broker's settings, restarts it, and sets the mark to when it runs again.
    ///
    /// # Errors
    /// When the harness can't configure it, or it does not start.
    pub async fn configure_broker(&mut self, change: impl FnOnce(&mut Settings)) -> Result<(), StepError> {
        change(self.broker.settings()?);
        let begin = self.end();
        self.broker.stop().await?;
        record_broker(&self.recorder, &*self.broker, &self.offers, false);
        // The observer's loss of the broker belongs to this step, not to the next.
        self.observer.wait_for_loss().await;
        let effect = self.start_again().await?;
        self.took_effect(Effect { cursor: begin, at: effect.at });
        Ok(())
    }

    /// Makes the broker, and the taps before it, require client certificates.
    ///
    /// # Errors
    /// When the harness can't configure it, or it does not start.
    pub async fn require_certificates(&mut self) -> Result<(), StepError> {
        let (identity, ca) = self.context.network.server_identity();
        for board in self.boards.keys() {
            if let Some(tap) = self.tap(board) {
                tap.require_certificates();
            }
        }
        self.configure_broker(|settings| {
            settings.tls.get_or_insert((identity, ca));
            settings.client_certificates = true;
        })
        .await
    }

    /// Reports an unexpected exit of the broker.
    pub(crate) fn broker_died(&self) -> watch::Receiver<Option<String>> {
        self.broker.died()
    }

    /// Clears the retained messages that a scenario left on an external broker.
    pub(super) async fn clear_retained(&mut self) {
        if !self.broker.kind().can.outlives_scenarios || !self.observer.is_connected() {
            return;
        }
        let ours = |event: &Arc<RunEvent>| match (&event.what, event.what.sent_by_board()) {
            (What::Published { topic, retain: true, .. }, _)
            | (_, Some((_, _, Packet::Publish { topic, retain: true, .. }))) => Some(topic.clone()),
            (_, Some((_, _, Packet::Connect { will: Some(will), .. }))) if will.retain => Some(will.topic.clone()),
            _ => None,
        };
        // Retained messages that the observer received were there before: they are not the scenario's.
        let others = |event: &Arc<RunEvent>| match &event.what {
            What::Observed { observer, topic, retain: true, .. } if observer == OBSERVER => Some(topic.clone()),
            _ => None,
        };
        let mut topics: BTreeSet<String> = self.events().iter().filter_map(ours).collect();
        for topic in self.events().iter().filter_map(others) {
            if topics.remove(&topic) {
                let note =
                    format!("the retained message on `{topic}` was there before this scenario and is left alone");
                self.recorder.record(What::Bench { board: String::new(), note });
            }
        }
        for topic in topics.iter().filter(|topic| !topic.starts_with('$')) {
            let cleared = self.observer.publish(topic, Payload::default(), QoS::AtLeastOnce, true).await;
            if cleared.is_err() {
                let note = format!("the retained message on `{topic}` could not be cleared on the external broker");
                self.recorder.record(What::Bench { board: String::new(), note });
            }
        }
    }
}

/// Connects an observer and subscribes it to the filters.
pub(super) async fn observe(
    name: &str,
    offers: &Offers,
    recorder: &Recorder,
    filters: &[String],
) -> Result<Observer, StepError> {
    let observer = Observer::connect(name, offers, recorder.clone()).await?;
    for filter in filters {
        observer.subscribe(filter).await?;
    }
    Ok(observer)
}

pub(super) fn record_broker(recorder: &Recorder, broker: &dyn Broker, offers: &Offers, running: bool) -> Arc<RunEvent> {
    let address = offers.boards.first().map(|endpoint| format!("{}:{}", endpoint.host, endpoint.port));
    let (kind, address) = (broker.kind().word.to_owned(), address.unwrap_or_default());
    recorder.record(What::Broker { kind, running, address })
}
