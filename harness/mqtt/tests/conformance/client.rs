//! A client that sends exactly the given packets.

use std::collections::VecDeque;
use std::time::Duration;

use hil_link::ByteStream;
use hil_mqtt::{Decoder, Endpoint};
use hil_timeline::{Direction, Packet};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// How long a broker may take for anything.
pub(crate) const SOON: Duration = Duration::from_secs(5);
/// Long enough to be sure that nothing comes.
pub(crate) const A_WHILE: Duration = Duration::from_millis(300);

pub(crate) struct Client {
    stream: Box<dyn ByteStream>,
    decoder: Decoder,
    packets: VecDeque<Packet>,
}

/// The contents of CONNECT.
#[derive(Clone, Default)]
pub(crate) struct Connect<'a> {
    pub(crate) version: u8,
    pub(crate) id: &'a str,
    pub(crate) keep: bool,
    pub(crate) keep_alive: u16,
    pub(crate) login: Option<(&'a str, &'a str)>,
    /// Topic, payload, QoS, retained.
    pub(crate) will: Option<(&'a str, &'a str, u8, bool)>,
    /// Encoded, without their length.
    pub(crate) properties: &'a [u8],
}

impl<'a> Connect<'a> {
    pub(crate) fn new(id: &'a str) -> Self {
        Self { version: 4, id, keep_alive: 60, ..Self::default() }
    }

    pub(crate) fn v5(id: &'a str) -> Self {
        Self { version: 5, ..Self::new(id) }
    }

    fn encode(&self) -> Vec<u8> {
        let mut body = text(if self.version == 3 { "MQIsdp" } else { "MQTT" });
        let mut flags = u8::from(!self.keep) << 1;
        if let Some((_, _, qos, retain)) = self.will {
            flags |= 0x04 | qos << 3 | u8::from(retain) << 5;
        }
        if self.login.is_some() {
            flags |= 0xc0;
        }
        body.extend([self.version, flags]);
        body.extend(self.keep_alive.to_be_bytes());
        if self.version == 5 {
            body.push(u8::try_from(self.properties.len()).expect("short"));
            body.extend(self.properties);
        }
        body.extend(text(self.id));
        if let Some((topic, payload, ..)) = self.will {
            if self.version == 5 {
                body.push(0);
            }
            body.extend(text(topic));
            body.extend(text(payload));
        }
        if let Some((user, password)) = self.login {
            body.extend(text(user));
            body.extend(text(password));
        }
        packet(0x10, &body)
    }
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(text.len()).expect("short").to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    assert!(body.len() < 128 * 128 * 128, "three bytes of length are enough for a test");
    let mut packet = vec![first];
    let mut length = body.len();
    while length > 0x7f {
        packet.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    packet.push(length as u8);
    packet.extend(body);
    packet
}

impl Client {
    /// A connection that has sent nothing yet; the error is the broker's.
    pub(crate) async fn open(endpoint: &Endpoint) -> Result<Self, String> {
        let stream = endpoint.connect().await?.into_stream();
        Ok(Self { stream, decoder: Decoder::default(), packets: VecDeque::new() })
    }

    /// Connects and returns the broker's answer; none if it just closes the connection.
    pub(crate) async fn try_connect(endpoint: &Endpoint, connect: &Connect<'_>) -> (Self, Option<Packet>) {
        let mut client = Self::open(endpoint).await.unwrap_or_else(|error| panic!("{endpoint}: {error}"));
        // A full broker may have closed the connection already.
        let _ = client.try_send(&connect.encode()).await;
        client.decoder.push(Direction::FromBoard, &connect.encode());
        let answer = client.next().await;
        (client, answer)
    }

    /// Connects; returns whether the broker had its session.
    pub(crate) async fn connect(endpoint: &Endpoint, connect: &Connect<'_>) -> (Self, bool) {
        match Self::try_connect(endpoint, connect).await {
            (client, Some(Packet::Connack { session_present, code: 0, .. })) => (client, session_present),
            (_, other) => panic!("{}: {endpoint} answers {other:?}", connect.id),
        }
    }

    async fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).await.expect("sent");
    }

    /// Subscribes; returns the granted QoS.
    pub(crate) async fn subscribe(&mut self, filter: &str, qos: u8) -> Vec<u8> {
        let mut body = vec![0, 9];
        if self.decoder.protocol() == 5 {
            body.push(0);
        }
        body.extend(text(filter));
        body.push(qos);
        self.send(&packet(0x82, &body)).await;
        match self.next_but_publish().await {
            Some(Packet::Suback { codes, .. }) => codes,
            other => panic!("SUBSCRIBE {filter}: {other:?}"),
        }
    }

    /// Sends a PUBLISH; `properties` as for CONNECT.
    pub(crate) async fn publish_with(&mut self, flags: u8, topic: &str, payload: &str, properties: &[u8]) {
        let mut body = text(topic);
        if flags & 0x06 != 0 {
            body.extend([0, 7]);
        }
        if self.decoder.protocol() == 5 {
            body.push(u8::try_from(properties.len()).expect("short"));
            body.extend(properties);
        }
        body.extend(payload.as_bytes());
        self.send(&packet(0x30 | flags, &body)).await;
    }

    /// Publishes at a QoS with its whole exchange.
    pub(crate) async fn publish(&mut self, topic: &str, payload: &str, qos: u8, retain: bool) {
        self.publish_with(qos << 1 | u8::from(retain), topic, payload, &[]).await;
        match qos {
            1 => assert!(matches!(self.next_but_publish().await, Some(Packet::Puback { packet_id: 7, .. }))),
            2 => {
                assert!(matches!(self.next_but_publish().await, Some(Packet::Pubrec { packet_id: 7, .. })));
                self.send(&[0x62, 2, 0, 7]).await;
                assert!(matches!(self.next_but_publish().await, Some(Packet::Pubcomp { packet_id: 7, .. })));
            }
            _ => {}
        }
    }

    /// The next packet; none when the broker has closed the connection.
    pub(crate) async fn next(&mut self) -> Option<Packet> {
        let read = tokio::time::timeout(SOON, self.read()).await;
        read.unwrap_or_else(|_| panic!("the broker says nothing"))
    }

    async fn read(&mut self) -> Option<Packet> {
        let mut chunk = vec![0; 4096];
        loop {
            if let Some(packet) = self.packets.pop_front() {
                return Some(packet);
            }
            match self.stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return None,
                Ok(length) => {
                    let seen = self.decoder.push(Direction::ToBoard, &chunk[..length]);
                    self.packets.extend(seen.into_iter().filter_map(|seen| seen.packet));
                }
            }
        }
    }

    /// The next packet that is not a PUBLISH.
    async fn next_but_publish(&mut self) -> Option<Packet> {
        let mut later = VecDeque::new();
        let packet = loop {
            match self.next().await {
                Some(packet @ Packet::Publish { .. }) => later.push_back(packet),
                other => break other,
            }
        };
        later.extend(self.packets.drain(..));
        self.packets = later;
        packet
    }

    /// The next message: topic, payload, QoS, retained, DUP. It is acknowledged unless that is switched off.
    pub(crate) async fn message(&mut self) -> (String, String, u8, bool, bool) {
        let message = self.unacknowledged().await;
        let (topic, payload, qos, retain, dup, id) = message;
        match (qos, id) {
            (1, Some(id)) => self.send(&[0x40, 2, (id >> 8) as u8, id as u8]).await,
            (2, Some(id)) => {
                self.send(&[0x50, 2, (id >> 8) as u8, id as u8]).await;
                assert!(
                    matches!(self.next_but_publish().await, Some(Packet::Pubrel { packet_id, .. }) if packet_id == id)
                );
                self.send(&[0x70, 2, (id >> 8) as u8, id as u8]).await;
            }
            _ => {}
        }
        (topic, payload, qos, retain, dup)
    }

    pub(crate) async fn unacknowledged(&mut self) -> (String, String, u8, bool, bool, Option<u16>) {
        match self.next().await {
            Some(Packet::Publish { topic, payload, qos, retain, dup, packet_id, .. }) => {
                (topic, payload.as_text().unwrap_or_default().to_owned(), u8::from(qos), retain, dup, packet_id)
            }
            other => panic!("{other:?} instead of a message"),
        }
    }

    /// The next packet, however long it takes.
    pub(crate) async fn next_slowly(&mut self) -> Option<Packet> {
        self.read().await
    }

    /// The next packet, if there is one soon.
    pub(crate) async fn maybe(&mut self, within: Duration) -> Option<Packet> {
        tokio::time::timeout(within, self.read()).await.ok().flatten()
    }

    /// Checks that nothing comes for a while.
    pub(crate) async fn hears_nothing(&mut self) {
        if let Ok(heard) = tokio::time::timeout(A_WHILE, self.read()).await {
            panic!("heard {heard:?}");
        }
    }

    /// Waits until the broker has closed the connection; returns what it sent before.
    pub(crate) async fn closed(&mut self) -> Vec<Packet> {
        let mut said = Vec::new();
        while let Some(packet) = self.next().await {
            said.push(packet);
        }
        said
    }
}
