//! Whether what a step is about can prove anything, and whether the boards and the bench are as they should be.

use std::sync::Arc;

use hil_bench::LockedBoard;
use hil_mqtt::{Shortage, TapPort};
use hil_timeline::{Evidence, Finding, RunEvent, Stamp, What};
use hil_verdict::{Session, Unmet};

use super::{OBSERVER, Stage, refs};
use crate::error::StepError;

impl Stage {
    /// What a board does says something only if this scenario has started it.
    ///
    /// # Errors
    /// When the bench has no such board, or the scenario neither reset nor powered it.
    pub fn check_started(&mut self, board: &str) -> Result<(), StepError> {
        self.board(board)?;
        Ok(hil_verdict::was_started(board, refs(&self.events()))?)
    }

    /// What a board sends and receives says something only if its connections can be read.
    ///
    /// # Errors
    /// When the scenario has not started it, or its TLS passes the tap unread.
    pub fn check_packets(&mut self, board: &str) -> Result<(), StepError> {
        self.check_started(board)?;
        if hil_verdict::passes_unread(board, hil_mqtt::PASSED_THROUGH, refs(&self.events())) {
            let message = format!("the TLS of `{board}` passes the tap unread: its packets can't be seen");
            return Err(StepError::errored(message).with_hint("`[tap] tls = \"terminate\"` reads what is inside"));
        }
        Ok(())
    }

    /// Attempts are seen only where the tap listens.
    ///
    /// # Errors
    /// When connections are refused.
    pub fn check_door(&self, board: &str) -> Result<(), StepError> {
        if self.tap(board).is_none_or(|tap| !tap.is_refusing()) {
            return Ok(());
        }
        let message = format!("connections of `{board}` are refused: its attempts can't be counted");
        Err(StepError::errored(message).with_hint("`When the broker stops` lets the tap see them"))
    }

    /// The observer is gone although no step ended the broker: what boards do then says nothing about them.
    pub(crate) fn check_broker(&self) -> Result<(), StepError> {
        if !hil_verdict::broker_lost(OBSERVER, refs(&self.events())) {
            return Ok(());
        }
        Err(StepError::errored("the broker was lost, and no step asked for that: the harness has no connection to it")
            .transient())
    }

    /// A fault that was asked for and has not happened.
    fn unfired(&self) -> Option<StepError> {
        let fault = self.fault_of(TapPort::pending_fault)?;
        let message = format!("the fault {fault} never happened: what passed proves nothing about it");
        Some(StepError::errored(message).with_hint("does the packet come, and on that topic?"))
    }

    /// A fault that could not be applied: what the board did then says nothing about it.
    fn missed_fault(&self) -> Option<StepError> {
        let fault = self.fault_of(TapPort::missed_fault)?;
        let message = format!("the fault {fault} could not be applied: its packet was too large, and passed as it was");
        let hint = "a packet that a fault waits for may have 16 MiB, and all that are unfinished at once 128 MiB";
        Some(StepError::errored(message).with_hint(hint))
    }

    /// What the bench could not do, which explains what a board did not do.
    pub(crate) fn bench_fault(&self) -> Option<StepError> {
        let short = |shortage: Shortage| StepError::errored(shortage.to_string()).with_hint(Shortage::HINT);
        self.missed_fault().or_else(|| self.descriptors.suspected().map(short))
    }

    /// What the bench could not do although every step of the scenario passed.
    pub(crate) fn bench_fault_at_end(&self) -> Option<StepError> {
        let short = |shortage: Shortage| StepError::errored(shortage.to_string()).with_hint(Shortage::HINT);
        self.unfired().or_else(|| self.missed_fault()).or_else(|| self.descriptors.refused().map(short))
    }

    fn fault_of(&self, of: impl Fn(&TapPort) -> Option<String>) -> Option<String> {
        self.boards.keys().find_map(|board| of(self.tap(board)?).map(|fault| format!("`{fault}` of `{board}`")))
    }

    /// A negative step proves something only if the board could have spoken.
    ///
    /// # Errors
    /// When it could not.
    pub fn check_could_speak(&self, board: &str) -> Result<(), StepError> {
        self.could_speak(board, &self.session_at_mark(board))
    }

    /// The same from a message of the board on: it shows itself that the board was connected then.
    ///
    /// # Errors
    /// When its connection has ended since.
    pub fn check_could_speak_since(&self, board: &str, message: Stamp) -> Result<(), StepError> {
        let events = self.events();
        let session = Session::of(board, refs(&events).into_iter().filter(|event| event.at <= message));
        self.could_speak(board, &session)
    }

    fn could_speak(&self, board: &str, then: &Session) -> Result<(), StepError> {
        let silent = self.tap(board).is_some_and(|tap| tap.control().is_silent() || tap.is_refusing());
        let silenced = !self.is_powered(board) || silent || self.broker_stopped;
        let events = self.events();
        Ok(hil_verdict::could_speak(board, silenced, then, &self.session(board), &refs(&events))?)
    }

    /// What the observer did not see proves something only if it was there all the time since the mark.
    ///
    /// # Errors
    /// When it was not.
    pub fn check_observer_was_there(&self) -> Result<(), StepError> {
        let there = hil_verdict::observer_was_there(self.mark.cursor, refs(&self.events()));
        if self.observer.is_connected() && there {
            if !self.broker_stopped {
                return Ok(());
            }
            let message = "the broker is paused: that the observer sees nothing proves nothing";
            return Err(StepError::errored(message).with_hint("let it go on first: `When the broker goes on`"));
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
        let users = self.boards.get(board).map(|board| board.port_users()).unwrap_or_default();
        if !users.is_empty() {
            let users = users.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
            let message =
                format!("the serial port of `{board}` is in use by {users}, which takes a part of what it says");
            let error = StepError::errored(message).with_hint("end that program");
            return Err(error.transient());
        }
        if self.boards.get(board).is_some_and(blind) {
            let message = format!("the console of `{board}` is not captured: what it does not show proves nothing");
            let error = StepError::errored(message).with_hint("its serial port has vanished; check the cable");
            return Err(error.transient());
        }
        Ok(())
    }

    /// A reboot is seen only where the console shows boots at all.
    ///
    /// # Errors
    /// When it has shown none since the board was started, although it was.
    pub fn check_boots_are_seen(&self, board: &str) -> Result<(), StepError> {
        let is_boot = |event: &Arc<RunEvent>| {
            matches!(&event.what, What::Found { board: of, finding: Finding::Boot, .. } | What::ConsoleOpened { board: of, .. }
                if of == board)
        };
        let is_program = self.boards.get(board).is_some_and(|it| it.config().kind == hil_config::BoardKind::Process);
        if is_program || self.events().iter().any(is_boot) {
            return Ok(());
        }
        let message =
            format!("the console of `{board}` shows no boot, although it was started: a reboot would not be seen");
        Err(StepError::errored(message).with_hint("does its ROM print to this UART, and does `console.boot-baud` fit?"))
    }

    /// That a board does nothing proves something only if it runs. One without power does nothing by intention.
    ///
    /// # Errors
    /// When it has power and has given no sign of life since it was started.
    pub fn check_shows_life(&self, board: &str) -> Result<(), StepError> {
        if !self.is_powered(board) {
            return Ok(());
        }
        Ok(hil_verdict::shows_life(board, refs(&self.events()))?)
    }

    /// That nothing is published proves something only if a board could publish.
    ///
    /// # Errors
    /// When no board has been connected to the broker since it was started.
    pub(crate) fn check_could_be_published(&self) -> Result<(), StepError> {
        Ok(hil_verdict::could_be_published(hil_mqtt::PASSED_THROUGH, refs(&self.events()))?)
    }

    /// The same for what is retained, which a step may have published as well.
    ///
    /// # Errors
    /// When neither was there.
    pub(crate) fn check_could_be_retained(&self, filter: &str) -> Result<(), StepError> {
        let by_step = |event: &Arc<RunEvent>| matches!(&event.what, What::Published { topic, .. } if hil_verdict::topic_matches(filter, topic));
        if self.events().iter().any(by_step) { Ok(()) } else { self.check_could_be_published() }
    }

    /// A board whose power is cut must fall silent; one that goes on was not cut.
    pub(crate) fn check_power_cuts(&self) -> Result<(), StepError> {
        let events = self.events();
        let events = refs(&events);
        for (name, _) in self.boards.iter().filter(|(_, board)| !board.is_powered()) {
            if let Err(unmet) = hil_verdict::contradiction(name, &events, self.mark.at, &self.stalls_since(Stamp(0))) {
                self.record_contradiction(name, &unmet);
                return Err(unmet.into());
            }
        }
        Ok(())
    }

    /// The evidence against a cut is data as well, once.
    fn record_contradiction(&self, board: &str, unmet: &Unmet) {
        let known = |event: &Arc<RunEvent>| matches!(&event.what, What::PowerCut { board: of, evidence: Evidence::Contradicted, .. } if of == board);
        if !self.events_since_mark().iter().any(known) {
            let (board, detail) = (board.to_owned(), unmet.failure.message.clone());
            self.recorder.record(What::PowerCut { board, evidence: Evidence::Contradicted, detail });
        }
    }
}
