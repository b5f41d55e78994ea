//! What a bench can do only with virtual boards.

use std::sync::Arc;
use std::time::Duration;

use hil_timeline::{Effect, FaultPhase, Runs, Stamp, What};
use hil_virtual_board::Names;

use super::Board;
use crate::error::BenchError;
use crate::virtual_board::{Fall, FlashMoment, FlashWork, VirtualDevice};

impl Board {
    /// Takes the access point of a virtual board away, or brings it back; None if the board is not virtual.
    ///
    /// # Errors
    /// If its firmware is not executed: it would not notice.
    pub async fn set_access_point(&self, present: bool) -> Result<Option<Effect>, BenchError> {
        let Some(device) = &self.executes else { return Ok(None) };
        let begin = self.here();
        device.set_access_point(self.name(), present).await?;
        let phase = if present { FaultPhase::Ends } else { FaultPhase::Begins };
        let fault = "access point away".to_owned();
        Ok(Some(Effect::since(begin, &self.scope.record(|board| What::Fault { board, fault, phase }))))
    }

    /// The names of a virtual board's network; None if the board is not virtual.
    #[must_use]
    pub fn names(&self) -> Option<&Names> {
        self.executes.as_ref().map(VirtualDevice::names)
    }

    /// The same, if its firmware asks the network for names.
    ///
    /// # Errors
    /// If it does not: this machine, or a network that the bench does not control, resolves them.
    pub fn asked_names(&self) -> Result<&Names, BenchError> {
        let Some(device) = &self.executes else {
            let runs = self.runs.map_or("on a network of its own", Runs::word);
            return Err(BenchError::NoNameServer { board: self.name().to_owned(), runs });
        };
        device.check_names(self.name())?;
        Ok(device.names())
    }

    /// Brings the access point back at the end of its use.
    pub async fn restore_access_point(&self) {
        if let Some(device) = &self.executes {
            device.restore_access_point().await;
        }
    }

    /// Offers an ELF file whose program the board may load by itself: a virtual board takes the names of functions from it,
    /// which it needs for Wi-Fi.
    pub fn offer_elf(&self, elf: Arc<[u8]>) {
        if let Some(device) = &self.executes {
            device.offer_elf(elf);
        }
    }

    /// Notes from now on what the flash of a virtual board does; false if the board is not virtual, or its firmware is not
    /// executed: it is unknown what the flash of others does.
    pub fn note_flash(&self) -> bool {
        let device = self.executes.as_ref().filter(|device| device.is_executed());
        device.map(VirtualDevice::note_flash).is_some()
    }

    /// What the flash of a virtual board has done since then.
    #[must_use]
    pub fn noted_flash(&self) -> Vec<FlashWork> {
        self.executes.as_ref().map(VirtualDevice::noted_flash).unwrap_or_default()
    }

    /// Lets the supply of a virtual board's flash and processor fall at an exact moment: both stand still until the power is
    /// cut, which must follow at once. Counted since [`Board::note_flash`]; none if the moment is over, or the board is not
    /// virtual.
    #[must_use]
    pub fn fall_at(&self, moment: FlashMoment) -> Option<Fall> {
        self.executes.as_ref()?.fall_at(moment)
    }

    /// How much less time than a chip its firmware got since a moment, because this machine executed it too slowly; zero if
    /// the board is not virtual.
    #[must_use]
    pub fn behind_since(&self, from: Stamp) -> Duration {
        self.executes.as_ref().map(|device| device.behind_since(from)).unwrap_or_default()
    }
}
