//! Which firmware the boards of a scenario have.

use std::time::Duration;

use super::{Stage, unknown};
use crate::error::StepError;

impl Stage {
    /// Whether the firmware that a board runs is given the board's name.
    pub(crate) fn knows_its_name(&self, board: &str) -> bool {
        let firmware = self.flashed(board).and_then(|name| self.context.bench.config().firmware(name));
        firmware.is_some_and(|firmware| firmware.mentions("{board.name}"))
    }

    /// A firmware of the bench file.
    ///
    /// # Errors
    /// When the bench file has no firmware of that name.
    pub fn firmware(&self, name: &str) -> Result<hil_config::Firmware, StepError> {
        let config = self.context.bench.config();
        let known = || config.firmware.keys().map(hil_config::FirmwareName::as_str);
        config.firmware(name).cloned().ok_or_else(|| unknown(config, "firmware", name, known()))
    }

    /// What a firmware is on a board, for steps about updates.
    ///
    /// # Errors
    /// When the bench has no such firmware, or it can't run on that board.
    pub(crate) fn app_facts(&self, board: &str, firmware: &str) -> Result<Option<hil_bench::AppFacts>, StepError> {
        self.firmware(firmware)?;
        Ok(hil_bench::app_facts(self.context.bench.config(), board, firmware)?)
    }

    /// All firmware of the bench file, by name.
    pub(crate) fn firmware_names(&self) -> impl Iterator<Item = &str> {
        self.context.bench.config().firmware.keys().map(hil_config::FirmwareName::as_str)
    }

    /// The firmware that the scenario has flashed on a board.
    pub(crate) fn flashed(&self, board: &str) -> Option<&str> {
        self.flashed_all(board).last().map(String::as_str)
    }

    /// Every firmware that the scenario has flashed on a board, in order.
    pub(crate) fn flashed_all(&self, board: &str) -> &[String] {
        self.running.get(board).map(Vec::as_slice).unwrap_or_default()
    }

    /// Remembers which firmware a board runs: its time limits apply.
    pub(crate) fn note_firmware(&mut self, board: &str, firmware: &str) {
        self.running.entry(board.to_owned()).or_default().push(firmware.to_owned());
    }

    /// How long a board may take to connect.
    pub(crate) fn connects_within(&self, board: &str) -> Duration {
        let config = self.context.bench.config();
        let firmware = self.flashed(board).and_then(|name| config.firmware(name));
        hil_config::connects_within(config.board(board), firmware)
    }

    /// Remembers what the latest flash of a board wrote.
    pub(crate) fn note_flash(&mut self, board: &str, written: usize) {
        self.last_flash_written.insert(board.to_owned(), written);
    }

    /// Bytes that the latest flash of a board wrote in this scenario.
    #[must_use]
    pub fn last_flash_written(&self, board: &str) -> Option<usize> {
        self.last_flash_written.get(board).copied()
    }

    /// How long a board may take from its reset until its app is ready.
    pub(crate) fn ready_within(&self, board: &str) -> Duration {
        let config = self.context.bench.config();
        let firmware = self.flashed(board).and_then(|name| config.firmware(name));
        hil_config::ready_within(config.board(board), firmware)
    }
}
