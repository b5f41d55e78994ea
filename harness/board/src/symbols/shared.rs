//! The symbols of what a board runs now.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Symbols, addresses};

/// Shared by a board and the capture of its console. The ELF file is read when the first panic needs it.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedSymbols(Arc<Mutex<State>>);

#[derive(Debug, Default)]
enum State {
    /// There is no ELF file, or an invalid one.
    #[default]
    None,
    Unread(Arc<[u8]>),
    Read(Box<Symbols>),
}

impl State {
    fn symbols(&mut self) -> Option<&Symbols> {
        if let Self::Unread(file) = self {
            *self = Symbols::of(file).map_or(Self::None, |symbols| Self::Read(Box::new(symbols)));
        }
        match self {
            Self::Read(symbols) => Some(symbols),
            Self::None | Self::Unread(_) => None,
        }
    }
}

impl SharedSymbols {
    /// From now on the board runs what was made from this ELF file, if it is known.
    pub(crate) fn set(&self, elf: Option<&Arc<[u8]>>) {
        *self.0.lock() = elf.map_or(State::None, |elf| State::Unread(Arc::clone(elf)));
    }

    /// Reads the file while the firmware still prints its panic.
    pub(crate) fn warm(&self) {
        if matches!(*self.0.lock(), State::Unread(_)) {
            let state = Arc::clone(&self.0);
            tokio::task::spawn_blocking(move || state.lock().symbols().is_some());
        }
    }

    /// Adds functions, files and lines to a panic's output: on the line of an address that is alone there, else after
    /// the line. Each address is decoded once: a stack may have it many times.
    pub(crate) fn decode(&self, output: &str) -> String {
        /// A dump of the stack may have hundreds of addresses.
        const MOST: usize = 24;
        let mut state = self.0.lock();
        let Some(symbols) = state.symbols() else { return output.to_owned() };
        let (mut seen, mut decoded) = (HashSet::new(), Vec::new());
        for line in output.lines() {
            decoded.push(line.to_owned());
            let is_alone =
                line.trim().strip_prefix("0x").is_some_and(|hex| addresses(line).map(|(hex, _)| hex).eq([hex]));
            for (_, address) in addresses(line) {
                if seen.len() >= MOST || !seen.insert(address) {
                    continue;
                }
                let places = symbols.places_at(address);
                if is_alone && !places.is_empty() {
                    decoded.pop();
                }
                decoded.extend(places.into_iter().map(|place| if is_alone { place } else { format!("  {place}") }));
            }
        }
        decoded.join("\n")
    }
}
