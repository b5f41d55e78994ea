//! Which boards of which hosts a scenario may use.

use std::collections::BTreeMap;

use hil_schedule::{CannotRun, Job, PlaceId};
use hil_timeline::{Failure, ScenarioId, Verdict};

use super::super::record::never_ran;
use super::members::Member;
use super::{ANY_HOST_THAT_FITS, Dispatch, Entry, Leaving};
use crate::protocol::Fit;

impl Dispatch {
    /// Adds a scenario to those that wait.
    pub(super) fn add(&mut self, mut entry: Entry) {
        let planned = &self.planned[entry.scenario];
        let mut job = Job::new().expected(planned.expected).avoiding(entry.avoids.iter().copied());
        let roles = self.roles(entry.scenario);
        entry.roles = roles.keys().cloned().collect();
        for (role, fits) in roles {
            job = job.role(role, fits);
        }
        let id = self.scheduler.add_job(job);
        self.waiting.insert(id, entry);
    }

    /// The boards that a scenario names, each with those of all hosts that fit.
    pub(super) fn roles(&self, scenario: usize) -> BTreeMap<String, Vec<PlaceId>> {
        let key = self.planned[scenario].info.key();
        let known: Vec<_> = self.members.iter().filter(|member| member.is_here()).collect();
        let fit = |member: &&'_ Member| member.fits.get(&key).filter(|fit| fit.problems.is_empty()).cloned();
        let fitting: Vec<(&Member, Fit)> = known.iter().filter_map(|member| Some((*member, fit(member)?))).collect();
        // Where it would be skipped, it runs only if it would be skipped everywhere.
        let (full, skipping): (Vec<_>, Vec<_>) = fitting.into_iter().partition(|(_, fit)| fit.lacking.is_none());
        let chosen = if full.is_empty() { skipping } else { full };
        let mut roles: BTreeMap<String, Vec<PlaceId>> = BTreeMap::new();
        for (member, fit) in &chosen {
            let named = fit.boards.iter().map(|board| (board, std::slice::from_ref(board)));
            let played = fit.roles.iter().map(|role| (&role.role, role.boards.as_slice()));
            for (name, boards) in named.chain(played) {
                let places = boards.iter().filter_map(|board| member.places.get(board).copied());
                roles.entry(name.clone()).or_default().extend(places);
            }
        }
        if roles.is_empty() && chosen.len() < known.len() {
            let spare = chosen.iter().flat_map(|(member, _)| member.spare.iter().copied()).collect();
            roles.insert(ANY_HOST_THAT_FITS.to_owned(), spare);
        }
        roles
    }

    /// Lets waiting scenarios use the boards that there are now: a host has joined, or a board has left.
    pub(super) fn use_new_boards(&mut self) {
        std::mem::take(&mut self.parked).into_iter().for_each(|entry| self.add(entry));
        for (job, entry) in std::mem::take(&mut self.waiting) {
            if self.scheduler.withdraw(job) {
                self.add(entry);
            }
        }
    }

    /// Scenarios that no board fits do not wait any more.
    pub(super) fn wait_for_no_host(&mut self) {
        self.may_join = false;
        self.use_new_boards();
    }

    /// Ends scenarios that can't run any more, because hosts were lost or boards were set aside; or lets them wait for a
    /// host that joins.
    pub(super) fn give_up(&mut self) {
        for (job, reason) in self.scheduler.cannot_run() {
            let Some(entry) = self.waiting.remove(&job) else { continue };
            if self.may_join {
                self.parked.push(entry);
                continue;
            }
            let lost = self.lost.iter().map(|(host, why)| format!("host `{host}` was lost: {why}"));
            let details =
                self.misfits(entry.scenario).into_iter().chain(self.left(entry.scenario)).chain(lost).collect();
            let message = match &reason {
                CannotRun::NoBoard { role } if role == ANY_HOST_THAT_FITS => {
                    "it could not run: no host of this run fits".to_owned()
                }
                reason => format!("it could not run: {reason}"),
            };
            self.ends_without_host(&entry, Verdict::Errored, Failure { message, details, hint: None });
        }
    }

    /// Why hosts of the run can't run a scenario.
    fn misfits(&self, scenario: usize) -> Vec<String> {
        let key = self.planned[scenario].info.key();
        let here = self.members.iter().filter(|member| member.is_here());
        let of_host = |member: &Member| -> Vec<String> {
            let host = format!("host `{}`", member.name);
            let problems = member.fits.get(&key).into_iter().flat_map(|fit| &fit.problems);
            let with_host = |problem: &String| {
                if problem.contains(&host) { problem.clone() } else { format!("{host}: {problem}") }
            };
            problems.map(with_host).collect()
        };
        here.flat_map(of_host).collect()
    }

    /// The boards for a scenario that the run had and may not use any more.
    fn left(&self, scenario: usize) -> Vec<String> {
        let key = self.planned[scenario].info.key();
        let fits = |Leaving { host, board, .. }: &&Leaving| {
            let fit = self.members.iter().find(|member| member.name == *host).and_then(|member| member.fits.get(&key));
            fit.is_some_and(|fit| {
                fit.boards.iter().chain(fit.roles.iter().flat_map(|role| &role.boards)).any(|b| b == board)
            })
        };
        let says =
            |Leaving { host, board, why }: &Leaving| format!("board `{board}` of host `{host}` left the run: {why}");
        self.gone.iter().filter(fits).map(says).collect()
    }

    /// Records a scenario that runs nowhere.
    pub(super) fn ends_without_host(&mut self, entry: &Entry, verdict: Verdict, failure: Failure) {
        let info = self.planned[entry.scenario].info.clone();
        let id = ScenarioId(self.next_id);
        self.next_id += 1;
        never_ran(&self.running.timeline, id, (&info, entry.attempt, self.repetition), (verdict, failure));
        let (key, tags) = (info.key(), info.tags);
        self.course.note_end(hil_scenario::Ended { key, tags, verdict, transient: false, suspects: Vec::new() });
        // It can't be retried either.
        let _ = self.course.take_again();
    }
}
