//! Tells connections of the board from those of other peers.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hil_config::Subnet;
use parking_lot::{Mutex, MutexGuard};

/// The addresses that a port expects, and the other ones that connected.
#[derive(Debug, Default)]
pub(super) struct ExpectedPeers(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    expected: Vec<Subnet>,
    seen: BTreeSet<IpAddr>,
}

impl ExpectedPeers {
    pub(super) fn expect(&self, addresses: &[Subnet]) {
        self.lock().expected = addresses.to_vec();
    }

    /// Whether the board may have this address.
    pub(super) fn is_expected(&self, address: IpAddr) -> bool {
        let known = self.lock();
        known.expected.is_empty() || known.expected.iter().any(|subnet| subnet.contains(address))
    }

    /// Whether to record this address: once each, since a peer may retry forever.
    pub(super) fn is_new(&self, address: IpAddr) -> bool {
        /// In one scenario.
        const RECORDED: usize = 64;
        let mut known = self.lock();
        known.seen.len() < RECORDED && known.seen.insert(address)
    }

    /// The next scenario records them again.
    pub(super) fn forget(&self) {
        self.lock().seen.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock()
    }
}
