//! What the boards of a scenario get besides the broker: files.

use hil_services::{Behaviour, Files, NetworkClock, Offer};
use hil_timeline::{Exchange, What};
use hil_tls::CertificateFlaw;

use super::Stage;
use crate::error::StepError;

/// What a scenario offers to its boards.
#[derive(Debug, Default)]
pub(super) struct Services {
    files: Files,
    clock: NetworkClock,
}

impl Services {
    pub(super) fn offered(&self) -> (&Files, &NetworkClock) {
        (&self.files, &self.clock)
    }
}

/// What a step that offers an update captures, as `${captured:NAME}`.
pub(crate) const UPDATE_VALUES: &[&str] =
    &["update_url", "update_https_url", "update_path", "update_sha256", "update_size", "update_version"];

/// Where the app of a firmware is offered.
#[must_use]
pub(crate) fn update_path(firmware: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    format!("/{}.bin", firmware.chars().map(plain).collect::<String>())
}

impl Stage {
    /// Offers the app of a firmware over HTTP and HTTPS, at `/NAME.bin`; an earlier offer of it is replaced. Captures
    /// where and what it is. Without a board, the scenario must have exactly one.
    ///
    /// # Errors
    /// When the firmware has no app for that board.
    pub fn offer_update(&mut self, firmware: &str, board: Option<&str>, behaviour: Behaviour) -> Result<(), StepError> {
        let board = match board {
            Some(board) => board.to_owned(),
            None => self.only_board()?,
        };
        self.board(&board)?;
        let image = hil_bench::update_image(self.context.bench.config(), &board, firmware)?;
        let target = self.board(&board)?;
        let runs = target.running_as().unwrap_or(image.runs);
        if let Some(elf) = image.elf {
            target.offer_elf(elf);
        }
        let address = self.tap_address(&board).seen_by(runs);
        let (path, offer) = (update_path(firmware), Offer::new(image.bytes, behaviour));
        let values = [
            format!("{}{path}", address.http_url("http")),
            format!("{}{path}", address.http_url("https")),
            path.clone(),
            offer.sha256().to_owned(),
            offer.size().to_string(),
            image.version.unwrap_or_default(),
        ];
        for (name, value) in UPDATE_VALUES.iter().zip(values) {
            self.capture(&board, name, &value);
        }
        self.services.files.offer(&path, offer);
        Ok(())
    }

    /// The clock of the scenario's network.
    #[must_use]
    pub fn network_clock(&self) -> &NetworkClock {
        &self.services.clock
    }

    /// From now on the taps of the boards show a certificate with a flaw.
    ///
    /// # Errors
    /// When it can't be made, or the taps show none of their own.
    pub fn show_flawed_broker(&mut self, flaw: CertificateFlaw) -> Result<(), StepError> {
        let tls = self.context.network.flawed_tap(flaw)?;
        for board in self.boards.keys() {
            let Some(tap) = self.tap(board) else { continue };
            if tap.passes_tls() {
                let message = format!("the TLS of `{board}` passes the tap: the certificate is the broker's own");
                let hint = "`[tap] tls = \"terminate\"` lets the tap show certificates";
                return Err(StepError::errored(message).with_hint(hint));
            }
            tap.show(tls.clone());
        }
        Ok(())
    }

    /// From now on the files of the boards come with a certificate with a flaw.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn show_flawed_server(&mut self, flaw: CertificateFlaw) -> Result<(), StepError> {
        let tls = self.context.network.flawed_server(flaw)?;
        for board in self.boards.keys() {
            self.context.network.serve(board, self.services.offered(), Some(&tls), &self.recorder);
        }
        Ok(())
    }

    /// Checks that the network would carry a request of a board: otherwise it proves nothing that there is none.
    ///
    /// # Errors
    /// When the board is off, or its network is silent or refuses connections.
    pub fn check_reachable(&self, board: &str) -> Result<(), StepError> {
        let why = match self.tap(board) {
            _ if !self.is_powered(board) => "it has no power",
            Some(tap) if tap.control().is_silent() => "its network is silent",
            Some(tap) if tap.is_refusing() => "its connections are refused",
            _ => return Ok(()),
        };
        Err(StepError::errored(format!("no request of `{board}` could arrive: {why}")))
    }

    /// Whether a connection of a board for files is open.
    pub(crate) fn has_open_exchange(&self, board: &str) -> bool {
        let mut open = std::collections::BTreeSet::new();
        for event in self.events() {
            let What::Service { board: of, connection: Some(number), exchange, .. } = &event.what else { continue };
            match exchange {
                Exchange::Opened { .. } if of == board => drop(open.insert(*number)),
                Exchange::Closed { .. } | Exchange::Refused { .. } if of == board => drop(open.remove(number)),
                _ => {}
            }
        }
        !open.is_empty()
    }

    fn only_board(&self) -> Result<String, StepError> {
        let mut boards = self.boards.keys();
        match (boards.next(), boards.next()) {
            (Some(board), None) => Ok(board.clone()),
            (first, _) => {
                let what = if first.is_none() { "names no board" } else { "names several boards" };
                let hint = "say for which one: `Given the update \"app-2\" is offered to \"lamp\"`";
                Err(StepError::errored(format!("the scenario {what}: where the update is depends on the board"))
                    .with_hint(hint))
            }
        }
    }
}
