//! Whether what a step is about can prove anything.

use std::sync::Arc;
use std::time::Duration;

use hil_bench::LockedBoard;
use hil_timeline::{ConnectionChange, Direction, Packet, RunEvent, What};

use super::Stage;
use crate::error::StepError;

impl Stage {
    /// What a board does says something only if this scenario has started it.
    ///
    /// # Errors
    /// When the bench has no such board, or the scenario neither reset nor powered it.
    pub fn check_started(&mut self, board: &str) -> Result<(), StepError> {
        self.board(board)?;
        let started = |event: &Arc<RunEvent>| matches!(&event.what, What::Reset { board: of, .. } | What::Power { board: of, on: true, .. } if of == board);
        if self.events().iter().any(started) {
            return Ok(());
        }
        let message = format!("`{board}` was not started in this scenario");
        Err(StepError::errored(message)
            .with_hint(format!("begin with `Given the board \"{board}\" runs the firmware \"…\"`")))
    }

    /// What a board sends and receives says something only if its connections can be read.
    ///
    /// # Errors
    /// When the scenario has not started it, or its TLS passes the tap unread.
    pub fn check_packets(&mut self, board: &str) -> Result<(), StepError> {
        self.check_started(board)?;
        let unread = |event: &Arc<RunEvent>| {
            matches!(&event.what, What::Connection { board: of, change: ConnectionChange::Upgraded { layer }, .. }
            if of == board && layer == hil_mqtt::PASSED_THROUGH)
        };
        if self.events().iter().any(unread) {
            let message = format!("the TLS of `{board}` passes the tap unread: nobody can see its packets");
            return Err(StepError::errored(message).with_hint("`[tap] tls = \"terminate\"` reads what is inside"));
        }
        Ok(())
    }

    /// Attempts are seen only where somebody listens.
    ///
    /// # Errors
    /// When connections are refused.
    pub fn check_door(&self, board: &str) -> Result<(), StepError> {
        if self.tap(board).is_none_or(|tap| !tap.is_shut()) {
            return Ok(());
        }
        let message = format!("connections of `{board}` are refused: nobody can count its attempts");
        Err(StepError::errored(message).with_hint("`When the broker stops` lets the tap see them"))
    }

    /// The observer is gone although no step ended the broker: what boards do then says nothing about them.
    pub(crate) fn check_broker(&self) -> Result<(), StepError> {
        if self.broker_stopped || self.observer.is_connected() {
            return Ok(());
        }
        Err(StepError::errored("the broker was lost, and no step asked for that: the harness has no connection to it")
            .transient())
    }

    /// A fault that was asked for and has not happened.
    pub(crate) fn unfired(&self) -> Option<String> {
        self.boards.keys().find_map(|board| self.tap(board)?.unfired().map(|fault| format!("`{fault}` of `{board}`")))
    }

    /// A negative step proves something only if the board could have spoken: the connection that stood at the mark
    /// stands still, or the board was silenced on purpose.
    ///
    /// # Errors
    /// When it could not.
    pub fn check_could_speak(&self, board: &str) -> Result<(), StepError> {
        let silent = self.tap(board).is_some_and(|tap| tap.control().is_silent() || tap.is_shut());
        if !self.is_powered(board) || silent || self.broker_stopped {
            let spoke = |event: &Arc<RunEvent>| matches!(&event.what, What::Packet { board: of, packet: Packet::Connack { code: 0, .. }, .. } if of == board);
            if self.events().iter().any(spoke) {
                return Ok(());
            }
            let message =
                format!("`{board}` was never connected in this scenario: that it said nothing proves nothing");
            return Err(StepError::errored(message));
        }
        let at_mark = self.session_at_mark(board);
        let now = self.session(board);
        if at_mark.connected && now.connected && at_mark.connection == now.connection {
            return Ok(());
        }
        let message = format!("`{board}` was not connected all the time: that it said nothing proves nothing");
        Err(StepError::errored(message).with_hint("wait for it first: `Given \"…\" is connected`"))
    }

    /// What the observer did not see proves something only if it was there all the time since the mark.
    ///
    /// # Errors
    /// When it was not.
    pub fn check_observer_was_there(&self) -> Result<(), StepError> {
        let lost = |event: &Arc<RunEvent>| matches!(&event.what, What::ObserverLost { .. });
        if self.observer.is_connected() && !self.events_since_mark().iter().any(lost) {
            return Ok(());
        }
        Err(StepError::errored("the observer had lost the broker meanwhile: what it did not see proves nothing")
            .transient())
    }

    /// The console of a board that has power is being captured: what it does not show was not said.
    ///
    /// # Errors
    /// When nothing is captured.
    pub fn check_console(&self, board: &str) -> Result<(), StepError> {
        let blind = |board: &LockedBoard| board.is_powered() && !board.is_capturing();
        if self.boards.get(board).is_some_and(blind) {
            let message = format!("the console of `{board}` is not captured: what it does not show proves nothing");
            let error = StepError::errored(message).with_hint("its serial port has vanished; check the cable");
            return Err(error.transient());
        }
        Ok(())
    }

    /// A board whose power is cut must fall silent; one that goes on talking was not cut.
    pub(crate) fn check_power_cuts(&self) -> Result<(), StepError> {
        /// What was on its way when the rail went; a line without an end is captured 200 ms late.
        const GRACE: Duration = Duration::from_millis(500);
        for (name, _) in self.boards.iter().filter(|(_, board)| !board.is_powered()) {
            let events = self.events();
            let cut = events
                .iter()
                .rev()
                .find(|event| matches!(&event.what, What::Power { board, on: false, .. } if board == name));
            let Some(cut) = cut else { continue };
            // What was held on its way is no sign of life: with a fault about, only the console counts.
            let faulty = events.iter().any(|event| matches!(&event.what, What::Fault { board, .. } if board == name));
            let talks = |event: &&Arc<RunEvent>| event.at > cut.at + GRACE && talks(event, name, !faulty);
            let talk = events.iter().find(talks);
            if let Some(talk) = talk {
                let after = talk.at.since(cut.at).as_secs_f64();
                let message = format!("the power of `{name}` was cut, but it went on talking {after:.2} s later");
                return Err(StepError::errored(message)
                    .with_details([crate::story::show(talk, self.mark.at)])
                    .with_hint("is it powered through its UART lines or a second supply?"));
            }
        }
        Ok(())
    }
}

fn talks(event: &RunEvent, name: &str, packets_count: bool) -> bool {
    match &event.what {
        What::Console { board, .. } => board == name,
        What::Packet { board, direction: Direction::FromBoard, .. } => packets_count && board == name,
        _ => false,
    }
}
