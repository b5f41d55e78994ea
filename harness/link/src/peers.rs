//! Tells connections of the device from those of other peers.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

/// The addresses that a device may have, and the other ones that connected; cheap to clone, all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Peers(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    /// Without a rule every address is expected.
    rule: Option<Rule>,
    seen: BTreeSet<IpAddr>,
}

type Rule = Box<dyn Fn(IpAddr) -> bool + Send>;

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").field("seen", &self.seen).finish_non_exhaustive()
    }
}

impl Peers {
    /// Which addresses are expected from now on.
    pub fn expect(&self, rule: impl Fn(IpAddr) -> bool + Send + 'static) {
        self.lock().rule = Some(Box::new(rule));
    }

    /// Whether the device may have this address.
    #[must_use]
    pub fn is_expected(&self, address: IpAddr) -> bool {
        self.lock().rule.as_ref().is_none_or(|rule| rule(address))
    }

    /// Whether to record this address: once each, since a peer may retry forever.
    #[must_use]
    pub fn is_new(&self, address: IpAddr) -> bool {
        /// In one scenario.
        const RECORDED: usize = 64;
        let mut known = self.lock();
        known.seen.len() < RECORDED && known.seen.insert(address)
    }

    /// The next scenario records them again.
    pub fn forget(&self) {
        self.lock().seen.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock()
    }
}
