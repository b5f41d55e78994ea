//! A lamp, a broker and the cable between them.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use embassy_net::tcp::TcpSocket;
use embassy_net::{Ipv4Address, Ipv4Cidr, Runner, Stack, StackResources, StaticConfigV4};
use embassy_time::{Duration, Instant, MockDriver, Timer};
use lamp_app::{Broker, Config, MemFlash, Platform, Services, Updates, Variant};

use crate::cable::{Cable, Device};

/// What the tests see.
#[derive(Default)]
struct Seen {
    is_lit: bool,
    lines: Vec<String>,
    /// When the watchdog was fed.
    fed: Vec<u64>,
    packets: Vec<&'static str>,
    commands: Vec<&'static str>,
    listens: bool,
}

type Shared = Rc<RefCell<Seen>>;

struct Chip(Shared);

impl Platform for Chip {
    fn light(&mut self, lit: bool) {
        self.0.borrow_mut().is_lit = lit;
    }

    fn log(&mut self, tag: &str, text: &str) {
        self.0.borrow_mut().lines.push(format!("{tag}: {text}"));
    }

    fn alive(&mut self) {
        self.0.borrow_mut().fed.push(Instant::now().as_millis());
    }

    fn restart(&mut self) -> ! {
        panic!("a good lamp never restarts")
    }
}

/// A future, and whether it was woken.
type Task = (Pin<Box<dyn Future<Output = ()>>>, Arc<Flag>);

/// Polls its futures until none is woken, then moves the clock.
pub(crate) struct Room {
    tasks: Vec<Task>,
    seen: Shared,
    cable: Cable,
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Room {
    pub(crate) fn new() -> Self {
        MockDriver::get().reset();
        let cable = Cable::default();
        let seen = Shared::default();
        seen.borrow_mut().listens = true;
        let mut room = Self { tasks: Vec::new(), seen: seen.clone(), cable: cable.clone() };
        let lamp = room.host(cable.device(0), 2);
        let broker = room.host(cable.device(1), 1);
        room.spawn(serve(broker, seen.clone()));
        let at = Broker { host: "10.0.0.1".into(), port: 1883 };
        let settings = lamp_core::Settings {
            client_id: "lamp".into(),
            user: None,
            password: None,
            keep_alive: 5,
            update_topic: None,
        };
        let config = Config {
            broker: at,
            settings,
            variant: Variant::GOOD,
            updates: None::<Updates<MemFlash>>,
            services: Services::default(),
            random: |bytes| bytes.fill(0),
            seed: 3,
        };
        room.spawn(async move {
            lamp_app::run(lamp, Chip(seen), config).await;
        });
        room
    }

    /// A host with a network stack on this device.
    fn host(&mut self, device: Device, number: u8) -> Stack<'static> {
        let address = Ipv4Cidr::new(Ipv4Address::new(10, 0, 0, number), 24);
        let config = StaticConfigV4 { address, gateway: None, dns_servers: Default::default() };
        let resources = Box::leak(Box::new(StackResources::<4>::new()));
        let (stack, mut runner): (_, Runner<'static, _>) =
            embassy_net::new(device, embassy_net::Config::ipv4_static(config), resources, u64::from(number));
        self.spawn(async move { runner.run().await });
        stack
    }

    fn spawn(&mut self, task: impl Future<Output = ()> + 'static) {
        self.tasks.push((Box::pin(task), Arc::new(Flag(AtomicBool::new(true)))));
    }

    pub(crate) fn run_for(&mut self, ms: u64) {
        for _ in 0..ms {
            self.settle();
            MockDriver::get().advance(Duration::from_millis(1));
        }
        self.settle();
    }

    fn settle(&mut self) {
        let mut is_busy = true;
        while std::mem::take(&mut is_busy) {
            for (task, flag) in &mut self.tasks {
                if flag.0.swap(false, Ordering::Relaxed) {
                    is_busy = true;
                    let waker = Waker::from(flag.clone());
                    assert!(task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "no task ends");
                }
            }
        }
    }

    pub(crate) fn plug(&self, plugged: bool) {
        self.cable.plug(plugged);
    }

    /// Without listening the broker closes its connection and refuses others.
    pub(crate) fn listens(&self, listens: bool) {
        self.seen.borrow_mut().listens = listens;
    }

    pub(crate) fn command(&self, command: &'static str) {
        self.seen.borrow_mut().commands.push(command);
    }

    pub(crate) fn is_lit(&self) -> bool {
        self.seen.borrow().is_lit
    }

    /// How many packets of this kind the broker has received.
    pub(crate) fn packets(&self, kind: &str) -> usize {
        self.seen.borrow().packets.iter().filter(|packet| **packet == kind).count()
    }

    pub(crate) fn lines(&self, text: &str) -> usize {
        self.seen.borrow().lines.iter().filter(|line| line.contains(text)).count()
    }

    /// The pauses that the lamp announced, in milliseconds.
    pub(crate) fn pauses(&self) -> Vec<u64> {
        let seen = self.seen.borrow();
        let pause = |line: &String| line.split("next attempt in ").nth(1)?.strip_suffix(" ms")?.parse().ok();
        seen.lines.iter().filter_map(pause).collect()
    }

    /// The watchdog was fed at least once a second, from the beginning until now.
    pub(crate) fn check_watchdog(&self) {
        let mut fed = self.seen.borrow().fed.clone();
        fed.push(Instant::now().as_millis());
        assert!(fed.windows(2).all(|pair| pair[1] - pair[0] <= 1_000), "hungry");
    }
}

/// A broker for one client.
async fn serve(stack: Stack<'static>, seen: Shared) {
    let (mut receive, mut send) = ([0; 1024], [0; 1024]);
    let mut socket = TcpSocket::new(stack, &mut receive, &mut send);
    loop {
        while !seen.borrow().listens {
            Timer::after(Duration::from_millis(5)).await;
        }
        let accepted = embassy_time::with_timeout(Duration::from_millis(50), socket.accept(1883)).await;
        if let Ok(Ok(())) = accepted {
            talk(&mut socket, &seen).await;
        }
        socket.abort();
        let _ = embassy_time::with_timeout(Duration::from_millis(50), socket.flush()).await;
    }
}

async fn talk(socket: &mut TcpSocket<'_>, seen: &Shared) {
    /// One and a half keep alives (§3.1.2.10).
    const PATIENCE: Duration = Duration::from_millis(7_500);
    let mut bytes = Vec::new();
    let mut heard = Instant::now();
    while seen.borrow().listens && heard.elapsed() < PATIENCE {
        let mut buffer = [0; 256];
        match embassy_time::with_timeout(Duration::from_millis(5), socket.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => return,
            Ok(Ok(length)) => {
                heard = Instant::now();
                bytes.extend(&buffer[..length]);
            }
            Err(_) => {}
        }
        let mut answer = Vec::new();
        while bytes.len() >= 2 && bytes.len() >= 2 + usize::from(bytes[1]) {
            let packet: Vec<_> = bytes.drain(..2 + usize::from(bytes[1])).collect();
            answer.extend(reply(&packet, seen));
        }
        for command in seen.borrow_mut().commands.drain(..) {
            answer.extend([0x32, u8::try_from(15 + command.len()).unwrap_or(0), 0, 11]);
            answer.extend(b"sooko/lampu\0\x09");
            answer.extend(command.as_bytes());
        }
        if !answer.is_empty() && socket.write(&answer).await.is_err() {
            return;
        }
    }
}

fn reply(packet: &[u8], seen: &Shared) -> Vec<u8> {
    let (kind, answer) = match packet[0] >> 4 {
        1 => ("CONNECT", vec![0x20, 2, 0, 0]),
        3 => {
            let topic = usize::from(packet[3]);
            ("PUBLISH", vec![0x40, 2, packet[4 + topic], packet[5 + topic]])
        }
        4 => ("PUBACK", Vec::new()),
        8 => ("SUBSCRIBE", vec![0x90, 3, packet[2], packet[3], 1]),
        12 => ("PINGREQ", vec![0xd0, 0]),
        other => panic!("packet type {other}"),
    };
    seen.borrow_mut().packets.push(kind);
    answer
}
