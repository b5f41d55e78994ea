//! One disturbance of an update, and what the board does after it.

use std::sync::Arc;
use std::time::Duration;

use hil_bench::FlashMoment;
use hil_link::PathDirection;
use hil_mqtt::Fault;
use hil_timeline::{Cursor, Effect, RunEvent};
use hil_verdict::{connects, seconds};

use super::limits::Due;
use super::{Disturbance, Moment, Shows, Trial, Version};
use crate::error::StepError;
use crate::steps::{board, power};

/// How long the network is silent.
const SILENCE: Duration = Duration::from_secs(3);

/// Whether a moment of the flash has come.
enum Came {
    Yes,
    /// The board has passed it, or took the update without it.
    Missed,
    /// It did not come in time.
    No(Due),
}

impl Trial<'_> {
    /// One disturbance; whether the old firmware must be flashed for the next one.
    pub(super) async fn disturb(&mut self, moment: &Moment, flashes: bool) -> Result<bool, StepError> {
        let place = self.place(moment);
        match moment {
            Moment::Time(after) if self.disturbance == Disturbance::Silence => {
                self.falls_silent_after(*after).await?;
                return Ok(true);
            }
            Moment::Time(after) => self.until_time(*after).await?,
            Moment::Flash { operation, thousandths, .. } => {
                let at = FlashMoment { operation: *operation, thousandths: *thousandths };
                self.until_operation(at, flashes, &place).await?;
            }
        }
        self.stage.note(self.board, place.clone());
        self.start_again().await?;
        let version = self.comes_back(&place).await?;
        if version == Version::Old && moment.chooses() {
            self.stays_whole(&place).await?;
        }
        Ok(version == Version::New || moment.chooses())
    }

    /// How messages call a disturbance.
    fn place(&self, moment: &Moment) -> String {
        format!("{} {} of {}, {moment}", self.disturbance.word(), self.done + 1, self.times)
    }

    /// Flashes the old firmware, and waits for so long after its start.
    async fn until_time(&mut self, after: Duration) -> Result<(), StepError> {
        self.stage.board(self.board)?.hold().await;
        board::run(self.stage, self.board, self.firmware[0]).await?;
        let moment = self.stage.mark().at + after;
        if moment >= self.until {
            return Err(self.too_short());
        }
        self.stage.wait_until(moment).await;
        Ok(())
    }

    /// Lets the network fall silent in the update, which the board must take nevertheless.
    async fn falls_silent_after(&mut self, mut after: Duration) -> Result<(), StepError> {
        /// An update may be faster than the one from which the moments were learned.
        const TRIES: usize = 3;
        for _ in 0..TRIES {
            self.until_time(after).await?;
            let start = self.stage.mark().cursor;
            if !has_arrived(&self.shows[1], self.board, &self.stage.mine(start)) {
                return self.is_silent(start, &self.place(&Moment::Time(after))).await;
            }
            after = after * 3 / 4;
            self.check_time()?;
        }
        let place = self.place(&Moment::Time(after));
        Err(StepError::errored(format!(
            "the update of `{}` was over before {place}: nothing was disturbed",
            self.board
        )))
    }

    async fn is_silent(&mut self, start: Cursor, place: &str) -> Result<(), StepError> {
        self.stage.note(self.board, place.to_owned());
        self.stage.apply_fault(self.board, &Fault::Silence(PathDirection::BOTH.to_vec())).await?;
        tokio::time::sleep(SILENCE).await;
        self.stage.end_silence(self.board)?;
        // The version may have been shown before or in the silence; the connection comes after it.
        let due = self.due_to_take();
        self.arrives(start, due, &format!("after {place}")).await
    }

    async fn start_again(&mut self) -> Result<(), StepError> {
        if self.disturbance == Disturbance::Reset {
            if self.exact {
                // What the flash does is counted from the start, as it was in the undisturbed update.
                self.stage.board(self.board)?.hold().await;
                self.stage.board(self.board)?.note_flash();
            }
            return board::reset(self.stage, self.board).await;
        }
        power::cut(self.stage, self.board).await?;
        let off = self.stage.off_time(self.board);
        tokio::time::sleep(off).await;
        if self.exact {
            self.stage.board(self.board)?.note_flash();
        }
        power::restore(self.stage, self.board).await
    }

    /// A board that came back with the old firmware need not try the update again, once it had chosen. But if it does,
    /// that must not destroy it.
    async fn stays_whole(&mut self, place: &str) -> Result<(), StepError> {
        let until = (self.stage.recorder().now() + 2 * self.takes).min(self.until);
        if self.new_is_shown(self.stage.mark().cursor, until).await.is_some() {
            return Ok(());
        }
        self.start_again().await?;
        self.comes_back(&format!("{place}, and one more start")).await.map(drop)
    }

    /// Waits until the flash has come to an operation. A board that was not flashed may go on with the update in another
    /// way than at first; then it begins from the old firmware again.
    async fn until_operation(&mut self, at: FlashMoment, flashes: bool, place: &str) -> Result<(), StepError> {
        let mut came = self.comes_to(at, flashes).await?;
        if !flashes && matches!(came, Came::Missed) {
            came = self.comes_to(at, true).await?;
        }
        let board = self.board;
        match came {
            Came::Yes => Ok(()),
            Came::Missed => {
                let message = format!("`{board}` took the update without {place}: its flash did less than undisturbed");
                Err(StepError::errored(message).with_details(self.stage.last_words(board)))
            }
            Came::No(due) => {
                let message = format!("`{board}` did not get as far as {place}: it does not go on with its update");
                Err(self.late(due, message))
            }
        }
    }

    async fn comes_to(&mut self, at: FlashMoment, flashes: bool) -> Result<Came, StepError> {
        if flashes {
            self.stage.board(self.board)?.hold().await;
            self.stage.board(self.board)?.note_flash();
        }
        let Some(mut fall) = self.stage.board(self.board)?.fall_at(at) else { return Ok(Came::Missed) };
        if flashes {
            // The moment may come before the firmware is ready: the processor then stands still.
            tokio::select! {
                biased;
                () = fall.come() => return Ok(Came::Yes),
                ran = board::run(self.stage, self.board, self.firmware[0]) => ran?,
            }
        }
        let due = self.due_to_take();
        if tokio::time::timeout_at(self.stage.instant(due.until), fall.come()).await.is_ok() {
            return Ok(Came::Yes);
        }
        let (from, now) = (self.stage.mark().cursor, self.stage.recorder().now());
        Ok(if self.new_is_shown(from, now).await.is_some() { Came::Missed } else { Came::No(due) })
    }

    /// Waits until the board runs either firmware again and is connected.
    async fn comes_back(&mut self, place: &str) -> Result<Version, StepError> {
        let (from, board) = (self.stage.mark().cursor, self.board);
        let limit = self.stage.connects_within(board);
        let until = self.stage.mark().at + limit;
        let [old, new] = &self.shows;
        let shown = |event: &RunEvent| match (old.is_shown(event, board), new.is_shown(event, board)) {
            (true, _) => Some((Version::Old, event.clone())),
            (_, true) => Some((Version::New, event.clone())),
            _ => None,
        };
        let Some((version, shown)) = self.stage.watch_all_from(from, until, shown).await else {
            let [from, to] = self.firmware;
            let limit = seconds(limit);
            let message =
                format!("`{board}` ran neither `{from}` nor `{to}` within {limit} (`connects-within`) of {place}");
            return Err(self.late(Due::step(until), message));
        };
        let shows = if version == Version::Old { old } else { new };
        if shows.proves_connection() {
            self.stage.took_effect(Effect::of(&shown));
            return Ok(version);
        }
        let accepted = |event: &RunEvent| (connects(board, [event]) > 0).then(|| event.clone());
        match self.stage.watch_all_from(Cursor::after(&shown), until, accepted).await {
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
}

/// Whether a board has shown the firmware and has connected with it.
fn has_arrived(shows: &Shows, board: &str, events: &[Arc<RunEvent>]) -> bool {
    let Some(shown) = events.iter().position(|event| shows.is_shown(event, board)) else { return false };
    shows.proves_connection() || connects(board, events[shown + 1..].iter().map(AsRef::as_ref)) > 0
}

#[cfg(test)]
mod tests {
    use hil_timeline::{Direction, Epoch, Packet, Payload, QoS, Timeline, What};

    use super::*;

    fn packet(direction: Direction, packet: Packet) -> What {
        let (board, disposition, answer_us) = ("lamp".to_owned(), None, None);
        What::Packet { board, connection: 1, direction, bytes: 4, disposition, answer_us, packet }
    }

    fn arrived(shows: &Shows, what: Vec<What>) -> bool {
        has_arrived(shows, "lamp", &Timeline::in_memory(Epoch::start()).record_all(None, what))
    }

    #[test]
    fn an_update_is_over_when_the_new_version_is_connected() {
        let line = |version: &str| What::Console {
            board: "lamp".to_owned(),
            line: format!("app_init: App version: {version}"),
        };
        let connack = Packet::Connack { session_present: false, code: 0, properties: Vec::new() };
        let connects = || packet(Direction::ToBoard, connack.clone());
        let shows = Shows::for_test("1.0.0", None);
        assert!(!arrived(&shows, vec![connects(), line("1.0.0")]));
        assert!(!arrived(&shows, vec![line("0.9.0"), connects()]));
        assert!(arrived(&shows, vec![line("1.0.0"), connects()]));
    }

    #[test]
    fn a_version_that_is_published_proves_the_connection() {
        let publish = Packet::Publish {
            topic: "lamp/version".to_owned(),
            payload: Payload::from("1.0.0"),
            qos: QoS::AtMostOnce,
            retain: false,
            dup: false,
            packet_id: None,
            aliased: false,
            properties: Vec::new(),
        };
        let shows = Shows::for_test("1.0.0", Some("lamp/version"));
        assert!(arrived(&shows, vec![packet(Direction::FromBoard, publish)]));
    }
}
