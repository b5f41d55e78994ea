//! An MQTT client that follows commands on its console, for features about brokers and about MQTT itself.
//!
//! It supports MQTT 3.1, 3.1.1 and 5 over TCP, TLS and WebSocket, with its own codec: the tap decodes with another one.

mod codec;
mod command;
mod connection;
mod packet;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use self::codec::{Incoming, Outgoing};
use self::command::ClientCommand;
use self::connection::Connection;
use self::packet::{Connect, Properties, Publish, Version};
use super::Platform;
use crate::boot::ResetCause;

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Never returns: the client does not restart by itself.
pub(super) async fn run(platform: Platform) -> ResetCause {
    let mut client = Client::new(platform);
    client.say("ready").await;
    loop {
        client.step().await;
    }
}

struct Client {
    platform: Platform,
    typed: Vec<u8>,
    connection: Option<Connection>,
    version: Version,
    keep_alive: Duration,
    last_sent: Instant,
    acknowledges: bool,
    next_id: u16,
    /// Unacknowledged messages and unfinished releases: sent again when the session is resumed.
    unacknowledged: BTreeMap<u16, Unacknowledged>,
    waiting: Option<Waiting>,
}

enum Unacknowledged {
    Publish(Publish),
    Release,
}

/// What the next console line waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Connack,
    Suback,
    Unsuback,
    Pingresp,
}

enum Happened {
    Typed(Vec<u8>),
    Received(Result<Vec<Incoming>, String>),
    Idle,
}

impl Client {
    fn new(platform: Platform) -> Self {
        Self {
            platform,
            typed: Vec::new(),
            connection: None,
            version: Version::V311,
            keep_alive: Duration::ZERO,
            last_sent: Instant::now(),
            acknowledges: true,
            next_id: 1,
            unacknowledged: BTreeMap::new(),
            waiting: None,
        }
    }

    async fn say(&self, text: &str) {
        self.platform.console.info("client", text).await;
    }

    /// Handles the next line, or another event that comes first.
    async fn step(&mut self) {
        if let Some(end) = self.typed.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let line: Vec<u8> = self.typed.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).trim().to_owned();
            if !line.is_empty() {
                self.handle(&line).await;
            }
            return;
        }
        self.live_once(None).await;
    }

    /// Waits for one event and handles it.
    async fn live_once(&mut self, until: Option<Instant>) {
        let typed = async { self.platform.typed.lock().await.recv().await };
        let received = async {
            match &mut self.connection {
                Some(connection) => connection.receive(self.version).await,
                None => std::future::pending().await,
            }
        };
        let ping = (!self.keep_alive.is_zero()).then(|| self.last_sent + self.keep_alive / 2);
        let idle = [ping.filter(|_| self.waiting.is_none()), until].into_iter().flatten().min();
        let happened = tokio::select! {
            Some(bytes) = typed => Happened::Typed(bytes),
            received = received => Happened::Received(received),
            () = super::sleep_until(idle) => Happened::Idle,
        };
        match happened {
            Happened::Typed(bytes) => self.typed.extend(bytes),
            Happened::Received(Ok(packets)) => {
                for packet in packets {
                    self.take(packet).await;
                }
            }
            Happened::Received(Err(how)) => self.lost(&how).await,
            Happened::Idle if until.is_none_or(|until| Instant::now() < until) => self.send(Outgoing::Pingreq).await,
            Happened::Idle => {}
        }
    }

    /// Until the answer comes, the connection is lost, or the time is over.
    async fn wait_for(&mut self, what: Waiting) {
        self.waiting = Some(what);
        let until = Instant::now() + PATIENCE;
        while self.waiting.is_some() && self.connection.is_some() && Instant::now() < until {
            self.live_once(Some(until)).await;
        }
        self.waiting = None;
    }

    async fn handle(&mut self, line: &str) {
        match ClientCommand::read(line) {
            Err(problem) => self.say(&format!("no such command: {problem}")).await,
            Ok(command) => self.carry_out(command).await,
        }
    }

    async fn carry_out(&mut self, command: ClientCommand) {
        match command {
            ClientCommand::Connect(connect) => self.connect(connect).await,
            ClientCommand::Subscribe { filters, options, properties } => {
                let id = self.take_id();
                let filters = filters.into_iter().map(|(filter, qos)| (filter, qos | options)).collect();
                self.send(Outgoing::Subscribe { id, filters, properties }).await;
                self.wait_for(Waiting::Suback).await;
            }
            ClientCommand::Unsubscribe(filters) => {
                let id = self.take_id();
                self.send(Outgoing::Unsubscribe { id, filters }).await;
                self.wait_for(Waiting::Unsuback).await;
            }
            ClientCommand::Publish(publish) => self.publish(publish).await,
            ClientCommand::Repeat { times, every, command } => {
                let start = Instant::now();
                for n in 0..times {
                    let due = start + every * n;
                    while Instant::now() < due {
                        self.live_once(Some(due)).await;
                    }
                    if let Ok(command) = ClientCommand::read(&command.replace("{n}", &n.to_string())) {
                        Box::pin(self.carry_out(command)).await;
                    }
                }
            }
            ClientCommand::Acknowledge(yes) => self.acknowledges = yes,
            ClientCommand::Ping => {
                self.send(Outgoing::Pingreq).await;
                self.wait_for(Waiting::Pingresp).await;
            }
            ClientCommand::Disconnect { code, properties } => {
                self.send(Outgoing::Disconnect { code, properties }).await;
                self.hang_up().await;
            }
            ClientCommand::Drop => self.hang_up().await,
            ClientCommand::Raw(bytes) => self.send(Outgoing::Raw(bytes)).await,
        }
    }

    async fn connect(&mut self, connect: Connect) {
        self.hang_up().await;
        match Connection::open(&self.platform, &connect).await {
            Err(problem) => return self.say(&format!("no connection: {problem}")).await,
            Ok(connection) => self.connection = Some(connection),
        }
        self.version = connect.version;
        self.keep_alive = Duration::from_secs(u64::from(connect.keep_alive));
        if connect.clean {
            self.unacknowledged.clear();
        }
        self.send(Outgoing::Connect(Box::new(connect))).await;
        self.wait_for(Waiting::Connack).await;
    }

    async fn publish(&mut self, mut publish: Publish) {
        if publish.qos > 0 && publish.id == 0 {
            publish.id = self.take_id();
        }
        if publish.qos > 0 {
            self.unacknowledged.insert(publish.id, Unacknowledged::Publish(publish.clone()));
        }
        self.send(Outgoing::Publish(publish)).await;
    }

    fn take_id(&mut self) -> u16 {
        let id = self.next_id;
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        id
    }

    async fn send(&mut self, packet: Outgoing) {
        let bytes = packet.encode(self.version);
        self.last_sent = Instant::now();
        let sent = match &mut self.connection {
            Some(connection) => connection.send(bytes).await,
            None => return self.say("not connected").await,
        };
        if let Err(problem) = sent {
            self.lost(&problem).await;
        }
    }

    async fn hang_up(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
    }

    async fn lost(&mut self, how: &str) {
        self.hang_up().await;
        self.say(&format!("connection lost: {how}")).await;
    }

    async fn take(&mut self, packet: Incoming) {
        match packet {
            Incoming::Connack { session_present, code: 0 } => {
                let session = if session_present { "session present" } else { "new session" };
                self.answered(Waiting::Connack);
                self.say(&format!("connected, {session}")).await;
                self.send_again(session_present).await;
            }
            Incoming::Connack { code, .. } => {
                self.answered(Waiting::Connack);
                self.say(&format!("refused with code {code}")).await;
            }
            Incoming::Publish { topic, payload, qos, retain, dup, id } => {
                let flags = format!("{}{}", if retain { ", retained" } else { "" }, if dup { ", DUP" } else { "" });
                let payload = String::from_utf8_lossy(&payload).into_owned();
                self.say(&format!("received `{payload}` on `{topic}`, QoS {qos}{flags}")).await;
                match qos {
                    1 if self.acknowledges => self.send(Outgoing::Puback(id)).await,
                    2 if self.acknowledges => self.send(Outgoing::Pubrec(id)).await,
                    _ => {}
                }
            }
            Incoming::Puback(id) | Incoming::Pubcomp(id) => {
                self.unacknowledged.remove(&id);
            }
            Incoming::Pubrec(id) => {
                self.unacknowledged.insert(id, Unacknowledged::Release);
                self.send(Outgoing::Pubrel(id)).await;
            }
            Incoming::Pubrel(id) => self.send(Outgoing::Pubcomp(id)).await,
            Incoming::Suback(codes) => {
                self.answered(Waiting::Suback);
                self.say(&format!("subscribed {codes:?}")).await;
            }
            Incoming::Unsuback => {
                self.answered(Waiting::Unsuback);
                self.say("unsubscribed").await;
            }
            Incoming::Pingresp => self.answered(Waiting::Pingresp),
            Incoming::Disconnect(code) => self.say(&format!("the broker disconnects with code {code:#04x}")).await,
            Incoming::Other(kind) => self.say(&format!("a packet of type {kind}")).await,
        }
    }

    fn answered(&mut self, what: Waiting) {
        if self.waiting == Some(what) {
            self.waiting = None;
        }
    }

    /// MQTT 3.1.1 §4.4: unacknowledged messages are sent again, with DUP, when the session is resumed.
    async fn send_again(&mut self, session_present: bool) {
        if !session_present {
            self.unacknowledged.clear();
        }
        let packets: Vec<Outgoing> = self
            .unacknowledged
            .iter()
            .map(|(id, what)| match what {
                Unacknowledged::Publish(publish) => Outgoing::Publish(Publish { dup: true, ..publish.clone() }),
                Unacknowledged::Release => Outgoing::Pubrel(*id),
            })
            .collect();
        for packet in packets {
            self.send(packet).await;
        }
    }
}

/// No properties.
fn none() -> Properties {
    Properties::default()
}
