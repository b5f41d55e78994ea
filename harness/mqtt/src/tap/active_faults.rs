//! The faults of a board that have begun and not ended.

use hil_link::Silence;
use parking_lot::{Mutex, MutexGuard};

use super::fault::Fault;

/// In the order in which they began.
#[derive(Debug, Default)]
pub(super) struct ActiveFaults(Mutex<Faults>);

#[derive(Debug, Default)]
struct Faults {
    begun: u64,
    all: Vec<Begun>,
}

/// A fault that has begun.
#[derive(Debug)]
pub(super) struct Begun {
    number: u64,
    pub(super) fault: Fault,
    /// The silence that it caused, if any.
    pub(super) silence: Option<Silence>,
}

impl ActiveFaults {
    /// Adds a fault that begins; its number distinguishes it from equal ones.
    pub(super) fn begin(&self, fault: &Fault, silence: Option<Silence>) -> u64 {
        let mut faults = self.lock();
        faults.begun += 1;
        let number = faults.begun;
        faults.all.push(Begun { number, fault: fault.clone(), silence });
        number
    }

    /// Removes a fault, unless it ended together with all others.
    pub(super) fn end(&self, number: u64) -> Option<Begun> {
        self.remove(|begun| begun.number == number)
    }

    /// Removes the latest fault equal to this one; other equal ones stay active.
    pub(super) fn end_like(&self, fault: &Fault) -> Option<Begun> {
        self.remove(|begun| begun.fault == *fault)
    }

    /// Removes all faults.
    pub(super) fn end_all(&self) -> Vec<Fault> {
        std::mem::take(&mut self.lock().all).into_iter().map(|begun| begun.fault).collect()
    }

    fn remove(&self, matches: impl Fn(&Begun) -> bool) -> Option<Begun> {
        let mut faults = self.lock();
        let at = faults.all.iter().rposition(matches)?;
        Some(faults.all.remove(at))
    }

    fn lock(&self) -> MutexGuard<'_, Faults> {
        self.0.lock()
    }
}
