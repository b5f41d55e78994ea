//! The contents of the client's packets.

/// The protocol's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V31,
    V311,
    V5,
}

/// Encoded properties of an MQTT 5 packet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Properties(Vec<u8>);

impl Properties {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn byte(&mut self, id: u8, value: u8) {
        self.0.extend([id, value]);
    }

    pub(super) fn short(&mut self, id: u8, value: u16) {
        self.0.push(id);
        self.0.extend(value.to_be_bytes());
    }

    pub(super) fn long(&mut self, id: u8, value: u32) {
        self.0.push(id);
        self.0.extend(value.to_be_bytes());
    }

    pub(super) fn variable(&mut self, id: u8, value: usize) {
        self.0.push(id);
        variable(&mut self.0, value);
    }

    pub(super) fn text(&mut self, id: u8, value: &str) {
        self.0.push(id);
        text(&mut self.0, value);
    }

    pub(super) fn pair(&mut self, id: u8, key: &str, value: &str) {
        self.text(id, key);
        text(&mut self.0, value);
    }
}

/// The contents of a CONNECT, and its transport.
#[derive(Debug, Clone)]
pub(super) struct Connect {
    pub(super) version: Version,
    pub(super) over: Over,
    pub(super) id: String,
    pub(super) clean: bool,
    pub(super) keep_alive: u16,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) will: Option<Will>,
    pub(super) properties: Properties,
    /// Whether TLS presents the board's certificate.
    pub(super) shows_certificate: bool,
    /// Whether TLS trusts the bench's CA.
    pub(super) trusts_bench: bool,
}

/// The layers above TCP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Over {
    pub(super) tls: bool,
    pub(super) websocket: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Will {
    pub(super) topic: String,
    pub(super) payload: String,
    pub(super) qos: u8,
    pub(super) retain: bool,
    pub(super) properties: Properties,
}

#[derive(Debug, Clone)]
pub(super) struct Publish {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) qos: u8,
    pub(super) retain: bool,
    pub(super) dup: bool,
    pub(super) id: u16,
    pub(super) properties: Properties,
}

pub(super) fn text(body: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    body.extend(length.to_be_bytes());
    body.extend(&text.as_bytes()[..usize::from(length)]);
}

pub(super) fn variable(body: &mut Vec<u8>, mut value: usize) {
    while value > 0x7f {
        body.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    body.push(value as u8);
}
