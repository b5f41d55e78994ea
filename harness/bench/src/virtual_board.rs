//! The virtual board as port, power, reset and pins of a bench.

use std::path::PathBuf;
use std::sync::Arc;

use hil_config::{Board, PinDirection};
use hil_timeline::{PinCause, What};
use hil_virtual_board::{Options, VirtualBoard};

use crate::error::BenchError;
use crate::power::{PowerDriver, Switching};
use crate::reset::{ResetDriver, ResetInto, Resetting};
use crate::scope::Scope;

/// All that a bench needs of a virtual board.
#[derive(Debug, Clone)]
pub(crate) struct VirtualDevice(Arc<VirtualBoard>);

impl VirtualDevice {
    /// Starts the board, without power; its pins are sensed from here on.
    pub(crate) fn start(config: &Board, scope: &Scope) -> Result<Self, BenchError> {
        let sensed: Vec<_> = config
            .pins
            .iter()
            .filter(|(_, pin)| pin.direction == PinDirection::Sense)
            .map(|(name, pin)| (name.clone(), pin.line, pin.active_low))
            .collect();
        let scope = scope.clone();
        let name = config.name.to_string();
        let on_pin = move |gpio: u8, high: bool| {
            for (pin, _, active_low) in sensed.iter().filter(|(_, line, _)| *line == gpio) {
                let on = high != *active_low;
                scope.record(|board| What::Pin { board, pin: pin.clone(), on, cause: PinCause::Sensed });
            }
        };
        let options =
            Options { mac: mac_of(&name), misbehaves: config.misbehaves.clone(), on_pin: Some(Arc::new(on_pin)) };
        let board = VirtualBoard::start(options)
            .map_err(|error| BenchError::NotStarted { board: name, reason: error.to_string() })?;
        Ok(Self(Arc::new(board)))
    }

    pub(crate) fn port(&self) -> Option<PathBuf> {
        self.0.port()
    }

    pub(crate) async fn drive(&self, gpio: u8, high: bool) {
        self.0.drive(gpio, high).await;
    }
}

/// A locally administered MAC that stays the same for a board's name, so that client ids don't change between runs.
fn mac_of(name: &str) -> [u8; 6] {
    // FNV-1a, 32 bits.
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let [a, b, c, d] = hash.to_be_bytes();
    [0x02, 0x00, a, b, c, d]
}

impl PowerDriver for VirtualDevice {
    fn switch(&self, on: bool) -> Switching<'_> {
        Box::pin(async move {
            self.0.set_rail(on).await;
            Ok(())
        })
    }

    fn rail(&self) -> &str {
        "virtual"
    }
}

impl ResetDriver for VirtualDevice {
    fn reset(&self, into: ResetInto) -> Resetting<'_> {
        Box::pin(async move {
            self.0.set_enable(false).await;
            self.0.drive_boot_pin(into == ResetInto::App).await;
            self.0.set_enable(true).await;
            Ok(())
        })
    }

    fn describe(&self) -> &str {
        "EN pulled low and released"
    }
}
