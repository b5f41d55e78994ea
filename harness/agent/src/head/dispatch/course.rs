//! What happens when a scenario has ended, or its host is lost.

use hil_scenario::{Ended, STOPPED};
use hil_schedule::Outcome;
use hil_timeline::{Failure, ScenarioId, Verdict, What};

use super::super::host::HostEnd;
use super::{Dispatch, Entry, Handed, Leaving};

impl Dispatch {
    /// A scenario has ended on its host.
    pub(super) fn done(&mut self, member: usize, id: ScenarioId, verdict: Verdict, transient: bool) {
        let is_its = self.handed.get(&id).is_some_and(|handed| handed.member == member);
        let Some(handed) = is_its.then(|| self.handed.remove(&id)).flatten() else { return };
        let (mut verdict, mut transient) = (verdict, transient);
        if self.members[member].record.is_open(id) {
            // Its record may be full, or the agent be wrong: a scenario without an end must not pass.
            (verdict, transient) = (Verdict::Errored, true);
            let message = "its host did not say how it ended".to_owned();
            self.members[member].record.end(id, verdict, Failure { message, details: Vec::new(), hint: None });
        }
        self.release(&handed, verdict == Verdict::Errored && transient);
        let mut entry = handed.entry;
        if verdict == Verdict::Errored && transient {
            // The next attempt goes to other boards if there are others.
            entry.avoids.extend(handed.places);
        }
        self.judge(&entry, verdict, transient);
    }

    /// Frees the boards of a scenario; a board on which the bench fails again is set aside.
    fn release(&mut self, handed: &Handed, is_fault: bool) {
        let outcome = if is_fault { Outcome::BenchFault(handed.places.clone()) } else { Outcome::Done };
        for place in self.scheduler.release(handed.job, &outcome) {
            let board = self.scheduler.place(place).board.clone();
            let reasons = vec!["the bench failed on it twice; the scenarios say how".to_owned()];
            self.members[handed.member].record.note(What::SetAside { board, reasons });
        }
    }

    /// Nothing else begins on a board that the run may not use any more.
    pub(super) fn leave(&mut self, Leaving { host, board, why }: &Leaving) {
        let Some(member) = self.members.iter_mut().find(|member| member.name == *host) else { return };
        let Some(place) = member.places.remove(board) else { return };
        let note = format!("the run may not use it any more: {why}");
        member.record.note(What::Bench { board: board.clone(), note });
        self.scheduler.set_aside(place);
        // Those that wait for this board alone must not get it either.
        self.use_new_boards();
    }

    /// Notes how an attempt ended, and adds the next one if it is retried.
    fn judge(&mut self, entry: &Entry, verdict: Verdict, transient: bool) {
        let info = &self.planned[entry.scenario].info;
        let key = info.key();
        self.course.note_end(Ended { key: key.clone(), tags: info.tags.clone(), verdict, transient });
        let is_over = self.course.is_stopped() || *self.running.abort.borrow();
        if self.course.take_again().contains(&key) && !is_over {
            self.add(Entry { attempt: entry.attempt + 1, ..entry.clone() });
        }
    }

    /// A host is gone: what ran there is errored, and what had not begun runs elsewhere.
    pub(super) fn lose(&mut self, member: usize, why: &str) {
        if self.members[member].end.is_some() {
            return;
        }
        let (name, why) = (self.members[member].name.clone(), hil_timeline::escaped(why).to_string());
        self.members[member].end = Some(HostEnd::Lost(why.clone()));
        self.members[member].record.note(What::HostLost { reason: why.clone() });
        self.lost.insert(name.clone(), why.clone());
        let on_it: Vec<_> =
            self.handed.iter().filter(|(_, handed)| handed.member == member).map(|(id, _)| *id).collect();
        let handed: Vec<_> = on_it.into_iter().filter_map(|id| Some((id, self.handed.remove(&id)?))).collect();
        self.scheduler.lose_host(name.as_str());
        for (id, Handed { entry, .. }) in handed {
            if !self.members[member].record.is_open(id) {
                // It had not begun: no attempt was made.
                self.add(entry);
                continue;
            }
            let is_aborted = *self.running.abort.borrow();
            let verdict = if is_aborted { Verdict::Aborted } else { Verdict::Errored };
            let failure = Failure {
                message: format!("host `{name}` was lost while this scenario ran: {why}"),
                details: Vec::new(),
                hint: Some(
                    "its agent makes the boards safe by itself, and keeps the reports of what was on its host"
                        .to_owned(),
                ),
            };
            self.members[member].record.end(id, verdict, failure);
            self.judge(&entry, verdict, true);
        }
        self.use_new_boards();
    }

    /// Ends the scenarios that wait: the run has failed.
    pub(super) fn skip_the_rest(&mut self) {
        let parked = std::mem::take(&mut self.parked).into_iter().map(|entry| (None, entry));
        let waiting = std::mem::take(&mut self.waiting).into_iter().map(|(job, entry)| (Some(job), entry));
        for (job, entry) in waiting.chain(parked) {
            if let Some(job) = job {
                self.scheduler.withdraw(job);
            }
            let failure = Failure { message: STOPPED.to_owned(), details: Vec::new(), hint: None };
            self.ends_without_host(&entry, Verdict::Skipped, failure);
        }
    }
}
