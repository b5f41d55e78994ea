//! An update that is disturbed at many moments, one after the other: the board must always come back and finish it.

mod limits;
mod moments;
mod round;

use std::time::Duration;

use cucumber::then;
use hil_timeline::{Cursor, RunEvent, Stamp};
use hil_verdict::connects;

use self::limits::Due;
use self::moments::{Moment, Moments};
use super::board;
use super::versions::Shows;
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
             when it does what. Then cuts the power at that many moments of it: on a virtual board that executes its firmware \
             each time in what it did after the cut before, on others each time after the first firmware was flashed again. \
             The board must come back with either firmware, connect, and go on; where it came back with the second one, or \
             its choice between the two had begun, it must take the update or start once more, and then the first one is \
             flashed again. At the end it must have the second one. A virtual board that executes its firmware is cut at \
             exact operations of its flash, other boards at times.",
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
                "The same with a network that goes silent for 3 s, at times. After each silence the board must go on by \
                 itself until the second firmware runs and is connected; then the first one is flashed again.",
            ),
        ],
    )
    .expecting(Expects::Reboot),
];

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
    /// Moments are operations of the flash, counted from the start of the board.
    exact: bool,
    /// How many disturbances there are to be.
    times: usize,
    /// How many of them the board has survived.
    done: usize,
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
    let (takes, exact, done) = (Duration::ZERO, false, 0);
    let mut trial = Trial { stage, disturbance, board, firmware, shows, until, takes, exact, times, done };
    let moments = trial.learn().await?.choose(times, disturbance == Disturbance::Reset);
    trial.check_count(moments.len())?;
    let mut flashes = true;
    for moment in &moments {
        trial.check_time()?;
        flashes = trial.disturb(moment, flashes).await?;
        trial.done += 1;
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
        let begin = self.stage.mark();
        self.arrives(begin.cursor, Due::step(self.until), "without a disturbance").await?;
        let end = self.stage.recorder().now();
        self.takes = end.since(begin.at);
        // It confirms itself now.
        self.stage.wait_until(end + SETTLE).await;
        let work = if notes { self.stage.board(self.board)?.noted_flash() } else { Vec::new() };
        self.exact = !work.is_empty();
        Ok(if self.exact { Moments::OfFlash(work) } else { Moments::OfTime(self.takes) })
    }

    /// Waits until the new firmware runs and is connected.
    async fn arrives(&mut self, from: Cursor, due: Due, when: &str) -> Result<(), StepError> {
        let (board, [_, to]) = (self.board, self.firmware);
        let Some(shown) = self.new_is_shown(from, due.until).await else {
            return Err(self.late(due, format!("`{board}` did not take the update to `{to}` {when}")));
        };
        if self.shows[1].proves_connection() {
            return Ok(());
        }
        let accepted = |event: &RunEvent| (connects(board, [event]) > 0).then_some(());
        let until = self.stage.recorder().now() + self.stage.connects_within(board);
        match self.stage.watch_all_from(shown, until, accepted).await {
            Some(()) => Ok(()),
            None => Err(self.failed(format!("`{board}` did not connect with the new firmware {when}"))),
        }
    }

    /// Waits until the board shows that it runs the new firmware.
    async fn new_is_shown(&mut self, from: Cursor, until: Stamp) -> Option<Cursor> {
        let (new, board) = (&self.shows[1], self.board);
        let shown = |event: &RunEvent| new.is_shown(event, board).then(|| Cursor::after(event));
        self.stage.watch_all_from(from, until, shown).await
    }

    /// After the last disturbance the update must still succeed.
    async fn finish(&mut self, flashes: bool) -> Result<(), StepError> {
        // After a silence it has succeeded.
        if self.disturbance == Disturbance::Silence {
            return Ok(());
        }
        self.check_time()?;
        if flashes {
            board::run(self.stage, self.board, self.firmware[0]).await?;
        }
        let (from, due) = (self.stage.mark().cursor, self.due_to_take());
        self.arrives(from, due, &format!("after the last {}", self.disturbance.word())).await
    }
}
