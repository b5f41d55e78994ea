//! Runs the lamp's logic on the virtual chip.

use lamp_core::{Effect, Input, LAMP_PIN, Lamp, Settings, Variant};
use tokio::time::Instant;

use super::Platform;
use crate::boot::ResetCause;
use crate::radio::Socket;

/// The behaviour of a version of the lamp; none for an unknown version.
pub(super) fn variant(version: &str) -> Option<Variant> {
    Some(match version {
        "1.0.0" => Variant::GOOD,
        "1.0.0-never-acks" => Variant { acknowledges: false, ..Variant::GOOD },
        "1.0.0-no-will" => Variant { has_will: false, ..Variant::GOOD },
        "1.0.0-no-keep-alive" => Variant { keeps_alive: false, ..Variant::GOOD },
        "1.0.0-reboots-on-on" => Variant { survives_on: false, ..Variant::GOOD },
        "1.0.0-never-subscribes" => Variant { subscribes: false, ..Variant::GOOD },
        _ => return None,
    })
}

struct Runtime {
    platform: Platform,
    lamp: Lamp,
    booted: Instant,
    host: String,
    port: u16,
    socket: Option<Socket>,
    /// How many packets it has sent and received, and at which of them it panics.
    packets: u32,
    panics_at: Option<u32>,
}

/// Runs until the lamp restarts its chip.
pub(super) async fn run(platform: Platform, variant: Variant) -> ResetCause {
    let nvs = &platform.nvs;
    let [.., d, e, f] = platform.mac;
    let settings = Settings {
        client_id: nvs.text("mqtt", "client_id").unwrap_or_else(|| format!("lamp-{d:02x}{e:02x}{f:02x}")),
        user: nvs.text("mqtt", "user"),
        password: nvs.text("mqtt", "password"),
        keep_alive: nvs.number("mqtt", "keep_alive").unwrap_or(Settings::KEEP_ALIVE),
        update_topic: None,
    };
    let host = nvs.text("mqtt", "host").unwrap_or_else(|| "127.0.0.1".to_owned());
    let port = nvs.number("mqtt", "port").unwrap_or(1883);
    let console = platform.console.clone();
    if let Some(boots) = count_boot(&platform) {
        console.info("lamp", &format!("boot {boots} since its settings were written")).await;
    }
    console.info("lamp", &format!("reset reason: {}", crate::boot::app_text(platform.cause))).await;
    console.info("mqtt", &format!("starting, broker {host}:{port}")).await;
    platform.pins.drive(LAMP_PIN, true);
    let seed = platform.mac.iter().fold(17, |seed: u32, byte| seed.wrapping_mul(31) + u32::from(*byte));
    let lamp = Lamp::new(settings, variant, seed);
    // Only once: the boot after the panic succeeds.
    let panics_at = platform.nvs.number("fault", "panic_at").filter(|_| platform.cause == ResetCause::PowerOn);
    let booted = Instant::now();
    Runtime { platform, lamp, booted, host, port, socket: None, packets: 0, panics_at }.run().await
}

/// Counts its boots in NVS, if its settings ask for it: an app that writes there at run time, like the Wi-Fi library
/// of a real chip does.
fn count_boot(platform: &Platform) -> Option<u32> {
    platform.nvs.number::<u8>("lamp", "count_boots").filter(|asked| *asked != 0)?;
    let boots = platform.nvs.number::<u32>("lamp", "boots").unwrap_or(0) + 1;
    platform.store.as_ref()?.set("lamp", "boots", boots).then_some(boots)
}

enum Happened {
    Due,
    Received(Vec<u8>),
    Closed,
}

impl Runtime {
    async fn run(mut self) -> ResetCause {
        let mut happened = Happened::Due;
        loop {
            if let Happened::Received(bytes) = &happened
                && self.panics_at(bytes)
            {
                return super::panic(&self.platform).await;
            }
            let now = self.now();
            let effects = match &happened {
                Happened::Due => self.lamp.handle(now, Input::Tick),
                Happened::Received(bytes) => self.lamp.handle(now, Input::Received(bytes)),
                Happened::Closed => {
                    self.close();
                    self.lamp.handle(now, Input::Closed)
                }
            };
            match self.carry_out(effects).await {
                Some(cause) => return cause,
                None => happened = self.next().await,
            }
        }
    }

    /// Counts packets; returns whether it panics at one of them.
    fn panics_at(&mut self, bytes: &[u8]) -> bool {
        self.packets += packets_in(bytes);
        self.panics_at.is_some_and(|at| self.packets >= at)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.booted.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    async fn next(&self) -> Happened {
        let due = self.lamp.wake_at().map(|at| self.booted + std::time::Duration::from_millis(at));
        tokio::select! {
            received = receive(self.socket.as_ref()) => match received {
                Some(bytes) => Happened::Received(bytes),
                None => Happened::Closed,
            },
            () = super::sleep_until(due) => Happened::Due,
        }
    }

    /// Applies effects in order; a restart ends the app.
    async fn carry_out(&mut self, effects: Vec<Effect>) -> Option<ResetCause> {
        let mut effects = std::collections::VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Connect => effects.extend(self.connect().await),
                Effect::Close => self.close(),
                Effect::Send(bytes) if self.panics_at(&bytes) => return Some(super::panic(&self.platform).await),
                Effect::Send(bytes) => {
                    if let Some(socket) = &self.socket
                        && socket.send(&bytes).await.is_err()
                    {
                        self.close();
                        effects.extend(self.lamp.handle(self.now(), Input::Closed));
                    }
                }
                Effect::Light(lit) => self.platform.pins.drive(LAMP_PIN, !lit),
                Effect::Log(line) => {
                    let (tag, text) = line.split_once(": ").unwrap_or(("lamp", &line));
                    self.platform.console.info(tag, text).await;
                }
                // It takes no updates: without a topic there is no announcement.
                Effect::Online | Effect::Announced { .. } => {}
                Effect::Restart => {
                    self.platform.console.info("lamp", "restarting").await;
                    return Some(ResetCause::SoftwareCpu);
                }
            }
        }
        None
    }

    async fn connect(&mut self) -> Vec<Effect> {
        match self.platform.radio.connect(&self.host, self.port).await {
            Ok(socket) => {
                self.socket = Some(socket);
                self.lamp.handle(self.now(), Input::Connected)
            }
            Err(_) => self.lamp.handle(self.now(), Input::Closed),
        }
    }

    fn close(&mut self) {
        if let Some(socket) = self.socket.take() {
            socket.close();
        }
    }
}

/// How many packets begin in these bytes, which start with one (MQTT 3.1.1 §2.2.3).
fn packets_in(mut bytes: &[u8]) -> u32 {
    let mut packets = 0;
    while !bytes.is_empty() {
        packets += 1;
        let digits = bytes[1..].iter().take(4).take_while(|byte| **byte & 0x80 != 0).count() + 1;
        let length = bytes[1..].iter().take(digits).enumerate();
        let length = length.fold(0, |sum, (n, byte)| sum | usize::from(byte & 0x7f) << (7 * n));
        bytes = bytes.get(1 + digits + length..).unwrap_or_default();
    }
    packets
}

/// Bytes, or none when the connection ended; waits forever without a connection.
async fn receive(socket: Option<&Socket>) -> Option<Vec<u8>> {
    let Some(socket) = socket else { return std::future::pending().await };
    socket.receive().await.ok().filter(|bytes| !bytes.is_empty())
}
