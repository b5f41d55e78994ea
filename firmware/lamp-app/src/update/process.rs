//! From an announcement to a confirmed program.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;

use embassy_futures::select::{Either, select};
use embassy_futures::yield_now;
use embassy_net::Stack;
use embassy_net::tcp::TcpSocket;
use embassy_time::{Duration, Timer};
use embedded_storage::nor_flash::NorFlash;
use lamp_core::{Backoff, Confirms, Variant};

use super::announcement::Announcement;
use super::desk::{Announced, Desk, News};
use super::http::{self, Fault};
use super::otadata::State;
use super::slots::{Hashing, SECTOR, Updates, Words};

/// Takes updates, beside the main loop.
pub(crate) struct Updater<'a, F> {
    updates: Updates<F>,
    variant: Variant,
    stack: Stack<'a>,
    desk: &'a Desk,
    backoff: Backoff,
}

impl<'a, F: NorFlash> Updater<'a, F> {
    pub(crate) fn new(updates: Updates<F>, variant: Variant, stack: Stack<'a>, desk: &'a Desk, seed: u32) -> Self {
        Self { updates, variant, stack, desk, backoff: Backoff::new(seed) }
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

    async fn say(&self, text: String) {
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

    async fn load(&mut self, update: &Announcement) -> Result<(), Fault> {
        let slot = self.target()?;
        let (mut receive, mut send) = (vec![0; http::WINDOW], vec![0; 1024]);
        let mut socket = TcpSocket::new(self.stack, &mut receive, &mut send);
        let loaded = self.load_into(slot, &mut socket, update).await;
        socket.abort();
        loaded?;
        self.check(slot, update).await?;
        if self.variant.switches_last {
            self.updates.choose(slot).map_err(Fault::Lost)?;
        }
        Ok(())
    }

    /// Where to write.
    fn target(&mut self) -> Result<usize, Fault> {
        if self.variant.switches_last {
            return Ok(self.updates.other());
        }
        // The fault: it believes what the OTA data say, and changes them before there is an image.
        let newest = self.updates.otadata().map_err(Fault::Lost)?.newest();
        let slot = newest.map_or(1, |entry| 1 - entry.slot());
        self.updates.choose(slot).map_err(Fault::Lost)?;
        Ok(slot)
    }

    async fn load_into(&mut self, slot: usize, socket: &mut TcpSocket<'_>, update: &Announcement) -> Result<(), Fault> {
        let mut body = http::get(self.stack, socket, &update.url).await?;
        if let Some(length) = body.length().filter(|length| *length != u64::from(update.length)) {
            return Err(Fault::Refused(format!("the server has {length} bytes, announced are {}", update.length)));
        }
        let mut sector = Box::new(Words::<{ SECTOR as usize }>([0xff; SECTOR as usize]));
        let (mut at, mut tenth) = (0, 0);
        while at < update.length {
            let wanted = (update.length - at).min(SECTOR);
            let filled = body.fill(&mut sector.0[..wanted as usize]).await?;
            if filled < wanted as usize {
                return Err(Fault::Refused(format!("the server has fewer than the {} bytes", update.length)));
            }
            // The flash takes whole words.
            let whole = filled.next_multiple_of(4);
            sector.0[filled..whole].fill(0xff);
            self.updates.write_image(slot, at, &sector.0[..whole]).map_err(Fault::Lost)?;
            at += wanted;
            if u64::from(at) * 10 / u64::from(update.length) > tenth {
                tenth = u64::from(at) * 10 / u64::from(update.length);
                self.say(format!("{} % of {} loaded", 10 * tenth, update.version)).await;
            }
            // Erasing and writing block: the connection to the broker has its turn.
            yield_now().await;
        }
        match body.fill(&mut [0]).await? {
            0 => Ok(()),
            _ => Err(Fault::Refused(format!("the server has more than the {} bytes", update.length))),
        }
    }

    /// Compares what is in flash with what was announced.
    async fn check(&mut self, slot: usize, update: &Announcement) -> Result<(), Fault> {
        let mut hashing = Hashing::new(&self.updates, slot, update.length);
        let hash = loop {
            if let Some(hash) = hashing.go_on(&mut self.updates).map_err(Fault::Lost)? {
                break hash;
            }
            yield_now().await;
        };
        if self.variant.checks_hash && hash != update.sha256 {
            return Err(Fault::Refused("its SHA-256 is not the announced one".into()));
        }
        if !self.variant.checks_hash {
            return Ok(());
        }
        let Some(image) = self.updates.image(slot) else { return Err(Fault::Refused("it is no app image".into())) };
        if (image.chip, &image.project) != (self.updates.chip, &self.updates.project) {
            return Err(Fault::Refused(format!("it is `{}`, for chip {}", image.project, image.chip)));
        }
        if image.version != update.version {
            return Err(Fault::Refused(format!("the image is {}", image.version)));
        }
        Ok(())
    }
}

fn failure(result: Result<(), String>) -> String {
    result.err().map_or_else(String::new, |why| format!(", but {why}"))
}
