//! Hosts that a lab names: before the run, and while it goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use hil_agent::head::{self, Connecting, Host, HostError, Joining, Leaving, Planned};
use hil_agent::protocol::Work;
use hil_agent::{HostSpec, Project};
use hil_config::Fleet;
use hil_labgrid::{CoordinatorAddress, LabEvent, Lease, Leases, Owner, Place, PlaceProblem, TagFilter, Want};
use hil_report::inert;
use hil_timeline::HostName;
use tokio::sync::mpsc::error::SendError;
use tokio::sync::mpsc::{Sender, UnboundedReceiver};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::commands::fleet;
use crate::exit_code::ExitCode;
use crate::output::{Message, set_up_failed, warn};

/// The boards that a run has of a lab, and the hosts that they are on.
pub(super) struct Lab {
    leases: Leases,
    events: UnboundedReceiver<LabEvent>,
    connecting: Connecting,
    work: Work,
    project: Project,
    /// Where each place is: its host in this run, and its board there.
    places: BTreeMap<String, (HostName, String)>,
    /// Whether the lab has given what the run needs to begin.
    has_begun: bool,
    /// How much longer the run waits for boards to begin with. Connecting to their hosts has limits of its own.
    patience: Duration,
    /// Whether all boards that were given last had been given before.
    are_tried: bool,
}

/// A host of the lab, and what the run has there.
struct Group {
    spec: HostSpec,
    leases: Vec<Lease>,
}

impl Lab {
    /// Asks the lab for boards. Nothing waits yet.
    pub(super) async fn begin(
        (fleet, coordinator): (&Fleet, &CoordinatorAddress),
        connecting: Connecting,
        (mut work, project): (Work, Project),
        run: &str,
    ) -> Result<Self, ExitCode> {
        let want = want(fleet)?;
        let owner = Owner::new(&fleet::host_name(), run);
        let begun = Leases::begin(coordinator, &owner, want).await;
        let (leases, events) = begun.map_err(|error| fleet::failed(&error))?;
        // A board that another process uses, past the lab, is left alone: there are others.
        work.wait = false;
        let (places, has_begun, are_tried) = (BTreeMap::new(), false, false);
        Ok(Self { leases, events, connecting, work, project, places, has_begun, patience: fleet.wait, are_tried })
    }

    /// Hosts with boards of this run; they know what is to run, and have nothing open. None if the wait is over.
    pub(super) async fn hosts(&mut self) -> Result<Option<Vec<Host>>, ExitCode> {
        let mut joined = Vec::new();
        loop {
            let begin = Instant::now();
            let event = if !self.has_begun {
                // The lab itself says what it lacks.
                self.events.recv().await
            } else if self.patience.is_zero() {
                return Ok(None);
            } else {
                let Ok(event) = tokio::time::timeout(self.patience, self.events.recv()).await else { return Ok(None) };
                event
            };
            self.waited(begin);
            match event {
                Some(LabEvent::Joined(lease)) => joined.push(lease),
                Some(LabEvent::Begun) => self.has_begun = true,
                Some(LabEvent::Failed(error)) => return Err(fleet::failed(&error)),
                Some(other) => {
                    say(&other);
                }
                None => return Err(ended()),
            }
            if self.has_begun && !joined.is_empty() {
                self.are_tried = joined.iter().all(|lease| self.places.contains_key(&lease.note.place));
                let begin = Instant::now();
                let hosts = self.connected(std::mem::take(&mut joined)).await;
                if !hosts.is_empty() {
                    return Ok(Some(hosts));
                }
                self.tried(begin);
            }
        }
    }

    fn waited(&mut self, since: Instant) {
        self.patience = self.patience.saturating_sub(since.elapsed());
    }

    /// Some hosts could not be used. The lab gives their boards again, however often that happens: what was tried before
    /// counts as waiting.
    pub(super) fn tried(&mut self, since: Instant) {
        if self.are_tried {
            self.waited(since);
        }
    }

    /// Opens the boards of hosts that scenarios need, and gives the others back. Hosts that can't are left.
    pub(super) async fn opened(&mut self, hosts: Vec<Host>, planned: &[Planned]) -> Vec<Host> {
        let opened = join_all(hosts.into_iter().map(|host| self.open(host, planned))).await;
        opened.into_iter().flatten().collect()
    }

    async fn open(&self, mut host: Host, planned: &[Planned]) -> Option<Host> {
        let boards = head::boards_needed(&host, planned);
        let idle = self.places_of(host.name()).filter(|(_, board)| !boards.contains(*board));
        idle.for_each(|(place, _)| self.leases.give_back(place));
        if boards.is_empty() {
            host.leave().await;
            return None;
        }
        match host.open(boards).await {
            Ok(()) => Some(host),
            Err(error) => {
                self.refuse(host.name(), &error);
                host.leave().await;
                None
            }
        }
    }

    fn places_of(&self, host: &HostName) -> impl Iterator<Item = (&str, &str)> {
        let of_host = self.places.iter().filter(move |(_, (name, _))| name == host);
        of_host.map(|(place, (_, board))| (place.as_str(), board.as_str()))
    }

    /// Another board is used instead of those of a host.
    fn refuse(&self, host: &HostName, error: &HostError) {
        warn(format!("warning: {}; another board is used", inert(&error.to_string())));
        self.places_of(host).for_each(|(place, _)| self.leases.refuse(place, &error.to_string()));
    }

    /// Connects to the hosts of some boards and sends them what is to run; leaves those that can't.
    async fn connected(&mut self, leases: Vec<Lease>) -> Vec<Host> {
        let groups = self.grouped(leases);
        for group in &groups {
            for lease in &group.leases {
                let place = (group.spec.name.clone(), lease.board.clone());
                self.places.insert(lease.note.place.clone(), place);
            }
        }
        let connect = async |group: Group| {
            let name = group.spec.name.clone();
            let note = |lease: &Lease| serde_json::to_string(&lease.note).unwrap_or_default();
            let work = Work { leases: group.leases.iter().map(note).collect(), ..self.work.clone() };
            let prepared = async {
                let mut host = Host::connect(group.spec, &self.connecting).await?;
                match host.prepare(work, &self.project).await {
                    Ok(()) => Ok(host),
                    Err(error) => {
                        host.leave().await;
                        Err(error)
                    }
                }
            };
            match prepared.await {
                Ok(host) => Some(host),
                Err(error) => {
                    self.refuse(&name, &error);
                    None
                }
            }
        };
        join_all(groups.into_iter().map(connect)).await.into_iter().flatten().collect()
    }

    /// Boards of one host in one group: each has one agent. A host that has one already gets another, with another name.
    fn grouped(&self, leases: Vec<Lease>) -> Vec<Group> {
        let mut taken: BTreeSet<_> = self.places.values().map(|(host, _)| host.clone()).collect();
        let mut groups: Vec<Group> = Vec::new();
        for lease in leases {
            let spec = match spec_of(&lease.host) {
                Ok(spec) => spec,
                Err(why) => {
                    warn(format!("warning: {}; another board is used", inert(&why)));
                    self.leases.refuse(&lease.note.place, &why);
                    continue;
                }
            };
            match groups.iter_mut().find(|group| group.spec.reach == spec.reach) {
                Some(group) => group.leases.push(lease),
                None => {
                    let name = unused(&spec.name, &taken);
                    taken.insert(name.clone());
                    groups.push(Group { spec: HostSpec { name, ..spec }, leases: vec![lease] });
                }
            }
        }
        for group in &mut groups {
            group.spec.boards = Some(group.leases.iter().map(|lease| lease.board.clone()).collect());
        }
        groups
    }

    /// Lets further boards join the run, and those leave it that the lab takes away, until the run is over. Then gives
    /// everything back.
    pub(super) async fn follow(
        mut self,
        planned: Arc<[Planned]>,
        (join, leave): (Sender<Joining>, Sender<Leaving>),
        mut losses: UnboundedReceiver<(HostName, String)>,
        mut over: oneshot::Receiver<()>,
    ) {
        // Hosts are being connected, or wait for it.
        let mut is_busy = false;
        loop {
            if is_busy && self.events.is_empty() {
                let _ = join.send(Joining::Idle).await;
                is_busy = false;
            }
            let event = tokio::select! {
                biased;
                _ = &mut over => break,
                Some((host, why)) = losses.recv() => {
                    // Another board may join in place of each; these are given back for others to use.
                    self.places_of(&host).for_each(|(place, _)| self.leases.refuse(place, &why));
                    continue;
                }
                event = self.events.recv() => event,
            };
            let Some(event) = event else { break };
            match event {
                LabEvent::Joined(lease) => {
                    let joined = async {
                        // The run may be over.
                        let _ = join.send(Joining::Busy).await;
                        is_busy = true;
                        let hosts = self.connected(vec![lease]).await;
                        for host in self.opened(hosts, &planned).await {
                            let host = Joining::Host(Box::new(host));
                            if let Err(SendError(Joining::Host(late))) = join.send(host).await {
                                late.leave().await;
                            }
                        }
                    };
                    // An agent whose connection is dropped ends by itself.
                    tokio::select! {
                        biased;
                        _ = &mut over => break,
                        () = joined => {}
                    }
                }
                LabEvent::Failed(error) => {
                    warn(inert(&format!("warning: {error}")));
                    // Everything was given back: others may have these boards now.
                    for (host, board) in self.places.values().cloned().collect::<Vec<_>>() {
                        let _ = leave.send(Leaving { host, board, why: error.to_string() }).await;
                    }
                }
                event => {
                    if let Some((place, problem)) = say(&event)
                        && let Some((host, board)) = self.places.get(place).cloned()
                    {
                        // The run may be over.
                        let _ = leave.send(Leaving { host, board, why: problem.to_string() }).await;
                    }
                }
            }
        }
        self.end().await;
    }

    /// Gives everything back.
    pub(super) async fn end(self) {
        self.leases.end().await;
    }
}

fn want(fleet: &Fleet) -> Result<Want, ExitCode> {
    let filter = TagFilter::new(&fleet.tags).map_err(|error| set_up_failed(&error, None))?;
    let tags: Vec<_> = fleet.tags.iter().map(|(tag, value)| format!("{tag} = {value}")).collect();
    Ok(Want {
        fits: Arc::new(move |place: &Place| filter.matches(&place.tags)),
        words: if tags.is_empty() { String::new() } else { format!(" with {}", tags.join(" and ")) },
        at_least: fleet.at_least,
        at_most: fleet.at_most,
        wait: fleet.wait,
        priority: f64::from(fleet.priority),
    })
}

/// How `ssh` reaches a host. The lab's tags are anyone's: what names a command or an option is refused.
fn spec_of(host: &str) -> Result<HostSpec, String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    let wrong = || format!("the lab names the host `{host}`, which is not a destination of ssh");
    if !host.chars().all(is_part) {
        return Err(wrong());
    }
    let mut hosts = HostSpec::parse([host]).map_err(|_| wrong())?;
    hosts.pop().ok_or_else(wrong)
}

/// A name that no host of the run has: `pi-a`, else `pi-a.2`.
fn unused(name: &HostName, taken: &BTreeSet<HostName>) -> HostName {
    let others = (2..).filter_map(|number| format!("{name}.{number}").parse().ok());
    std::iter::once(name.clone()).chain(others).find(|name| !taken.contains(name)).unwrap_or_else(|| name.clone())
}

/// Says what happens in the lab; what the run no longer has is returned.
fn say(event: &LabEvent) -> Option<(&str, &PlaceProblem)> {
    match event {
        LabEvent::Left { place, problem } => {
            warn(inert(&format!("warning: the run no longer has `{place}`: {problem}")));
            return Some((place, problem));
        }
        LabEvent::Skipped { place, problem } => {
            warn(inert(&format!("warning: `{place}` can't be used: {problem}; another board is used")));
            warn(inert(&format!("hint: {}", problem.hint(place))));
        }
        LabEvent::Freed(held) => {
            let (place, run, host) = (&held.place, held.owner.run(), held.owner.host());
            warn(inert(&format!("released `{place}`: run {run} on {host} had ended without giving it back")));
        }
        LabEvent::Lost(error) => warn(inert(&format!("warning: {error}; the run keeps its boards"))),
        LabEvent::Back => warn("the labgrid coordinator is back"),
        LabEvent::Failed(error) => warn(inert(&format!("warning: {error}"))),
        LabEvent::Joined(_) | LabEvent::Begun => {}
    }
    None
}

fn ended() -> ExitCode {
    set_up_failed(&Message("the lab has ended the run".to_owned()), Some("`hil fleet` lists its boards".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Anyone in the lab's network can set tags.
    #[test]
    fn a_tag_is_neither_a_command_nor_an_option() {
        for host in ["x=touch /tmp/x", "-oProxyCommand=x", "-l@pi-a", "a,b", "a b", "$(x)", ""] {
            assert!(spec_of(host).is_err(), "{host}");
        }
        assert_eq!(spec_of("pi@pi-a").expect("a host").name.as_str(), "pi-a");
    }

    #[test]
    fn another_agent_of_a_host_has_another_name() {
        let name: HostName = "pi-a".parse().expect("a name");
        let mut taken = BTreeSet::new();
        for expected in ["pi-a", "pi-a.2", "pi-a.3"] {
            let found = unused(&name, &taken);
            assert_eq!(found.as_str(), expected);
            taken.insert(found);
        }
    }
}
