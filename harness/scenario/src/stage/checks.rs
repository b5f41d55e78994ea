//! Checks that a step can prove something, and that boards and bench are as they should be.

use std::sync::Arc;
use std::time::Duration;

use hil_bench::LockedBoard;
use hil_link::Shortage;
use hil_mqtt::TapPort;
use hil_timeline::{Evidence, Finding, RunEvent, Stamp, What};
use hil_verdict::{Session, Unmet};

use super::{OBSERVER, Stage, refs};
use crate::error::StepError;

impl Stage {
    /// Checks that this scenario has started a board: otherwise its behaviour proves nothing.
    ///
    /// # Errors
    /// When the bench has no such board, or the scenario neither reset nor powered it.
    pub fn check_started(&mut self, board: &str) -> Result<(), StepError> {
        self.board(board)?;
        Ok(hil_verdict::was_started(board, refs(&self.events()))?)
    }

    /// Checks that a board's packets can be read.
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

    /// Checks that the tap listens: otherwise it can't see attempts to connect.
    ///
    /// # Errors
    /// When connections are refused.
    pub fn check_listening(&self, board: &str) -> Result<(), StepError> {
        if self.tap(board).is_none_or(|tap| !tap.is_refusing()) {
            return Ok(());
        }
        let message = format!("connections of `{board}` are refused: its attempts can't be counted");
        Err(StepError::errored(message).with_hint("`When the broker stops` lets the tap see them"))
    }

    /// The former name of [`Stage::check_listening`].
    ///
    /// # Errors
    /// When connections are refused.
    #[deprecated(note = "use `check_listening`")]
    pub fn check_door(&self, board: &str) -> Result<(), StepError> {
        self.check_listening(board)
    }

    /// Checks that the observer has not lost the broker unexpectedly: what boards do then proves nothing about them.
    pub(crate) fn check_broker(&self) -> Result<(), StepError> {
        if !hil_verdict::broker_lost(OBSERVER, refs(&self.events())) {
            return Ok(());
        }
        Err(StepError::errored("the harness lost its connection to the broker, and no step asked for that").transient())
    }

    /// A pending fault that has not happened.
    fn unfired(&self) -> Option<StepError> {
        let fault = self.fault_of(TapPort::pending_fault)?;
        let message = format!("the fault {fault} never happened: the steps that passed prove nothing about it");
        Some(StepError::errored(message).with_hint("check that the packet is sent, and on that topic"))
    }

    /// A fault that could not be applied: what the board did then proves nothing about it.
    fn missed_fault(&self) -> Option<StepError> {
        let fault = self.fault_of(TapPort::missed_fault)?;
        let message = format!("the fault {fault} could not be applied: its packet was too large and passed unchanged");
        let hint = "a packet for a fault may have up to 16 MiB, and all incomplete packets together up to 128 MiB";
        Some(StepError::errored(message).with_hint(hint))
    }

    /// A failure of the bench that explains the failure of a board.
    pub(crate) fn bench_fault(&self) -> Option<StepError> {
        let short = |shortage: Shortage| StepError::errored(shortage.to_string()).with_hint(Shortage::HINT);
        self.missed_fault().or_else(|| self.descriptors.suspected().map(short))
    }

    /// A board that this machine executes, and that got too little time since the mark, if the step has waited until the end
    /// of its window: what comes before that is evidence, however late it is.
    pub(crate) fn too_slow(&self) -> Option<StepError> {
        let (mark, now) = (self.mark.at, self.recorder.now());
        if !self.has_waited_until(now) {
            return None;
        }
        let of = now.since(mark);
        self.boards.iter().find_map(|(name, board)| {
            let unmet = hil_verdict::too_slow(name, board.behind_since(mark), of)?;
            // The next attempt may have more of this machine.
            Some(StepError::from(unmet).transient())
        })
    }

    /// A failure of the bench although every step of the scenario passed.
    pub(crate) fn bench_fault_at_end(&self) -> Option<StepError> {
        let short = |shortage: Shortage| StepError::errored(shortage.to_string()).with_hint(Shortage::HINT);
        self.unfired()
            .or_else(|| self.unfired_offer())
            .or_else(|| self.missed_fault())
            .or_else(|| self.descriptors.refused().map(short))
    }

    fn fault_of(&self, of: impl Fn(&TapPort) -> Option<String>) -> Option<String> {
        self.boards.keys().find_map(|board| of(self.tap(board)?).map(|fault| format!("`{fault}` of `{board}`")))
    }

    /// Checks that a board could have sent something: otherwise its silence proves nothing.
    ///
    /// # Errors
    /// When it could not.
    pub fn check_could_speak(&self, board: &str) -> Result<(), StepError> {
        self.could_speak(board, &self.session_at_mark(board))
    }

    /// The same since a message of the board, which proves that it was connected then.
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

    /// Checks that the observer was connected all the time since the mark: otherwise its silence proves nothing.
    ///
    /// # Errors
    /// When it was not.
    pub fn check_observer_was_there(&self) -> Result<(), StepError> {
        let there = hil_verdict::observer_was_there(self.mark.cursor, refs(&self.events()));
        if self.observer.is_connected() && there {
            if !self.broker_stopped {
                return Ok(());
            }
            let message = "the broker is paused: the observer's silence proves nothing";
            return Err(StepError::errored(message).with_hint("resume it first: `When the broker goes on`"));
        }
        Err(StepError::errored("the observer lost the broker meanwhile: its silence proves nothing").transient())
    }

    /// Checks that the console of a powered board is captured: otherwise its silence proves nothing.
    ///
    /// # Errors
    /// When it is not captured.
    pub fn check_console(&self, board: &str) -> Result<(), StepError> {
        let blind = |board: &LockedBoard| board.is_powered() && !board.is_capturing();
        let users = self.boards.get(board).map(|board| board.port_users()).unwrap_or_default();
        if !users.is_empty() {
            let users = users.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
            let message = format!("the serial port of `{board}` is in use by {users}, which takes part of its output");
            let error = StepError::errored(message).with_hint("end that program");
            return Err(error.transient().about(board));
        }
        if self.boards.get(board).is_some_and(blind) {
            let message = format!("the console of `{board}` is not captured: its silence proves nothing");
            let error = StepError::errored(message).with_hint("its serial port has vanished; check the cable");
            return Err(error.transient().about(board));
        }
        Ok(())
    }

    /// Checks that the console shows boots: otherwise a reboot would not be seen. The lines of the first one may still be on
    /// their way, since a board may have connected before they are read.
    ///
    /// # Errors
    /// When it has shown none although the board was started.
    pub async fn check_boots_are_seen(&self, board: &str) -> Result<(), StepError> {
        /// A busy machine passes on what a serial port has received later than what the network has.
        const ON_THEIR_WAY: Duration = Duration::from_secs(2);
        let is_boot = |event: &RunEvent| {
            let of = match &event.what {
                What::Found { board, finding: Finding::Boot, .. } | What::ConsoleOpened { board, .. } => board,
                _ => return None,
            };
            (of == board).then_some(())
        };
        let until = self.recorder().now() + ON_THEIR_WAY;
        if self.is_program(board) || self.watch_unjudged(self.begin, until, is_boot).await.is_some() {
            return Ok(());
        }
        let message =
            format!("the console of `{board}` shows no boot, although it was started: a reboot would not be seen");
        Err(StepError::errored(message)
            .with_hint("check that its ROM prints to this UART, and check `console.boot-baud`"))
    }

    /// Checks that a board has power: otherwise it shows nothing about its firmware.
    pub(crate) fn check_powered(&self, board: &str) -> Result<(), StepError> {
        if self.is_powered(board) {
            return Ok(());
        }
        let message = format!("`{board}` has no power: it shows nothing about its firmware");
        Err(StepError::errored(message).with_hint(format!("first `When the power of \"{board}\" is restored`")))
    }

    /// Checks that a board runs: otherwise its inactivity proves nothing. A board without power is meant to be
    /// inactive.
    ///
    /// # Errors
    /// When it has power and has shown no sign of life since it was started.
    pub fn check_shows_life(&self, board: &str) -> Result<(), StepError> {
        if !self.is_powered(board) {
            return Ok(());
        }
        Ok(hil_verdict::shows_life(board, refs(&self.events()))?)
    }

    /// Checks that a board could publish: otherwise it proves nothing that nothing is published.
    ///
    /// # Errors
    /// When no board has been connected to the broker since it was started.
    pub(crate) fn check_could_be_published(&self) -> Result<(), StepError> {
        Ok(hil_verdict::could_be_published(hil_mqtt::PASSED_THROUGH, refs(&self.events()))?)
    }

    /// The same for retained messages, which a step may have published as well.
    ///
    /// # Errors
    /// When neither a board nor a step could have published.
    pub(crate) fn check_could_be_retained(&self, filter: &str) -> Result<(), StepError> {
        let by_step = |event: &Arc<RunEvent>| matches!(&event.what, What::Published { topic, .. } if hil_verdict::topic_matches(filter, topic));
        if self.events().iter().any(by_step) { Ok(()) } else { self.check_could_be_published() }
    }

    /// Checks that boards without power are silent: one that still runs was not cut off.
    pub(crate) fn check_power_cuts(&self) -> Result<(), StepError> {
        let events = self.events();
        let events = refs(&events);
        for (name, _) in self.boards.iter().filter(|(_, board)| !board.is_powered()) {
            if let Err(unmet) = hil_verdict::contradiction(name, &events, self.mark.at, &self.stalls_since(Stamp(0))) {
                self.record_contradiction(name, &unmet);
                return Err(StepError::from(unmet).about(name));
            }
        }
        Ok(())
    }

    /// Records the evidence against a power cut, once.
    fn record_contradiction(&self, board: &str, unmet: &Unmet) {
        let known = |event: &Arc<RunEvent>| matches!(&event.what, What::PowerCut { board: of, evidence: Evidence::Contradicted, .. } if of == board);
        if !self.events_since_mark().iter().any(known) {
            let (board, detail) = (board.to_owned(), unmet.failure.message.clone());
            self.recorder.record(What::PowerCut { board, evidence: Evidence::Contradicted, detail });
        }
    }
}
