//! The events in memory: all of them but for old console lines, which live on the disk.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use crate::event_log::EventLog;
use crate::{RunEvent, What};

/// Console lines that are kept in memory; about 20 MB. A board that talks without end must not fill it.
const LINES_KEPT: usize = 50_000;

/// What a place of the timeline holds.
#[derive(Debug)]
pub(crate) enum Place {
    /// The event.
    Here(Arc<RunEvent>),
    /// It is in the file; these are the event and those after it.
    OnDisk(VecDeque<Arc<RunEvent>>),
    /// Forgotten.
    Gone,
    /// Nothing has happened yet.
    Ahead,
}

#[derive(Debug)]
pub(crate) struct Store {
    events: Vec<Option<Arc<RunEvent>>>,
    /// Places of the console lines in memory (where old ones are forgotten: of packets too), oldest first.
    lines: VecDeque<usize>,
    lines_kept: usize,
    log: Option<EventLog>,
    /// Old lines are forgotten even though no file has them.
    forgetful: bool,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self { events: Vec::new(), lines: VecDeque::new(), lines_kept: LINES_KEPT, log: None, forgetful: false }
    }

    pub(crate) fn write_to(&mut self, path: &Path, mask: crate::Mask) -> std::io::Result<()> {
        let mut log = EventLog::create(path, mask)?;
        self.events.iter().flatten().for_each(|event| log.append(event));
        self.log = Some(log);
        Ok(())
    }

    pub(crate) fn forget_after(&mut self, lines: usize) {
        (self.forgetful, self.lines_kept) = (true, lines);
    }

    #[cfg(test)]
    pub(crate) fn keep_lines(&mut self, lines: usize) {
        self.lines_kept = lines;
    }

    pub(crate) fn len(&self) -> u64 {
        self.events.len() as u64
    }

    pub(crate) fn push(&mut self, event: Arc<RunEvent>) {
        if let Some(log) = &mut self.log {
            log.append(&event);
        }
        self.keep(event);
    }

    /// Appends what happened at once.
    pub(crate) fn push_all(&mut self, events: Vec<Arc<RunEvent>>) {
        if let Some(log) = &mut self.log {
            log.append_all(events.iter().map(AsRef::as_ref));
        }
        events.into_iter().for_each(|event| self.keep(event));
    }

    fn keep(&mut self, event: Arc<RunEvent>) {
        // Packets are looked back at by steps; who forgets has none.
        let may_go = match event.what {
            What::Console { .. } => true,
            What::Packet { .. } | What::Connection { .. } => self.forgetful,
            _ => false,
        };
        if may_go {
            self.lines.push_back(self.events.len());
        }
        self.events.push(Some(event));
        // What could not be written is kept.
        let is_safe = self.forgetful || self.log.as_ref().is_some_and(|log| log.failure().is_none());
        while self.lines.len() > self.lines_kept && is_safe {
            if let Some(oldest) = self.lines.pop_front() {
                self.events[oldest] = None;
            }
        }
    }

    /// The events in memory from a place on.
    pub(crate) fn since(&self, from: u64) -> Vec<Arc<RunEvent>> {
        let start = usize::try_from(from).unwrap_or(usize::MAX).min(self.events.len());
        self.events[start..].iter().flatten().cloned().collect()
    }

    pub(crate) fn get(&self, seq: u64) -> Place {
        let Some(slot) = usize::try_from(seq).ok().and_then(|seq| self.events.get(seq)) else { return Place::Ahead };
        match (slot, &self.log) {
            (Some(event), _) => Place::Here(Arc::clone(event)),
            (None, Some(log)) => match log.read_from(seq) {
                Ok(events) if !events.is_empty() => Place::OnDisk(events),
                // The file is somebody else's by now; there is nobody who could tell.
                _ => Place::Gone,
            },
            (None, None) => Place::Gone,
        }
    }

    pub(crate) fn write_failure(&self) -> Option<String> {
        self.log.as_ref().and_then(|log| log.failure().map(str::to_owned))
    }
}
