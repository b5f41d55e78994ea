//! What the boards of a scenario get besides the broker: files.

use std::collections::BTreeSet;

use cucumber::gherkin::{Step, StepType};
use hil_mqtt::TapPort;
use hil_services::{Behaviour, Files, NetworkClock, Offer};
use hil_timeline::{Cursor, Exchange, What};
use hil_tls::CertificateFlaw;

use super::Stage;
use crate::error::StepError;

/// What a scenario offers to its boards.
#[derive(Debug, Default)]
pub(super) struct Services {
    files: Files,
    clock: NetworkClock,
    /// Each update that was offered, also if another took its place.
    offers: Vec<(String, Offer)>,
    /// What the certificate of the taps has, and since when.
    flawed_broker: Option<(CertificateFlaw, Cursor)>,
    /// The same for files.
    flawed_server: Option<(CertificateFlaw, Cursor)>,
    /// Names of this machine that the scenario has given to boards: certificates are for them as well.
    names: BTreeSet<String>,
}

impl Services {
    pub(super) fn offered(&self) -> (&Files, &NetworkClock) {
        (&self.files, &self.clock)
    }
}

/// What a step that offers an update captures, as `${captured:NAME}`.
pub(crate) const UPDATE_VALUES: &[&str] =
    &["update_url", "update_https_url", "update_path", "update_port", "update_sha256", "update_size", "update_version"];

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
        // What an earlier scenario has put on it does not matter.
        let is_flashed = self.flashed(&board).is_some();
        let target = self.board(&board)?;
        let runs = target.running_as().filter(|_| is_flashed).unwrap_or(image.runs);
        if let Some(elf) = image.elf {
            target.offer_elf(elf);
        }
        let address = self.tap_address(&board).seen_by(runs);
        let (path, offer) = (update_path(firmware), Offer::new(image.bytes, behaviour));
        let values = [
            format!("{}{path}", address.http_url("http")),
            format!("{}{path}", address.http_url("https")),
            path.clone(),
            address.http_port.to_string(),
            offer.sha256().to_owned(),
            offer.size().to_string(),
            image.version.unwrap_or_default(),
        ];
        for (name, value) in UPDATE_VALUES.iter().zip(values) {
            self.capture(&board, name, &value);
        }
        self.services.offers.push((firmware.to_owned(), offer.clone()));
        self.services.files.offer(&path, offer);
        Ok(())
    }

    /// A way in which the server was to misbehave, and never did.
    pub(super) fn unfired_offer(&self) -> Option<StepError> {
        let unfired = |(firmware, offer): &(String, Offer)| Some((firmware.clone(), offer.never_happened()?));
        let (firmware, option) = self.services.offers.iter().find_map(unfired)?;
        let message = format!(
            "the option `{option}` of the update `{firmware}` never took effect: the steps that passed prove nothing about it"
        );
        let hint = match option {
            "ranges" => "it needs a request with `Range`",
            "content" => "the middle of the file must be loaded",
            _ => "check that the board loads the update, and as much of it",
        };
        Some(StepError::errored(message).with_hint(hint))
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
        if let Some(board) = self.boards.keys().find(|board| self.tap(board).is_some_and(TapPort::passes_tls)) {
            let message = format!("the TLS of `{board}` passes the tap: the certificate is the broker's own");
            let hint = "`[tap] tls = \"terminate\"` lets the tap show certificates";
            return Err(StepError::errored(message).with_hint(hint));
        }
        self.show_at_taps(Some(flaw))?;
        self.services.flawed_broker = Some((flaw, self.end()));
        Ok(())
    }

    /// From now on the files of the boards come with a certificate with a flaw.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn show_flawed_server(&mut self, flaw: CertificateFlaw) -> Result<(), StepError> {
        self.show_with_files(Some(flaw))?;
        self.services.flawed_server = Some((flaw, self.end()));
        Ok(())
    }

    /// From now on the network of a board knows a name of this machine, and the certificates that `hil` makes are for it as
    /// well.
    ///
    /// # Errors
    /// When the board asks the bench for no names, or a certificate can't be made.
    pub fn know_name(&mut self, board: &str, name: &str) -> Result<(), StepError> {
        self.board(board)?.asked_names()?.know(name);
        let plain = name.trim_end_matches('.').to_ascii_lowercase();
        // No certificate has a name with other letters: a device asks for its punycode.
        if !plain.is_ascii() || !self.context.network.certificates().can_make() || !self.services.names.insert(plain) {
            return Ok(());
        }
        self.show_at_taps(self.services.flawed_broker.map(|(flaw, _)| flaw))?;
        self.show_with_files(self.services.flawed_server.map(|(flaw, _)| flaw))
    }

    fn show_at_taps(&self, flaw: Option<CertificateFlaw>) -> Result<(), StepError> {
        let tls = self.context.network.certificates().tap(&self.services.names, flaw)?;
        let taps = self.boards.keys().filter_map(|board| self.tap(board));
        taps.filter(|tap| !tap.passes_tls()).for_each(|tap| tap.show(tls.clone()));
        Ok(())
    }

    fn show_with_files(&self, flaw: Option<CertificateFlaw>) -> Result<(), StepError> {
        let tls = self.context.network.certificates().server(&self.services.names, flaw)?;
        for board in self.boards.keys() {
            self.context.network.serve(board, self.services.offered(), Some(&tls), &self.recorder);
        }
        Ok(())
    }

    /// Since when connections get the certificate that the scenario asked for: earlier ones got another.
    pub(crate) fn flawed_since(&self, server: bool) -> Cursor {
        let flawed = if server { self.services.flawed_server } else { self.services.flawed_broker };
        flawed.map_or(self.begin, |(_, since)| since)
    }

    /// Records what a step has changed for the boards. An action sets the mark to it: what came before is not its effect.
    pub(crate) fn note_change(&mut self, step: &Step, board: &str) {
        let effect = self.note(board, step.value.clone());
        if step.ty == StepType::When {
            self.took_effect(effect);
        }
    }

    /// Checks that the network would carry a request of a board: otherwise it proves nothing that there is none.
    ///
    /// # Errors
    /// When the board is off, or its network is silent or refuses connections.
    pub fn check_reachable(&self, board: &str) -> Result<(), StepError> {
        self.check_carries(board)?;
        if self.tap(board).is_some_and(TapPort::is_refusing) {
            return Err(unreachable(board, "its connections are refused"));
        }
        Ok(())
    }

    /// The same for questions for the time and for names: they need no connection.
    ///
    /// # Errors
    /// When the board is off, or its network is silent.
    pub fn check_carries(&self, board: &str) -> Result<(), StepError> {
        match self.tap(board) {
            _ if !self.is_powered(board) => Err(unreachable(board, "it has no power")),
            Some(tap) if tap.control().is_silent() => Err(unreachable(board, "its network is silent")),
            _ => Ok(()),
        }
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

fn unreachable(board: &str, why: &str) -> StepError {
    StepError::errored(format!("no request of `{board}` could arrive: {why}"))
}
