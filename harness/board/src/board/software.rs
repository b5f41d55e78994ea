//! Putting software on a board, climbing the ladder where the bench fails.

use std::sync::Arc;
use std::time::Duration;

use hil_config::{Firmware, Verify};
use hil_timeline::{Cursor, FlashPhase, Runs, What};

use super::known_flash::{KnownFlash, other_app};
use super::{Board, Booted};
use crate::error::BenchError;
use crate::flashing::{self, BootApp, Flashed, Job, ReadImage, Region};
use crate::identity::FirmwareIdentity;
use crate::ladder::Rung;
use crate::micropython::{RawRepl, ReplError, Script, fill_scripts, read_scripts, upload};
use crate::port_errors::check_users;
use crate::reset::ResetInto;
use crate::tap_address::TapAddress;

/// What a board is to run.
struct Software {
    regions: Vec<Region>,
    /// The app that must boot, and whether the image brings the table by which it is chosen.
    boots: Option<(BootApp, bool)>,
    scripts: Option<Vec<Script>>,
    /// The ELF file that it was made from.
    elf: Option<Arc<[u8]>>,
}

impl Board {
    /// Puts a firmware on the board, resets it and waits until its app runs, climbing the ladder where the bench
    /// fails.
    ///
    /// # Errors
    /// If the ladder fails; the board is then given up.
    pub async fn run_firmware(&mut self, firmware: &Firmware, tap: &TapAddress) -> Result<Booted, BenchError> {
        let software = self.prepare(firmware, tap)?;
        let mut rung = Rung::Try;
        loop {
            let trusted = rung == Rung::Try && self.is_trusted(firmware, &software);
            match self.attempt(rung, firmware, &software, trusted).await {
                // The assumed contents of the flash may be wrong: verify the flash, on the same rung.
                Ok(Booted::Refused { .. }) if trusted => self.known_flash = None,
                Ok(booted) => {
                    self.troubles.clear();
                    return Ok(booted);
                }
                Err(error) => rung = self.judge(rung, error)?,
            }
        }
    }

    /// Writes a firmware and leaves the board freshly reset, without waiting for its app.
    ///
    /// # Errors
    /// If the ladder fails; the board is then given up.
    pub async fn flash(&mut self, firmware: &Firmware, tap: &TapAddress) -> Result<Flashed, BenchError> {
        let software = self.prepare(firmware, tap)?;
        let mut rung = Rung::Try;
        loop {
            match self.write_and_reset(rung, firmware, &software, false).await {
                Ok((flashed, _)) => {
                    self.troubles.clear();
                    return Ok(flashed);
                }
                Err(error) => rung = self.judge(rung, error)?,
            }
        }
    }

    /// Records a failed rung and returns the next; after a final failure or the last rung, the board is given up.
    fn judge(&mut self, rung: Rung, error: BenchError) -> Result<Rung, BenchError> {
        self.known_flash = None;
        let error = self.blame_port_users(error);
        self.note_trouble(rung, &error);
        match rung.next(&error, self.power.is_some(), self.reset.varies()) {
            Some(next) if !error.is_final() => Ok(next),
            _ => {
                if error.sticks() {
                    self.stuck = Some(error.clone());
                }
                Err(error)
            }
        }
    }

    /// What is written to its flash, and the scripts that are uploaded after.
    fn prepare(&mut self, firmware: &Firmware, tap: &TapAddress) -> Result<Software, BenchError> {
        match (&self.program, &firmware.process) {
            (Some(program), Some(process)) => {
                program.load(process, tap);
                self.runs = Some(Runs::Program);
                self.record_identity(firmware, FirmwareIdentity::of_program(process), Runs::Program);
                return Ok(Software { regions: Vec::new(), boots: None, scripts: None, elf: None });
            }
            (None, None) => {}
            (program, _) => {
                let what = if program.is_some() { "it is not a program" } else { "it is a program" };
                return Err(BenchError::WrongKind {
                    board: self.name().to_owned(),
                    firmware: firmware.name.to_string(),
                    reason: format!("{what}, and the board is of the kind `{}`", self.config.kind.word()),
                });
            }
        }
        let (image, scripts) = (flashing::read(firmware, &self.config)?, read_scripts(firmware)?);
        // The identity of an installed firmware is unknown.
        if !image.parts.is_empty() || scripts.is_some() {
            let identity = FirmwareIdentity::of(&image.parts, scripts.as_deref().unwrap_or_default());
            self.record_identity(firmware, identity, self.runs_of(&image));
        }
        if let Some(device) = &self.executes {
            device.note_runs(self.runs_of(&image));
            image.elf.iter().for_each(|elf| device.offer_elf(Arc::clone(elf)));
        }
        let runs = self.runs_of(&image);
        self.runs = Some(runs);
        let tap = &tap.seen_by(runs);
        if let Some(emulator) = &self.emulator {
            emulator.load(firmware, tap);
        }
        let elf = image.elf.clone();
        let boots = image.layout.boots.clone().map(|boots| (boots, !image.layout.partitions.is_empty()));
        let regions = flashing::with_settings(image, firmware, tap)?;
        let scripts = scripts.map(|scripts| fill_scripts(scripts, firmware, tap)).transpose()?;
        Ok(Software { regions, boots, scripts, elf })
    }

    /// What runs its firmware; none before the first one was put on it.
    #[must_use]
    pub fn running_as(&self) -> Option<Runs> {
        self.runs
    }

    /// What runs that image on this board.
    fn runs_of(&self, image: &ReadImage) -> Runs {
        match (&self.executes, &self.emulator) {
            (Some(_), _) => crate::virtual_board::runs(image.parts.iter().map(|part| &*part.data)),
            (None, Some(_)) => Runs::Emulated,
            (None, None) => Runs::Silicon,
        }
    }

    fn record_identity(&self, firmware: &Firmware, identity: FirmwareIdentity, runs: Runs) {
        let FirmwareIdentity { hash, size, version } = identity;
        let firmware = firmware.name.to_string();
        self.scope.record(|board| What::Firmware { board, firmware, hash, size, version, runs: Some(runs) });
    }

    /// Cuts the power before the next firmware, if the board has rails. A board that was given up is tried again once
    /// for each `attempt`, a number that grows.
    ///
    /// # Errors
    /// If its rails can't be switched.
    pub async fn recover(&mut self, attempt: u32) -> Result<(), BenchError> {
        if self.forgiven < attempt {
            self.forgiven = attempt;
            if let Some(cause) = self.stuck.take() {
                self.scope.note(format!("trying again, despite: {cause}"));
            }
        }
        self.known_flash = None;
        if self.stuck.is_some() {
            return Ok(());
        }
        if self.power.is_some() {
            self.power_off().await?;
            tokio::time::sleep(self.config.off_time).await;
        }
        Ok(())
    }

    /// Whether the flash need not be asked: the bench wrote or compared it in this run, and nothing has happened since.
    fn is_trusted(&self, firmware: &Firmware, software: &Software) -> bool {
        let timeline = self.scope.recorder().timeline().clone();
        firmware.verify == Verify::Once
            && self.known_flash.as_ref().is_some_and(|known| known.holds(&software.regions, &timeline, self.name()))
    }

    async fn attempt(
        &mut self,
        rung: Rung,
        firmware: &Firmware,
        software: &Software,
        trusted: bool,
    ) -> Result<Booted, BenchError> {
        let (_, from) = self.write_and_reset(rung, firmware, software, trusted).await?;
        let booted = self.doubt_boot(self.wait_for_boot(firmware, from).await?)?;
        let booted = match &software.boots {
            Some((boots, chosen)) if booted == Booted::Running => self.is_that_app(from, boots, *chosen || trusted)?,
            _ => booted,
        };
        let known = booted == Booted::Running && !software.regions.is_empty();
        self.known_flash = known.then(|| KnownFlash::new(&software.regions, self.scope.recorder().timeline().end()));
        Ok(booted)
    }

    /// Whether what runs is the app that was flashed, as far as the console tells. Where the image chooses its app and
    /// another runs, the bootloader has fallen back: the firmware's fault.
    fn is_that_app(&self, from: Cursor, boots: &BootApp, chosen: bool) -> Result<Booted, BenchError> {
        let timeline = self.scope.recorder().timeline().clone();
        let found = timeline.since(from).into_iter().find_map(|event| match &event.what {
            What::Console { board, line } if board == self.name() => other_app(line, boots),
            _ => None,
        });
        match found {
            None => Ok(Booted::Running),
            Some(found) if chosen => {
                Ok(Booted::Refused { reason: format!("an app other than the flashed one runs: {found}") })
            }
            Some(found) => Err(BenchError::OtherApp { board: self.name().to_owned(), found }),
        }
    }

    async fn write_and_reset(
        &mut self,
        rung: Rung,
        firmware: &Firmware,
        software: &Software,
        trusted: bool,
    ) -> Result<(Flashed, Cursor), BenchError> {
        self.climb(rung).await?;
        let mut flashed = Flashed { written: 0, skipped: 0, took: Duration::ZERO };
        if trusted {
            flashed.skipped = software.regions.iter().map(|region| region.data.len()).sum();
            self.progress(firmware.name.as_str())(finished(&flashed));
        } else if !software.regions.is_empty() {
            flashed = self.write(firmware.name.as_str(), &software.regions, rung).await?;
        }
        if let Some(scripts) = &software.scripts {
            flashed = self.upload(firmware, scripts, flashed, rung).await?;
        }
        // Until here, a panic was one of the software before.
        self.symbols.set(software.elf.as_ref());
        // A hardware reset: a soft reset would keep state from before the upload.
        Ok((flashed, self.reset().await?.cursor))
    }

    /// Uploads scripts to the interpreter that the board has. Its output in the meantime is not captured.
    async fn upload(
        &mut self,
        firmware: &Firmware,
        scripts: &[Script],
        flashed: Flashed,
        rung: Rung,
    ) -> Result<Flashed, BenchError> {
        self.close_console().await;
        self.reset_into("for an upload".to_owned(), ResetInto::App).await?;
        let port = self.take_port().await?;
        let limit = hil_config::ready_within(Some(&self.config), Some(firmware));
        let progress = self.progress(firmware.name.as_str());
        progress(FlashPhase::Connecting { attempt: rung.attempt() + 1 });
        let work = async {
            let mut repl = RawRepl::enter(port, limit).await?;
            let uploaded = upload(&mut repl, scripts, &progress).await?;
            repl.leave().await;
            Ok::<_, ReplError>(uploaded)
        };
        match work.await {
            Ok(uploaded) => {
                let done = Flashed {
                    written: flashed.written + uploaded.written,
                    skipped: flashed.skipped + uploaded.skipped,
                    took: flashed.took + uploaded.took,
                };
                progress(finished(&done));
                Ok(done)
            }
            Err(error) => {
                progress(FlashPhase::Failed { reason: error.to_string() });
                let board = self.name().to_owned();
                Err(BenchError::Upload { board, reason: error.to_string() })
            }
        }
    }

    /// Records the progress of a flash or an upload.
    fn progress(&self, firmware: &str) -> impl Fn(FlashPhase) + Clone + Send + Sync + use<> {
        let (scope, name) = (self.scope.clone(), firmware.to_owned());
        move |flash| {
            scope.record(|board| What::Flash { board, firmware: name.clone(), flash });
        }
    }

    async fn climb(&mut self, rung: Rung) -> Result<(), BenchError> {
        if let Some(cause) = &self.stuck {
            return Err(BenchError::Stuck { board: self.name().to_owned(), cause: Box::new(cause.clone()) });
        }
        if rung == Rung::PowerCycle {
            self.power_off().await?;
            tokio::time::sleep(self.config.off_time).await;
        }
        // The flash resets the chip into its loader anyway.
        self.power_on().await.map(drop)
    }

    /// Hands the port to the flasher and takes it back.
    async fn write(&mut self, firmware: &str, regions: &[Region], rung: Rung) -> Result<Flashed, BenchError> {
        self.known_flash = None;
        self.close_console().await;
        let port = match &self.emulator {
            Some(emulator) => {
                self.held = true;
                emulator.stop().await;
                emulator.flash_file().to_owned()
            }
            None => {
                self.enter_loader_at(rung).await?;
                let port = self.wait_for_port().await?;
                check_users(self.name(), &*self.port)?;
                port
            }
        };
        let progress = self.progress(firmware);
        progress(FlashPhase::Connecting { attempt: rung.attempt() + 1 });
        let job = Job {
            board: self.name().to_owned(),
            port,
            chip: self.config.chip,
            baud: rung.baud(self.config.flash_baud),
            regions: regions.to_vec(),
            progress: Box::new(progress.clone()),
        };
        let result = match &self.emulator {
            Some(_) => flashing::flash_file(&job),
            None => flashing::flash(&self.config.flasher, job, Arc::clone(&self.port_in_use)).await,
        };
        progress(match &result {
            Ok(done) => finished(done),
            Err(error) => FlashPhase::Failed { reason: error.to_string() },
        });
        result
    }
}

fn finished(done: &Flashed) -> FlashPhase {
    FlashPhase::Finished {
        written: done.written,
        skipped: done.skipped,
        took_ms: u64::try_from(done.took.as_millis()).unwrap_or(u64::MAX),
    }
}
