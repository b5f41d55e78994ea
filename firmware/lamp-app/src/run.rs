//! The main loop.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::pin::pin;

use embassy_futures::select::{Either, Either4, select, select4};
use embassy_net::Stack;
use embassy_time::{Duration, Instant, Timer};
use embedded_storage::nor_flash::NorFlash;
use lamp_core::{Effect, Input, Lamp, Settings, Variant};

use crate::net::{Link, Lost};
use crate::settings::{Broker, Services};
use crate::update::{Announced, Desk, News, Random, Reach, Updater, Updates};

/// What the program needs of its chip, besides the network.
pub trait Platform {
    /// Switches the lamp.
    fn light(&mut self, lit: bool);
    /// Prints a line: what it is about, and what happened.
    fn log(&mut self, tag: &str, text: &str);
    /// The main loop is alive: feeds the watchdog. Called at least once a second, but during a TLS
    /// handshake, which calculates.
    fn alive(&mut self);
    /// Restarts the chip.
    fn restart(&mut self) -> !;
}

struct Program<'a, P> {
    platform: P,
    broker: Broker,
    lamp: Lamp,
    link: Link<'a>,
    stack: Stack<'a>,
    desk: &'a Desk,
}

enum Happened {
    Due,
    News(News),
    Received(usize),
    Closed,
}

/// What a lamp does.
#[derive(Debug)]
pub struct Config<F> {
    /// Where the broker is.
    pub broker: Broker,
    /// What the broker learns.
    pub settings: Settings,
    /// The version's behaviour.
    pub variant: Variant,
    /// What it needs to take updates; none for a lamp that takes none.
    pub updates: Option<Updates<F>>,
    /// What updates over HTTPS need.
    pub services: Services,
    /// Random bytes for keys.
    pub random: Random,
    /// Spreads the pauses between attempts to connect.
    pub seed: u32,
}

/// Runs the lamp over this network, forever.
pub async fn run<P: Platform, F: NorFlash>(stack: Stack<'_>, platform: P, config: Config<F>) -> ! {
    let Config { broker, settings, variant, updates, services, random, seed } = config;
    let (mut receive, mut send) = ([0; 1536], [0; 1536]);
    let lamp = Lamp::new(settings, variant, seed);
    let link = Link::new(stack, &mut receive, &mut send);
    let desk = Desk::new();
    let updater = async {
        match updates {
            Some(updates) => Updater::new(updates, variant, Reach { stack, services, random }, &desk, seed).run().await,
            None => core::future::pending::<()>().await,
        }
    };
    let program = Program { platform, broker, lamp, link, stack, desk: &desk }.run();
    match select(program, updater).await {
        Either::First(never) => never,
        Either::Second(()) => core::future::pending().await,
    }
}

/// Awaits a future and feeds the watchdog meanwhile.
async fn watched<T>(platform: &mut impl Platform, future: impl Future<Output = T>) -> T {
    const BEAT: Duration = Duration::from_millis(500);
    let mut future = pin!(future);
    loop {
        platform.alive();
        if let Either::First(done) = select(&mut future, Timer::after(BEAT)).await {
            return done;
        }
    }
}

/// Waits until a time of the lamp's clock, or forever.
async fn until(due: Option<u64>) {
    match due {
        Some(due) => Timer::at(Instant::from_millis(due)).await,
        None => core::future::pending().await,
    }
}

/// Waits for a link and an address.
async fn up(stack: Stack<'_>) {
    stack.wait_link_up().await;
    stack.wait_config_up().await;
}

/// Waits until the link or the address is gone: an address that was not assigned by DHCP stays without a link.
async fn down(stack: Stack<'_>) {
    select(stack.wait_link_down(), stack.wait_config_down()).await;
}

impl<P: Platform> Program<'_, P> {
    async fn run(mut self) -> ! {
        let mut buffer = [0; 512];
        loop {
            let happened = self.next(&mut buffer).await;
            let now = Instant::now().as_millis();
            let effects = match happened {
                Happened::Due => self.lamp.handle(now, Input::Tick),
                Happened::Received(length) => self.lamp.handle(now, Input::Received(&buffer[..length])),
                Happened::News(News::Said(text)) => {
                    self.platform.log("update", &text);
                    self.lamp.handle(now, Input::Update(&text))
                }
                Happened::News(News::Restart) => self.restart(now).await,
                Happened::Closed => {
                    self.link.close().await;
                    self.lamp.handle(now, Input::Closed)
                }
            };
            self.carry_out(effects).await;
        }
    }

    async fn next(&mut self, buffer: &mut [u8]) -> Happened {
        let due = self.lamp.wake_at();
        if !self.link.is_open {
            // Without a network an attempt would fail, and the pauses would grow for nothing.
            let stack = self.stack;
            let ready = async {
                until(due).await;
                up(stack).await;
            };
            return match watched(&mut self.platform, select(ready, self.desk.news.receive())).await {
                Either::First(()) => Happened::Due,
                Either::Second(news) => Happened::News(news),
            };
        }
        let (stack, news) = (self.stack, self.desk.news.receive());
        let events = select4(self.link.receive(buffer), until(due), down(stack), news);
        match watched(&mut self.platform, events).await {
            Either4::First(Ok(length)) => Happened::Received(length),
            Either4::Second(()) => Happened::Due,
            Either4::First(Err(Lost)) | Either4::Third(()) => Happened::Closed,
            Either4::Fourth(news) => Happened::News(news),
        }
    }

    /// Leaves the broker, then restarts the chip.
    async fn restart(&mut self, now: u64) -> ! {
        for effect in self.lamp.handle(now, Input::Leaving) {
            if let Effect::Send(bytes) = effect {
                let _ = self.link.send(&bytes).await;
            }
        }
        self.link.flush().await;
        self.link.close().await;
        self.platform.restart()
    }

    /// Applies effects in order.
    async fn carry_out(&mut self, effects: Vec<Effect>) {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Connect => effects.extend(self.connect().await),
                Effect::Close => self.link.close().await,
                Effect::Send(bytes) => {
                    if watched(&mut self.platform, self.link.send(&bytes)).await.is_err() && self.link.is_open {
                        self.link.close().await;
                        effects.extend(self.lamp.handle(Instant::now().as_millis(), Input::Closed));
                    }
                }
                Effect::Light(lit) => self.platform.light(lit),
                Effect::Log(line) => {
                    let (tag, text) = line.split_once(": ").unwrap_or(("lamp", &line));
                    self.platform.log(tag, text);
                }
                Effect::Online => self.desk.online.signal(()),
                Effect::Announced { text, kept } => self.desk.announced.signal(Announced { text, kept }),
                Effect::Restart => {
                    self.platform.log("lamp", "restarting");
                    self.platform.restart();
                }
            }
        }
    }

    async fn connect(&mut self) -> Vec<Effect> {
        let due = self.lamp.wake_at();
        let attempt = select(self.link.connect(&self.broker), until(due));
        let input = match watched(&mut self.platform, attempt).await {
            Either::First(Ok(())) => Input::Connected,
            Either::First(Err(Lost)) => Input::Closed,
            Either::Second(()) => Input::Tick,
        };
        if input != Input::Connected {
            self.link.close().await;
        }
        self.lamp.handle(Instant::now().as_millis(), input)
    }
}
