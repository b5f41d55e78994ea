//! From an announcement to a confirmed program.

use alloc::format;
use alloc::string::String;

use embassy_futures::select::{Either, select};
use embassy_net::Stack;
use embassy_time::{Duration, Timer};
use embedded_storage::nor_flash::NorFlash;
use lamp_core::{Backoff, Confirms, Variant};

use super::announcement::Announcement;
use super::desk::{Announced, Desk, News};
use super::fault::Fault;
use super::otadata::State;
use super::slots::Updates;
use super::tls::Random;
use crate::settings::Services;

/// What an update needs of the network.
pub(crate) struct Reach<'a> {
    pub(crate) stack: Stack<'a>,
    pub(crate) services: Services,
    pub(crate) random: Random,
}

/// Takes updates, beside the main loop.
pub(crate) struct Updater<'a, F> {
    pub(super) updates: Updates<F>,
    pub(super) variant: Variant,
    pub(super) reach: Reach<'a>,
    desk: &'a Desk,
    backoff: Backoff,
}

impl<'a, F: NorFlash> Updater<'a, F> {
    pub(crate) fn new(updates: Updates<F>, variant: Variant, reach: Reach<'a>, desk: &'a Desk, seed: u32) -> Self {
        Self { updates, variant, reach, desk, backoff: Backoff::new(seed) }
    }

    pub(crate) async fn run(mut self) -> ! {
        self.trial().await;
        loop {
            match select(self.desk.online.wait(), self.desk.announced.wait()).await {
                Either::First(()) => self.greet().await,
                Either::Second(announced) => self.announced(announced).await,
            }
        }
    }

    pub(super) async fn say(&self, text: String) {
        self.desk.news.send(News::Said(text)).await;
    }

    async fn restart(&self) -> ! {
        self.desk.news.send(News::Restart).await;
        core::future::pending().await
    }

    /// After an update: confirms this program once it is online. A program that does not get there gives the old one
    /// its place back.
    async fn trial(&mut self) {
        if self.variant.confirms == Confirms::AtStart {
            self.confirm().await;
        }
        if self.variant.confirms != Confirms::Online || self.updates.state() != Ok(Some(State::PendingVerify)) {
            return;
        }
        self.say(format!("{} is on trial", self.updates.version)).await;
        let patience = Duration::from_millis(self.updates.trial_ms);
        if let Either::First(()) = select(self.desk.online.wait(), Timer::after(patience)).await {
            self.confirm().await;
            return self.greet().await;
        }
        let given = self.updates.set_state(State::Invalid);
        self.say(format!("{} reached no broker and gives its place back{}", self.updates.version, failure(given)))
            .await;
        self.restart().await
    }

    async fn confirm(&mut self) {
        if self.updates.state() == Ok(Some(State::PendingVerify)) {
            let confirmed = self.updates.set_state(State::Valid);
            self.say(format!("{} confirms itself{}", self.updates.version, failure(confirmed))).await;
        }
    }

    async fn greet(&mut self) {
        let back = match self.taken_back() {
            Some(version) => format!(", {version} was taken back"),
            None => String::new(),
        };
        self.say(format!("{} runs{back}", self.updates.version)).await;
    }

    /// The version in the other slot, if it was on trial and did not confirm itself.
    fn taken_back(&mut self) -> Option<String> {
        let other = self.updates.other();
        let (_, entry) = self.updates.otadata().ok()?.of(other)?;
        let back = matches!(entry.state, State::Aborted | State::Invalid);
        self.updates.image(other).filter(|_| back).map(|image| image.version)
    }

    /// Takes an update, or says why not.
    async fn announced(&mut self, Announced { text, kept }: Announced) {
        let update = match Announcement::read(&text) {
            Ok(update) => update,
            Err(why) => return self.say(format!("announcement refused: {why}")).await,
        };
        if update.version == self.updates.version {
            return;
        }
        if let Some(why) = self.objection(&update, kept) {
            return self.say(format!("{} refused: {why}", update.version)).await;
        }
        loop {
            self.say(format!("{} is being loaded", update.version)).await;
            match self.load(&update).await {
                Ok(()) => {
                    self.say(format!("{} is started", update.version)).await;
                    self.restart().await
                }
                Err(Fault::Refused(why)) => return self.say(format!("{} refused: {why}", update.version)).await,
                Err(Fault::Lost(why)) => {
                    let pause = self.backoff.next_ms();
                    self.say(format!("{} failed: {why}, next attempt in {pause} ms", update.version)).await;
                    Timer::after(Duration::from_millis(pause)).await;
                    if self.desk.announced.signaled() {
                        return;
                    }
                }
            }
        }
    }

    /// Why an update is not even loaded. The broker keeps announcements: one that was taken back is not tried again
    /// until it is announced once more.
    fn objection(&mut self, update: &Announcement, kept: bool) -> Option<String> {
        let capacity = self.updates.capacity(self.updates.other());
        if kept && self.taken_back().is_some_and(|version| version == update.version) {
            return Some("it was taken back".into());
        }
        (update.length > capacity).then(|| format!("{} bytes, and the slot has {capacity}", update.length))
    }
}

fn failure(result: Result<(), String>) -> String {
    result.err().map_or_else(String::new, |why| format!(", but {why}"))
}
