//! The main loop.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::pin::pin;

use embassy_futures::select::{Either, Either3, select, select3};
use embassy_net::Stack;
use embassy_time::{Duration, Instant, Timer};
use lamp_core::{Effect, Input, Lamp, Settings, Variant};

use crate::net::{Link, Lost};
use crate::settings::Broker;

/// What the program needs of its chip, besides the network.
pub trait Platform {
    /// Switches the lamp.
    fn light(&mut self, lit: bool);
    /// Prints a line: what it is about, and what happened.
    fn log(&mut self, tag: &str, text: &str);
    /// The main loop is alive: feeds the watchdog. Called at least once a second.
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
}

enum Happened {
    Due,
    Received(usize),
    Closed,
}

/// Runs the lamp over this network, forever. `seed` spreads the pauses between attempts to connect.
pub async fn run<P: Platform>(
    stack: Stack<'_>,
    platform: P,
    broker: Broker,
    settings: Settings,
    variant: Variant,
    seed: u32,
) -> ! {
    let (mut receive, mut send) = ([0; 1536], [0; 1536]);
    let lamp = Lamp::new(settings, variant, seed);
    let link = Link::new(stack, &mut receive, &mut send);
    Program { platform, broker, lamp, link, stack }.run().await
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
            watched(&mut self.platform, async {
                until(due).await;
                up(stack).await;
            })
            .await;
            return Happened::Due;
        }
        let stack = self.stack;
        let events = select3(self.link.receive(buffer), until(due), down(stack));
        match watched(&mut self.platform, events).await {
            Either3::First(Ok(length)) => Happened::Received(length),
            Either3::Second(()) => Happened::Due,
            Either3::First(Err(Lost)) | Either3::Third(()) => Happened::Closed,
        }
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
