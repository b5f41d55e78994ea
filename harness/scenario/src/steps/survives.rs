//! An update that is disturbed at many moments, one after the other: the board must always come back and finish it.

mod moments;

use std::time::Duration;

use cucumber::then;
use hil_bench::FlashMoment;
use hil_link::PathDirection;
use hil_mqtt::Fault;
use hil_timeline::{Cursor, Effect, RunEvent, Stamp};
use hil_verdict::{connects, seconds};

use self::moments::{Moment, Moments};
use super::versions::Shows;
use super::{board, power};
use crate::error::StepError;
use crate::parameters::{Span, Text};
use crate::spec::{Expects, StepSpec};
use crate::stage::Stage;
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "{railed} survives {times} power cuts in its update from {firmware} to {firmware} within {span}",
        &[(
            r#"Then "lamp" survives 20 power cuts in its update from "app-1" to "app-2" within 200 s"#,
            "The update is offered, and announced with a message that the broker keeps. Lets the board take it once, to learn \
             when it does what. Then cuts the power at that many moments of it, each time in what the board did after the cut \
             before: it must come back with either firmware, connect, and go on; where it came back with the second one, or \
             its choice between the two had begun, it must take the update or start once more, and then the first one is \
             flashed again. At the end it must have the second \
             one. A virtual board that executes its firmware is cut at exact operations of its flash, other boards at times.",
        )],
    )
    .expecting(Expects::Reboot),
    StepSpec::new(
        "{chip} survives {times} (?:resets|silences) in its update from {firmware} to {firmware} within {span}",
        &[
            (
                r#"Then "lamp" survives 5 resets in its update from "app-1" to "app-2" within 100 s"#,
                "The same with EN pulled low and released. The flash ends what it does.",
            ),
            (
                r#"Then "lamp" survives 3 silences in its update from "app-1" to "app-2" within 100 s"#,
                "The same with a network that goes silent for 3 s, at times.",
            ),
        ],
    )
    .expecting(Expects::Reboot),
];

/// How long the network is silent.
const SILENCE: Duration = Duration::from_secs(3);
/// How long a board that has connected with a new firmware may take to confirm it.
const SETTLE: Duration = Duration::from_secs(1);

/// What disturbs an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disturbance {
    Cut,
    Reset,
    Silence,
}

impl Disturbance {
    fn word(self) -> &'static str {
        match self {
            Self::Cut => "power cut",
            Self::Reset => "reset",
            Self::Silence => "silence",
        }
    }
}

#[then(expr = "{text} survives {int} power cuts in its update from {text} to {text} within {span}")]
async fn survives_cuts(
    world: &mut HilWorld,
    board: Text,
    times: usize,
    from: Text,
    to: Text,
    within: Span,
) -> Result<(), StepError> {
    survives(world.stage()?, Disturbance::Cut, &board, times, [&from, &to], within.0).await
}

#[then(expr = "{text} survives {int} resets in its update from {text} to {text} within {span}")]
async fn survives_resets(
    world: &mut HilWorld,
    board: Text,
    times: usize,
    from: Text,
    to: Text,
    within: Span,
) -> Result<(), StepError> {
    survives(world.stage()?, Disturbance::Reset, &board, times, [&from, &to], within.0).await
}

#[then(expr = "{text} survives {int} silences in its update from {text} to {text} within {span}")]
async fn survives_silences(
    world: &mut HilWorld,
    board: Text,
    times: usize,
    from: Text,
    to: Text,
    within: Span,
) -> Result<(), StepError> {
    survives(world.stage()?, Disturbance::Silence, &board, times, [&from, &to], within.0).await
}

/// An update of a board that is disturbed.
struct Trial<'a> {
    stage: &'a mut Stage,
    disturbance: Disturbance,
    board: &'a str,
    /// The firmware before and after the update.
    firmware: [&'a str; 2],
    shows: [Shows; 2],
    until: Stamp,
    /// How long the update takes without a disturbance.
    takes: Duration,
}

/// What a board runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Old,
    New,
}

async fn survives(
    stage: &mut Stage,
    disturbance: Disturbance,
    board: &str,
    times: usize,
    firmware: [&str; 2],
    within: Duration,
) -> Result<(), StepError> {
    let shows = Shows::of_both(stage, board, firmware)?;
    let until = stage.recorder().now() + within;
    let mut trial = Trial { stage, disturbance, board, firmware, shows, until, takes: Duration::ZERO };
    let moments = trial.learn().await?.choose(times);
    let mut flashes = true;
    for (n, moment) in moments.iter().enumerate() {
        flashes = trial.disturb(moment, n + 1, times, flashes).await?;
    }
    trial.finish(flashes).await
}

impl Trial<'_> {
    /// Runs the whole update once, and notes what happens when.
    async fn learn(&mut self) -> Result<Moments, StepError> {
        // What the board did before does not count.
        self.stage.board(self.board)?.hold().await;
        let notes = self.disturbance != Disturbance::Silence && self.stage.board(self.board)?.note_flash();
        board::run(self.stage, self.board, self.firmware[0]).await?;
        let begin = self.stage.mark().at;
        self.arrives("without a disturbance").await?;
        let end = self.stage.recorder().now();
        self.takes = end.since(begin);
        // It confirms itself now.
        self.stage.wait_until(end + SETTLE).await;
        let work = if notes { self.stage.board(self.board)?.noted_flash() } else { Vec::new() };
        match notes && !work.is_empty() {
            true => Ok(Moments::OfFlash(work)),
            false => Ok(Moments::OfTime(self.takes)),
        }
    }

    /// Waits until the new firmware runs and is connected.
    async fn arrives(&mut self, when: &str) -> Result<(), StepError> {
        let (board, [_, to]) = (self.board, self.firmware);
        let Some(shown) = self.new_is_shown(self.until).await else {
            return Err(self.failed(format!("`{board}` did not take the update to `{to}` {when}")));
        };
        let accepted = |event: &RunEvent| (connects(board, [event]) > 0).then_some(());
        let until = self.stage.recorder().now() + self.stage.connects_within(board);
        match self.stage.watch_all_from(shown, until, accepted).await {
            Some(()) => Ok(()),
            None => Err(self.failed(format!("`{board}` did not connect with the new firmware {when}"))),
        }
    }

    /// Waits until the board shows that it runs the new firmware.
    async fn new_is_shown(&mut self, until: Stamp) -> Option<Cursor> {
        let (new, board) = (&self.shows[1], self.board);
        let shown = |event: &RunEvent| new.is_shown(event, board).then(|| Cursor::after(event));
        self.stage.watch_all_from(self.stage.mark().cursor, until, shown).await
    }

    fn failed(&self, message: String) -> StepError {
        StepError::failed(message).with_details(self.stage.last_words(self.board))
    }

    /// One disturbance; whether the old firmware must be flashed for the next one.
    async fn disturb(&mut self, moment: &Moment, n: usize, of: usize, flashes: bool) -> Result<bool, StepError> {
        let place = format!("{} {n} of {of}, {moment}", self.disturbance.word());
        let came = self.until_moment(moment, flashes).await?;
        if !came {
            let message = format!("`{}` did not get as far as {place}: it does not go on with its update", self.board);
            return Err(self.failed(message));
        }
        self.stage.note(self.board, place.clone());
        if self.disturbance == Disturbance::Silence {
            self.stage.apply_fault(self.board, &Fault::Silence(PathDirection::BOTH.to_vec())).await?;
            tokio::time::sleep(SILENCE).await;
            self.stage.end_silence(self.board)?;
            return Ok(true);
        }
        self.start_again().await?;
        let version = self.comes_back(&place).await?;
        if version == Version::Old && moment.chooses() {
            self.stays_whole(&place).await?;
        }
        Ok(version == Version::New || moment.chooses())
    }

    async fn start_again(&mut self) -> Result<(), StepError> {
        if self.disturbance == Disturbance::Reset {
            return board::reset(self.stage, self.board).await;
        }
        power::cut(self.stage, self.board).await?;
        let off = self.stage.off_time(self.board);
        tokio::time::sleep(off).await;
        power::restore(self.stage, self.board).await
    }

    /// A board that came back with the old firmware need not try the update again, once it had chosen. But if it does,
    /// that must not destroy it.
    async fn stays_whole(&mut self, place: &str) -> Result<(), StepError> {
        let until = (self.stage.recorder().now() + 2 * self.takes).min(self.until);
        if self.new_is_shown(until).await.is_some() {
            return Ok(());
        }
        self.start_again().await?;
        self.comes_back(&format!("{place}, and one more start")).await.map(drop)
    }

    /// Waits until the board's update has come to a moment; false if it does not come there.
    async fn until_moment(&mut self, moment: &Moment, flashes: bool) -> Result<bool, StepError> {
        let begin = self.stage.recorder().now();
        if flashes {
            self.stage.board(self.board)?.hold().await;
        }
        let start = async |stage: &mut Stage, board: &str, from: &str| match flashes {
            true => board::run(stage, board, from).await,
            false => Ok(()),
        };
        match moment {
            Moment::Flash { operation, thousandths, .. } => {
                let whole = self.disturbance == Disturbance::Reset;
                let moment =
                    FlashMoment { operation: *operation, thousandths: if whole { 1000 } else { *thousandths } };
                let Some(mut fall) = self.stage.board(self.board)?.fall_at(moment) else { return Ok(false) };
                start(self.stage, self.board, self.firmware[0]).await?;
                let limit = 2 * self.takes + self.stage.connects_within(self.board);
                let until = (self.stage.recorder().now() + limit).min(self.until);
                Ok(tokio::time::timeout_at(self.stage.instant(until), fall.come()).await.is_ok())
            }
            Moment::Time(after) => {
                start(self.stage, self.board, self.firmware[0]).await?;
                let from = if flashes { self.stage.mark().at } else { begin };
                self.stage.wait_until((from + *after).min(self.until)).await;
                Ok(true)
            }
        }
    }

    /// Waits until the board runs either firmware again and is connected.
    async fn comes_back(&mut self, place: &str) -> Result<Version, StepError> {
        let (from, board) = (self.stage.mark().cursor, self.board);
        let limit = self.stage.connects_within(board);
        let until = self.stage.mark().at + limit;
        let [old, new] = &self.shows;
        let shown = |event: &RunEvent| match (old.is_shown(event, board), new.is_shown(event, board)) {
            (true, _) => Some((Version::Old, Cursor::after(event))),
            (_, true) => Some((Version::New, Cursor::after(event))),
            _ => None,
        };
        let Some((version, shown)) = self.stage.watch_all_from(from, until, shown).await else {
            self.stage.check_console(board)?;
            let [from, to] = self.firmware;
            let limit = seconds(limit);
            let message =
                format!("`{board}` ran neither `{from}` nor `{to}` within {limit} (`connects-within`) of {place}");
            return Err(self.failed(message));
        };
        let accepted = |event: &RunEvent| (connects(board, [event]) > 0).then(|| event.clone());
        match self.stage.watch_all_from(shown, until, accepted).await {
            Some(event) => {
                self.stage.took_effect(Effect::of(&event));
                Ok(version)
            }
            None => {
                let limit = seconds(limit);
                Err(self.failed(format!("`{board}` did not connect within {limit} (`connects-within`) of {place}")))
            }
        }
    }

    /// After the last disturbance the update must still succeed.
    async fn finish(&mut self, flashes: bool) -> Result<(), StepError> {
        if flashes {
            board::run(self.stage, self.board, self.firmware[0]).await?;
        }
        self.arrives(&format!("after the last {}", self.disturbance.word())).await
    }
}
