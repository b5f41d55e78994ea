//! The packets of a lamp, read byte by byte: independent of the library that the lamp uses.

/// What a CONNECT says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Connect {
    pub(crate) level: u8,
    pub(crate) clean_session: bool,
    pub(crate) keep_alive: u16,
    pub(crate) client_id: String,
    /// Topic, payload, QoS, retained.
    pub(crate) will: Option<(String, String, u8, bool)>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Packet {
    Connect(Connect),
    Publish { topic: String, payload: String, qos: u8, retained: bool, id: u16 },
    Puback(u16),
    Subscribe { id: u16, filter: String, qos: u8 },
    Pingreq,
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().expect("a byte more");
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u16 {
        u16::from(self.byte()) << 8 | u16::from(self.byte())
    }

    fn text(&mut self) -> String {
        let length = usize::from(self.number());
        let (text, rest) = self.0.split_at(length);
        let text = String::from_utf8(text.to_vec()).expect("UTF-8");
        self.0 = rest;
        text
    }
}

/// Reads one whole packet; anything else fails the test.
pub(crate) fn packet(bytes: &[u8]) -> Packet {
    let mut reader = Reader(bytes);
    let first = reader.byte();
    let mut length = 0;
    for digit in 0.. {
        let byte = reader.byte();
        length |= usize::from(byte & 0x7f) << (7 * digit);
        if byte & 0x80 == 0 {
            break;
        }
    }
    assert_eq!(reader.0.len(), length, "one packet at a time: {bytes:?}");
    match first {
        0x10 => Packet::Connect(connect(&mut reader)),
        0x40 => Packet::Puback(reader.number()),
        0x82 => Packet::Subscribe { id: reader.number(), filter: reader.text(), qos: reader.byte() },
        0xc0 => Packet::Pingreq,
        _ if first >> 4 == 3 => {
            let (qos, retained) = (first >> 1 & 3, first & 1 == 1);
            let topic = reader.text();
            let id = if qos > 0 { reader.number() } else { 0 };
            Packet::Publish { topic, payload: String::from_utf8(reader.0.to_vec()).expect("UTF-8"), qos, retained, id }
        }
        _ => panic!("a lamp never sends {bytes:?}"),
    }
}

fn connect(reader: &mut Reader<'_>) -> Connect {
    assert_eq!(reader.text(), "MQTT");
    let level = reader.byte();
    let flags = reader.byte();
    let keep_alive = reader.number();
    let client_id = reader.text();
    let will = (flags & 0x04 != 0).then(|| (reader.text(), reader.text(), flags >> 3 & 3, flags & 0x20 != 0));
    let user = (flags & 0x80 != 0).then(|| reader.text());
    let password = (flags & 0x40 != 0).then(|| reader.text());
    assert!(reader.0.is_empty());
    Connect { level, clean_session: flags & 0x02 != 0, keep_alive, client_id, will, user, password }
}
