//! Loads an update into a slot, and checks it there.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec;

use embassy_futures::yield_now;
use embassy_net::tcp::TcpSocket;
use embassy_time::{Duration, with_timeout};
use embedded_storage::nor_flash::NorFlash;

use super::announcement::Announcement;
use super::fault::Fault;
use super::http::{self, Answer, Body, PATIENCE};
use super::process::Updater;
use super::slots::{Hashing, SECTOR, Words};
use super::stream::Stream;
use super::tls::{self, Peer, Records, Trust};
use super::url::Url;
use crate::{clock, net};

/// Bytes of the receive window.
const WINDOW: usize = 5 * 1460;
const REDIRECTIONS: usize = 3;

/// What one connection led to.
enum Step {
    Loaded,
    Moved(Url),
}

impl<F: NorFlash> Updater<'_, F> {
    pub(super) async fn load(&mut self, update: &Announcement) -> Result<(), Fault> {
        let slot = self.target()?;
        let mut url = update.url.clone();
        for _ in 0..=REDIRECTIONS {
            match self.connect_and_load(&url, slot, update).await? {
                Step::Moved(to) => url = to,
                Step::Loaded => {
                    self.check(slot, update).await?;
                    if self.variant.switches_last {
                        self.updates.choose(slot).map_err(Fault::Lost)?;
                    }
                    return Ok(());
                }
            }
        }
        Err(Fault::Refused(format!("more than {REDIRECTIONS} redirections")))
    }

    async fn connect_and_load(&mut self, url: &Url, slot: usize, update: &Announcement) -> Result<Step, Fault> {
        let (mut receive, mut send) = (vec![0; WINDOW], vec![0; 1024]);
        let mut socket = TcpSocket::new(self.reach.stack, &mut receive, &mut send);
        let done = match url.is_secure {
            true => self.over_tls(&mut socket, url, slot, update).await,
            false => match self.connect(&mut socket, url).await {
                Ok(()) => self.transfer(&mut socket, url, slot, update).await,
                Err(fault) => Err(fault),
            },
        };
        // Sends the reset; without a network there is nothing to wait for.
        socket.abort();
        let _ = with_timeout(Duration::from_millis(200), socket.flush()).await;
        done
    }

    async fn over_tls(
        &mut self,
        socket: &mut TcpSocket<'_>,
        url: &Url,
        slot: usize,
        update: &Announcement,
    ) -> Result<Step, Fault> {
        let services = &self.reach.services;
        let trust = Trust::new(services.authority.as_deref())?;
        let Some(server) = &services.time else {
            return Err(Fault::Refused("its certificate can't be checked: no `sntp.host`".into()));
        };
        let now = clock::ask(self.reach.stack, server).await.map_err(|why| Fault::Lost(why.into()))?;
        self.connect(socket, url).await?;
        let peer = Peer { host: &url.host, now, is_checked: self.variant.checks_certificate };
        let mut records = Records::new();
        let mut stream = tls::open(socket, &mut records, &trust, self.reach.random, peer).await?;
        self.transfer(&mut stream, url, slot, update).await
    }

    async fn connect(&self, socket: &mut TcpSocket<'_>, url: &Url) -> Result<(), Fault> {
        let connect = async {
            let address = net::resolve(self.reach.stack, &url.host).await.map_err(|_| "its name is not known")?;
            socket.connect((address, url.port)).await.map_err(|_| "it does not answer")
        };
        let why = match with_timeout(PATIENCE, connect).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(why)) => why,
            Err(_) => "it does not answer",
        };
        Err(Fault::Lost(format!("{}: {why}", url.host)))
    }

    async fn transfer<S: Stream>(
        &mut self,
        stream: &mut S,
        url: &Url,
        slot: usize,
        update: &Announcement,
    ) -> Result<Step, Fault> {
        match http::get(stream, url).await? {
            Answer::Moved(to) => url.join(&to).map(Step::Moved).map_err(Fault::Refused),
            Answer::Body(body) => self.write(body, slot, update).await.map(|()| Step::Loaded),
        }
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

    async fn write<S: Stream>(
        &mut self,
        mut body: Body<'_, S>,
        slot: usize,
        update: &Announcement,
    ) -> Result<(), Fault> {
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
