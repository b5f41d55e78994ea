//! Connections that do not come from the board.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hil_config::Subnet;
use parking_lot::{Mutex, MutexGuard};

/// Whom a port expects, and who else has come.
#[derive(Debug, Default)]
pub(super) struct Strangers(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    expected: Vec<Subnet>,
    seen: BTreeSet<IpAddr>,
}

impl Strangers {
    pub(super) fn expect(&self, addresses: &[Subnet]) {
        self.lock().expected = addresses.to_vec();
    }

    /// Whether the board may have this address.
    pub(super) fn is_expected(&self, address: IpAddr) -> bool {
        let known = self.lock();
        known.expected.is_empty() || known.expected.iter().any(|subnet| subnet.contains(address))
    }

    /// Whether it is to be recorded: each address once, since one may knock for ever.
    pub(super) fn is_new(&self, address: IpAddr) -> bool {
        /// Of a scenario.
        const RECORDED: usize = 64;
        let mut known = self.lock();
        known.seen.len() < RECORDED && known.seen.insert(address)
    }

    /// The next scenario records its own.
    pub(super) fn forget(&self) {
        self.lock().seen.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock()
    }
}
