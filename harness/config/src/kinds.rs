//! What other crates implement and a bench file names by a word.

use crate::broker_kind::BrokerKind;
use crate::emulator_preset::EmulatorPreset;
use crate::flasher::FlasherKind;
use crate::rail::RailKind;
use crate::reset::ResetKind;
use crate::spec::{Role, TableSpec, Variant};

/// A broker has the keys of `[broker]`, an emulator those of its board.
static NO_KEYS: &TableSpec = &TableSpec { keys: &[] };

/// The kinds that a bench file may name, as the crates that implement them describe them.
///
/// The reader knows no driver: each describes its keys and reads its own table.
#[derive(Debug, Clone, Default)]
pub struct Kinds {
    /// What switches a rail, by `driver`.
    pub rails: Vec<RailKind>,
    /// How a chip is reset, by `strategy`.
    pub resets: Vec<ResetKind>,
    /// What writes a flash.
    pub flashers: Vec<FlasherKind>,
    /// Brokers other than [`BrokerKind::DEFAULT`].
    pub brokers: Vec<&'static BrokerKind>,
    /// Emulators, by `preset`.
    pub emulators: Vec<&'static EmulatorPreset>,
}

impl Kinds {
    /// The words of a place of the bench file, and the tables that they choose.
    pub(crate) fn variants(&self, role: Role) -> Vec<Variant> {
        match role {
            Role::Rail => self.rails.iter().map(|kind| (kind.word, kind.keys)).collect(),
            Role::Reset => self.resets.iter().map(|kind| (kind.word, kind.keys)).collect(),
            Role::Broker => self.all_brokers().map(|kind| (kind.word, NO_KEYS)).collect(),
            Role::Emulator => self.emulators.iter().map(|preset| (preset.word, NO_KEYS)).collect(),
            Role::Flasher => self.flashers.iter().map(|kind| (kind.word, kind.keys)).collect(),
        }
    }

    /// The default kind of broker, and the others.
    pub(crate) fn all_brokers(&self) -> impl Iterator<Item = &'static BrokerKind> {
        std::iter::once(BrokerKind::DEFAULT).chain(self.brokers.iter().copied())
    }
}
