//! What happens when a scenario has ended, or its host is lost.

use hil_scenario::{AttemptEnd, Ended, STOPPED};
use hil_schedule::{Outcome, PlaceId};
use hil_timeline::{Failure, ScenarioId, Verdict, What};

use super::super::host::HostEnd;
use super::{Dispatch, Entry, Handed, Leaving};
use crate::protocol::ToAgent;

impl Dispatch {
    /// A scenario has ended on its host.
    pub(super) fn done(&mut self, member: usize, id: ScenarioId, end: AttemptEnd) {
        let is_its = self.handed.get(&id).is_some_and(|handed| handed.member == member);
        let Some(handed) = is_its.then(|| self.handed.remove(&id)).flatten() else { return };
        let AttemptEnd { verdict, transient, suspects } = self.as_recorded(member, id, end);
        let is_errored = verdict == Verdict::Errored;
        let is_suspect = |place: &PlaceId| is_errored && suspects.contains(&self.scheduler.place(*place).board);
        let suspects: Vec<_> = handed.places.iter().copied().filter(is_suspect).collect();
        let replaceable = suspects.iter().filter(|place| self.has_another(handed.entry.scenario, **place));
        let replaceable: Vec<_> = replaceable.copied().collect();
        self.release(&handed, &suspects);
        let mut entry = handed.entry;
        if is_errored {
            // The next attempt goes to other boards if there are others.
            entry.avoids.extend(if suspects.is_empty() { handed.places } else { suspects });
        }
        let is_retried = self.judge(&entry, verdict, transient || !replaceable.is_empty());
        for place in replaceable {
            let board = self.scheduler.place(place).board.clone();
            let again = if is_retried { "; the retry prefers another board that fits" } else { "" };
            let note = format!("suspect in `{}`{again}", self.planned[entry.scenario].info.name);
            self.members[member].record.note(What::Bench { board, note });
        }
    }

    /// Whether scenarios of a host may end as aborted: the run is, or the host was asked to end.
    pub(super) fn may_abort(&self, member: usize) -> bool {
        *self.running.abort.borrow() || self.members[member].is_ending
    }

    /// How a scenario ended: as recorded. One without an end must not pass.
    fn as_recorded(&mut self, member: usize, id: ScenarioId, end: AttemptEnd) -> AttemptEnd {
        if let Some(verdict) = self.members[member].record.verdict(id) {
            return AttemptEnd { verdict, ..end };
        }
        let is_aborted = end.verdict == Verdict::Aborted && !self.may_abort(member);
        let message = if is_aborted {
            "its host ended it: its agent was sent a signal, or heard nothing for too long"
        } else {
            // Its record may be full, or the agent be wrong.
            "its host did not say how it ended"
        };
        let failure = Failure { message: message.to_owned(), details: Vec::new(), hint: None };
        self.members[member].record.end(id, Verdict::Errored, failure);
        AttemptEnd { verdict: Verdict::Errored, transient: true, suspects: Vec::new() }
    }

    /// Whether another board fits where this one does.
    fn has_another(&self, scenario: usize, place: PlaceId) -> bool {
        let is_other = |other: &PlaceId| *other != place && !self.scheduler.is_set_aside(*other);
        self.roles(scenario).values().any(|fits| fits.contains(&place) && fits.iter().any(is_other))
    }

    /// Frees the boards of a scenario; a board on which the bench fails again is set aside.
    fn release(&mut self, handed: &Handed, suspects: &[PlaceId]) {
        let outcome = if suspects.is_empty() { Outcome::Done } else { Outcome::BenchFault(suspects.to_vec()) };
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
        member.has_left |= member.places.is_empty();
        let note = format!("the run may not use it any more: {why}");
        member.record.note(What::Bench { board: board.clone(), note });
        self.gone.push(Leaving { host: host.clone(), board: board.clone(), why: why.clone() });
        self.scheduler.set_aside(place);
        // Those that wait for this board alone must not get it either.
        self.use_new_boards();
    }

    /// Ends the agents of hosts that have no board of the run any more: another user has them now, and needs their locks.
    pub(super) async fn retire(&mut self) {
        for number in 0..self.members.len() {
            let member = &mut self.members[number];
            let is_busy = self.handed.values().any(|handed| handed.member == number);
            if !member.has_left || is_busy || member.is_ending || member.end.is_some() {
                continue;
            }
            member.is_ending = true;
            self.scheduler.lose_host(member.name.as_str());
            member.send(ToAgent::Finish).await;
        }
    }

    /// Notes how an attempt ended, and adds the next one if it is retried; whether it is.
    fn judge(&mut self, entry: &Entry, verdict: Verdict, transient: bool) -> bool {
        let info = &self.planned[entry.scenario].info;
        let key = info.key();
        let (tags, suspects) = (info.tags.clone(), Vec::new());
        self.course.note_end(Ended { key: key.clone(), tags, verdict, transient, suspects });
        let is_over = self.course.is_stopped() || *self.running.abort.borrow();
        let is_retried = self.course.take_again().contains(&key) && !is_over;
        if is_retried {
            self.add(Entry { attempt: entry.attempt + 1, ..entry.clone() });
        }
        is_retried
    }

    /// A host is gone: what ran there is errored, and what had not begun runs elsewhere.
    pub(super) fn lose(&mut self, member: usize, why: &str) {
        if self.members[member].end.is_some() {
            return;
        }
        let (name, why) = (self.members[member].name.clone(), hil_timeline::escaped(why).to_string());
        self.members[member].end = Some(HostEnd::lost(why.clone()));
        self.members[member].record.note(What::HostLost { reason: why.clone() });
        self.lost.insert(name.clone(), why.clone());
        // The lab may give other boards in place of those.
        let _ = self.running.lost.send((name.clone(), why.clone()));
        let on_it: Vec<_> =
            self.handed.iter().filter(|(_, handed)| handed.member == member).map(|(id, _)| *id).collect();
        let handed: Vec<_> = on_it.into_iter().filter_map(|id| Some((id, self.handed.remove(&id)?))).collect();
        self.scheduler.lose_host(name.as_str());
        for (id, Handed { entry, .. }) in handed {
            if let Some(verdict) = self.members[member].record.verdict(id) {
                // Only the agent's last word on it is missing.
                self.judge(&entry, verdict, verdict == Verdict::Errored);
                continue;
            }
            if !self.members[member].record.has_begun(id) {
                // No attempt was made.
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
