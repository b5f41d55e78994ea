//! What a scenario owns while it runs.

mod air;
mod broker;
mod captured;
mod checks;
mod firmware;
mod gauges;
mod health;
mod judging;
mod pins;
mod records;
mod services;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hil_bench::{Board, LockedBoard, TapAddress};
use hil_config::nearest;
use hil_link::ShortageWatch;
use hil_mqtt::{Broker, Fault, Observer, Offers, TapPort};
use hil_timeline::{Allowance, Cursor, Effect, Mask, Packet, Payload, QoS, Recorder, RunEvent, Stamp, What};
use hil_verdict::Gauge;

use self::broker::{observe, record_broker};
use self::judging::Judging;
use self::services::Services;
pub(crate) use self::services::{UPDATE_VALUES, update_path};
use crate::binding::Binding;
use crate::context::RunContext;
use crate::error::StepError;
use crate::radio::OnAir;
use crate::snapshot::Rule;

/// The moment at which the latest Given or When took effect. Only later records match, and deadlines count from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Records from here on match.
    pub cursor: Cursor,
    /// Its time.
    pub at: Stamp,
}

/// The name under which the stage's observer records.
pub(crate) const OBSERVER: &str = "observer";

/// The boards a scenario names, a fresh broker, the routes between them, and the observer.
pub struct Stage {
    context: Arc<RunContext>,
    recorder: Recorder,
    boards: BTreeMap<String, LockedBoard>,
    /// Which board plays each role.
    binding: Binding,
    /// Its right to the bench's access point.
    on_air: OnAir,
    broker: Box<dyn Broker>,
    offers: Offers,
    observer: Observer,
    /// What the observer is subscribed to.
    observed: Vec<String>,
    begin: Cursor,
    mark: Mark,
    /// The health of the boards was judged up to here.
    health_judged: Cursor,
    consumed: BTreeSet<u64>,
    last_flash_written: BTreeMap<String, usize>,
    /// Which firmware was put on each board, in order: it runs the last.
    running: BTreeMap<String, Vec<String>>,
    late_subscribers: u32,
    /// A step stopped or paused the broker, and it has not been started since.
    broker_stopped: bool,
    /// The feature's rules for snapshots.
    snapshot_rules: Vec<Rule>,
    /// Until when the current step waits, in microseconds of the run's clock; 0 if it does not wait.
    waits_until: Arc<AtomicU64>,
    /// How far steps have read the changes of each pin.
    pins_seen: BTreeMap<(String, String), u64>,
    /// What its boards get besides the broker.
    services: Services,
    /// What named groups of patterns have matched.
    captured: BTreeMap<String, String>,
    /// Numbers that boards print or publish again and again.
    gauges: Vec<Gauge>,
    /// The place up to which the values of gauges are recorded.
    gauges_recorded: u64,
    /// The end of the wait that moved the mark, if it was a wait.
    waited_to: Option<Cursor>,
    /// What the current step can't decide.
    judging: Judging,
    descriptors: ShortageWatch,
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage").field("boards", &self.boards.keys()).field("mark", &self.mark).finish_non_exhaustive()
    }
}

impl Stage {
    /// Starts a fresh broker and routes the boards' taps to it. The boards are already locked.
    pub(crate) async fn open(
        context: Arc<RunContext>,
        recorder: Recorder,
        boards: BTreeMap<String, LockedBoard>,
        (binding, on_air): (Binding, OnAir),
    ) -> Result<Self, StepError> {
        let descriptors = ShortageWatch::begin();
        let config = &context.bench.config().broker;
        let log = recorder.clone();
        let log = move |line| {
            log.record(What::BrokerLog { line });
        };
        let mut broker = hil_mqtt::broker::new(config, Arc::new(log))?;
        let offers = broker.start().await?;
        record_broker(&recorder, &*broker, &offers, true);
        let services = Services::default();
        let observed = vec!["#".to_owned()];
        let observer = observe(OBSERVER, &offers, &recorder, &observed).await?;
        // Before the boards enter: they record the levels of their pins, which steps need.
        let begin = recorder.timeline().end();
        for (name, board) in &boards {
            board.enter(recorder.clone());
            context.network.route(name, &offers, &recorder);
            context.network.serve(name, services.offered(), None, &recorder);
            if let (Some(names), Some(tap)) = (board.names(), context.network.tap(name)) {
                let questions = context.network.name_recorder(name, &recorder);
                names.open(tap.control().clone(), move |name, answer| questions.asked(name, answer));
            }
        }
        let mark = Mark { cursor: recorder.timeline().end(), at: recorder.now() };
        let (consumed, last_flash_written) = (BTreeSet::new(), BTreeMap::new());
        Ok(Self {
            context,
            recorder,
            boards,
            binding,
            on_air,
            broker,
            offers,
            observer,
            observed,
            begin,
            mark,
            health_judged: mark.cursor,
            consumed,
            last_flash_written,
            running: BTreeMap::new(),
            late_subscribers: 0,
            broker_stopped: false,
            snapshot_rules: Vec::new(),
            waits_until: Arc::default(),
            pins_seen: BTreeMap::new(),
            services,
            captured: BTreeMap::new(),
            gauges: Vec::new(),
            gauges_recorded: 0,
            waited_to: None,
            judging: Judging::default(),
            descriptors,
        })
    }

    /// How much longer closing may take: a board that is reset by its rails stays off for its off-time.
    pub(crate) fn slowness(&self) -> Duration {
        self.boards.values().map(|board| board.config().off_time).sum()
    }

    /// Ends faults, releases pins, closes routes, stops the broker and releases the boards.
    pub(crate) async fn close(mut self) {
        for (name, board) in &mut self.boards {
            self.context.network.stop_serving(name);
            if let Some(tap) = self.context.network.tap(name) {
                tap.close_route();
            }
            board.release_pins().await;
            board.restore_access_point().await;
            if let Some(names) = board.names() {
                names.close();
            }
            // Held in reset until the next scenario: what it does meanwhile would belong to none. After an abort the
            // board is already safe and stays released.
            if !self.context.is_aborted() {
                board.hold().await;
            }
        }
        self.on_air.restore().await;
        self.clear_retained().await;
        drop(self.observer);
        self.broker.discard().await;
        for board in self.boards.values() {
            board.leave();
        }
    }

    /// Prepares the boards for a retry: powers them off for their off-time, and repeats what failed.
    pub(crate) async fn recover(&mut self, attempt: u32) -> Result<(), StepError> {
        for board in self.boards.values_mut() {
            board.recover(attempt).await?;
        }
        Ok(())
    }

    /// Puts the rails of every board into their idle state, at the end of a run.
    pub(crate) async fn make_safe(&mut self) {
        for board in self.boards.values_mut() {
            board.make_safe().await;
        }
    }

    /// A board of this scenario.
    ///
    /// # Errors
    /// When the bench has no board of that name.
    pub fn board(&mut self, name: &str) -> Result<&mut Board, StepError> {
        let known: Vec<String> = self.boards.keys().cloned().collect();
        match self.boards.get_mut(name) {
            Some(board) => Ok(&mut *board),
            None => Err(unknown(self.context.bench.config(), "board", name, known.iter().map(String::as_str))),
        }
    }

    /// The name of the board that plays a role; of a board itself, its name. Steps get the names of boards: this is for
    /// roles that the code of a step names.
    #[must_use]
    pub fn board_of<'a>(&'a self, role: &'a str) -> &'a str {
        self.binding.board(role)
    }

    /// What the scenario calls a board.
    pub(crate) fn role_of<'a>(&'a self, board: &'a str) -> &'a str {
        self.binding.name(board)
    }

    /// The boards that had problems since their last success.
    pub(crate) fn troubled(&self) -> Vec<String> {
        let troubled = self.boards.iter().filter(|(_, board)| !board.troubles().is_empty());
        troubled.map(|(name, _)| name.clone()).collect()
    }

    /// Problems of the boards since their last success.
    pub(crate) fn troubles(&self) -> Vec<String> {
        let of = |(name, board): (&String, &LockedBoard)| {
            board.troubles().iter().map(|trouble| format!("`{name}`: {trouble}")).collect::<Vec<_>>()
        };
        self.boards.iter().flat_map(of).collect()
    }

    /// Whether a board's rails are on.
    #[must_use]
    pub fn is_powered(&self, name: &str) -> bool {
        self.boards.get(name).is_some_and(|board| board.is_powered())
    }

    /// Whether a board's console is being captured right now.
    #[must_use]
    pub fn board_is_captured(&self, name: &str) -> bool {
        self.boards.get(name).is_some_and(|board| board.is_capturing())
    }

    /// How long the rails of a board stay off.
    pub(crate) fn off_time(&self, board: &str) -> Duration {
        self.boards.get(board).map(|board| board.config().off_time).unwrap_or_default()
    }

    /// Notes something about a board, or about all of them if it is empty, for people.
    pub(crate) fn note(&self, board: &str, note: String) -> Effect {
        Effect::of(&self.recorder.record(What::Bench { board: board.to_owned(), note }))
    }

    /// Applies a fault to a board's network, and sets the mark to it.
    ///
    /// # Errors
    /// When the bench has no board of that name.
    pub async fn apply_fault(&mut self, board: &str, fault: &Fault) -> Result<(), StepError> {
        let tap = self.tap(board).ok_or_else(|| self.unknown_board(board))?;
        let event = tap.apply(fault, &self.recorder).await;
        self.took_effect(Effect::of(&event));
        Ok(())
    }

    /// Ends the silence of a board's network, but no other faults; sets the mark to that.
    ///
    /// # Errors
    /// When the bench has no board of that name.
    pub fn end_silence(&mut self, board: &str) -> Result<(), StepError> {
        let tap = self.tap(board).ok_or_else(|| self.unknown_board(board))?;
        let event = tap.end_silence(&self.recorder);
        self.took_effect(Effect::of(&event));
        Ok(())
    }

    /// Silences the connections of a program or an emulator before it is killed in place of a power cut or a reset. Those of other
    /// boards fall silent by themselves.
    pub(crate) fn before_stop(&self, board: &str) {
        if let Some(tap) = self.tap(board).filter(|_| self.is_program(board)) {
            tap.abandon();
        }
    }

    /// Prepares the tap for the restart of a program.
    pub(crate) fn before_start(&self, board: &str) {
        if let Some(tap) = self.tap(board).filter(|_| self.is_program(board)) {
            tap.device_restarted();
        }
    }

    /// Whether a process of this machine is the board: its start is recorded as a boot, and its end closes connections.
    fn is_program(&self, board: &str) -> bool {
        let is_program = |kind| matches!(kind, hil_config::BoardKind::Process | hil_config::BoardKind::Emulator);
        self.boards.get(board).is_some_and(|board| is_program(board.config().kind))
    }

    fn tap(&self, board: &str) -> Option<&TapPort> {
        self.context.network.tap(board).filter(|_| self.boards.contains_key(board))
    }

    /// Where a board reaches its tap.
    #[must_use]
    pub fn tap_address(&self, board: &str) -> TapAddress {
        self.context.tap_address(board)
    }

    /// The observer.
    #[must_use]
    pub fn observer(&self) -> &Observer {
        &self.observer
    }

    /// Connects another observer.
    ///
    /// # Errors
    /// When the broker can't be reached.
    pub async fn late_subscriber(&mut self) -> Result<(String, Observer), StepError> {
        self.late_subscribers += 1;
        let name = format!("late-{}", self.late_subscribers);
        let observer = Observer::connect(&name, &self.offers, self.recorder.clone()).await?;
        Ok((name, observer))
    }

    /// Records on behalf of this scenario.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// The mark in force.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// How long this machine stalled since a moment.
    pub(crate) fn stalled_since(&self, moment: Stamp) -> Duration {
        self.context.stalls.lasted_since(moment)
    }

    /// Performs an action and sets the mark to its effect, as recorded by the part that performed it.
    ///
    /// # Errors
    /// When the action fails; the mark then does not change.
    pub async fn act<E: Into<StepError>>(
        &mut self,
        action: impl AsyncFnOnce(&mut Self) -> Result<Effect, E>,
    ) -> Result<(), StepError> {
        let effect = action(self).await.map_err(Into::into)?;
        self.took_effect(effect);
        Ok(())
    }

    /// Sets the mark: an action took effect.
    pub fn took_effect(&mut self, effect: Effect) {
        self.mark = Mark { cursor: effect.cursor, at: effect.at };
        self.waited_to = None;
    }

    /// Sets the mark to this moment: for custom steps whose action records nothing.
    pub fn mark_now(&mut self) {
        self.took_effect(Effect { cursor: self.end(), at: self.recorder.now() });
    }

    /// Sets the mark to a record: later records match.
    pub fn mark_at(&mut self, event: &RunEvent) {
        self.took_effect(Effect::of(event));
    }

    /// The place after the newest record.
    pub(crate) fn end(&self) -> Cursor {
        self.recorder.timeline().end()
    }

    /// The effect of a board's restart since a place in the timeline: the release of its latest reset.
    pub(crate) fn restart_since(&self, begin: Cursor, board: &str) -> Option<Effect> {
        let records = self.mine(begin);
        let mine = |event: &&Arc<RunEvent>| event.what.board() == Some(board);
        let reset = records.iter().rev().filter(mine).find(|event| matches!(event.what, What::Reset { .. }))?;
        let released =
            |event: &&Arc<RunEvent>| event.seq > reset.seq && matches!(event.what, What::ResetReleased { .. });
        let released = records.iter().filter(mine).find(released).unwrap_or(reset);
        Some(Effect { cursor: Cursor::after(reset), at: released.at })
    }

    /// A note and a hint if no connection of the board has reached the tap since the mark.
    pub(crate) fn unreached(&self, board: &str) -> Option<(String, String)> {
        let address = self.tap_address(board);
        let address = format!("{}:{}", address.host, address.port);
        hil_verdict::unreached(board, &address, refs(&self.events_since_mark()))
    }

    /// Allows a board from now on what would otherwise fail the scenario.
    ///
    /// # Errors
    /// When the bench has no such board.
    pub fn allow(&mut self, board: &str, allowance: Allowance) -> Result<(), StepError> {
        self.board(board)?;
        self.recorder.record(What::Allowed { board: board.to_owned(), allowance });
        Ok(())
    }

    pub(crate) fn add_snapshot_rule(&mut self, rule: Rule) {
        self.snapshot_rules.push(rule);
    }

    pub(crate) fn snapshot_rules(&self) -> &[Rule] {
        &self.snapshot_rules
    }

    /// The secrets of the run, hidden in all output.
    pub(crate) fn mask(&self) -> Mask {
        self.context.mask.get().cloned().unwrap_or_default()
    }

    /// Publishes, and sets the mark to the delivery to the first subscribed board, or to the publishing if no board is
    /// subscribed.
    ///
    /// # Errors
    /// When the broker does not accept it.
    pub async fn publish(&mut self, topic: &str, payload: Payload, qos: QoS, retain: bool) -> Result<(), StepError> {
        let published = self.observer.publish(topic, payload.clone(), qos, retain).await?;
        self.took_effect(Effect::of(&published));
        if self.boards.keys().any(|board| self.is_delivered(board, topic)) {
            /// A broker on this machine takes less than a millisecond; a busy one gets this long.
            const PATIENCE: Duration = Duration::from_secs(1);
            let delivery = |event: &RunEvent| is_delivery(event, topic, &payload).then(|| event.clone());
            // After a late or missing delivery, deadlines count from the publishing.
            let until = published.at + PATIENCE;
            if let Some(event) = self.watch_unjudged(self.mark.cursor, until, delivery).await {
                self.took_effect(Effect::of(&event));
            }
        }
        Ok(())
    }

    fn is_delivered(&self, board: &str, topic: &str) -> bool {
        let silent = self.tap(board).is_none_or(|tap| tap.control().is_silent());
        !silent && self.is_powered(board) && self.session(board).receives(topic)
    }

    fn unknown_board(&self, name: &str) -> StepError {
        unknown(self.context.bench.config(), "board", name, self.boards.keys().map(String::as_str))
    }

    /// How messages call the bench.
    pub(crate) fn bench_title(&self) -> String {
        self.context.bench.config().title()
    }
}

/// Whether a record is the delivery of a message towards a board.
fn is_delivery(event: &RunEvent, topic: &str, payload: &Payload) -> bool {
    matches!(event.what.reached_board(), Some((_, _, Packet::Publish { topic: t, payload: p, .. }))
        if t == topic && p == payload)
}

/// Records as the rules take them.
pub(crate) fn refs(events: &[Arc<RunEvent>]) -> Vec<&RunEvent> {
    events.iter().map(AsRef::as_ref).collect()
}

fn unknown<'a>(bench: &hil_config::Bench, what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> StepError {
    let known: Vec<_> = known.collect();
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => format!("it has no {what} at all"),
        None => format!("there are `{}`", known.join("`, `")),
    };
    StepError::errored(format!("{} has no {what} `{name}`", bench.title())).with_hint(hint)
}
