//! The name server (RFC 1035). The embedder is asked about every question: it may be silent.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};

use smoltcp::wire::{DnsFlags, DnsOpcode, DnsPacket, DnsQueryType, DnsQuestion, DnsRcode};

use crate::air::{Air, udp};
use crate::config::Config;
use crate::event::{Answer, Asks, Event, QueryId};

/// How many questions wait for the embedder. The oldest is dropped; clients ask again.
const MOST_WAITING: usize = 32;

/// How many addresses are sent: 16 bytes each, so that any name fits in the 512 bytes of RFC 1035, 4.2.1.
const MOST_ADDRESSES: usize = 12;

/// How long a client may keep an address, in seconds: not at all, as the bench may move a name.
const TIME_TO_LIVE: u32 = 0;

const HEADER: usize = 12;

/// Question type "all records" (RFC 1035, 3.2.3).
const ANY: u16 = 255;

/// The name server.
#[derive(Debug, Default)]
pub(crate) struct Dns {
    waiting: VecDeque<(QueryId, Question)>,
    next: u64,
}

/// A question, with what its answer repeats.
#[derive(Debug)]
struct Question {
    /// The station's end.
    from: SocketAddrV4,
    /// The end that was asked.
    to: SocketAddrV4,
    id: u16,
    recursion_desired: bool,
    opcode: u8,
    /// Name, type and class as they came; empty if they could not be read.
    bytes: Vec<u8>,
    asks: Asks,
    known: Known,
}

/// What is said without the embedder.
#[derive(Debug)]
struct Known {
    code: DnsRcode,
    addresses: Vec<Ipv4Addr>,
    /// No embedder knows better.
    is_final: bool,
}

impl Known {
    fn new(addresses: Vec<Ipv4Addr>) -> Self {
        Self { code: DnsRcode::NoError, addresses, is_final: false }
    }

    fn wrong(code: DnsRcode) -> Self {
        Self { code, addresses: Vec::new(), is_final: true }
    }
}

impl Dns {
    /// Hands a question to the embedder.
    pub(crate) fn receive(
        &mut self,
        config: &Config,
        from: SocketAddrV4,
        to: SocketAddrV4,
        message: &[u8],
    ) -> Option<Event> {
        let packet = DnsPacket::new_checked(message).ok()?;
        // An answer to an answer would go round for ever.
        if packet.flags().contains(DnsFlags::RESPONSE) {
            return None;
        }
        let (name, asks, known, bytes) = read(config, &packet);
        let question = Question {
            from,
            to,
            id: packet.transaction_id(),
            recursion_desired: packet.flags().contains(DnsFlags::RECURSION_DESIRED),
            opcode: packet.opcode().into(),
            bytes,
            asks,
            known,
        };
        let query = QueryId(self.next);
        self.next += 1;
        if self.waiting.len() == MOST_WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back((query, question));
        Some(Event::Query { query, name, asks })
    }

    /// Answers a question that was handed out. One that is not waiting any more is ignored.
    pub(crate) fn answer(&mut self, config: &Config, query: QueryId, answer: &Answer, air: &mut Air) {
        let Some(at) = self.waiting.iter().position(|(waiting, _)| *waiting == query) else { return };
        let Some((_, question)) = self.waiting.remove(at) else { return };
        let reachable = |address: &Ipv4Addr| if address.is_loopback() { config.network.gateway() } else { *address };
        let Known { code, addresses, is_final } = &question.known;
        match answer {
            _ if *is_final => question.say(*code, addresses, air),
            Answer::Known => question.say(*code, addresses, air),
            Answer::Addresses(_) if question.asks == Asks::Other => question.say(DnsRcode::NoError, &[], air),
            Answer::Addresses(addresses) => {
                let addresses: Vec<_> = addresses.iter().map(reachable).collect();
                question.say(DnsRcode::NoError, &addresses, air);
            }
            Answer::NoSuchName => question.say(DnsRcode::NXDomain, &[], air),
            Answer::Failed => question.say(DnsRcode::ServFail, &[], air),
        }
    }

    /// The station that asked has left.
    pub(crate) fn forget(&mut self) {
        self.waiting.clear();
    }
}

impl Question {
    /// Header (RFC 1035, 4.1.1), the question, and an A record for each address.
    fn say(&self, code: DnsRcode, addresses: &[Ipv4Addr], air: &mut Air) {
        let addresses = addresses.get(..MOST_ADDRESSES).unwrap_or(addresses);
        let mut message = vec![0; HEADER];
        let mut header = DnsPacket::new_unchecked(message.as_mut_slice());
        header.set_transaction_id(self.id);
        let recursion = if self.recursion_desired { DnsFlags::RECURSION_DESIRED } else { DnsFlags::empty() };
        header.set_flags(DnsFlags::RESPONSE | DnsFlags::RECURSION_AVAILABLE | recursion);
        header.set_question_count(u16::from(!self.bytes.is_empty()));
        header.set_answer_record_count(u16::try_from(addresses.len()).unwrap_or(0));
        // smoltcp has no setter for the code, and its setter for the operation takes one bit too few.
        message[2] |= (self.opcode & 0xf) << 3;
        message[3] |= u8::from(code) & 0xf;
        message.extend_from_slice(&self.bytes);
        for address in addresses {
            // A pointer to the name of the question, type A, class IN.
            message.extend_from_slice(&[0xc0, 0x0c, 0, 1, 0, 1]);
            message.extend_from_slice(&TIME_TO_LIVE.to_be_bytes());
            message.extend_from_slice(&[0, 4]);
            message.extend_from_slice(&address.octets());
        }
        air.send_ipv4(&udp(self.to, self.from, &message));
    }
}

/// The name of a question, what it asks, what is known of it, and its bytes.
fn read(config: &Config, packet: &DnsPacket<&[u8]>) -> (String, Asks, Known, Vec<u8>) {
    let wrong = |code, bytes| (String::new(), Asks::Other, Known::wrong(code), bytes);
    if packet.opcode() != DnsOpcode::Query {
        return wrong(DnsRcode::NotImp, Vec::new());
    }
    let Some((rest, asked)) = only_question(packet) else { return wrong(DnsRcode::FormErr, Vec::new()) };
    let bytes = packet.payload()[..packet.payload().len() - rest.len()].to_vec();
    let Some(name) = name(packet, &asked) else { return wrong(DnsRcode::NXDomain, bytes) };
    // There is no IPv6 here: a name exists, without such an address (RFC 4074 says why not to be silent).
    if !matches!(asked.type_, DnsQueryType::A | DnsQueryType::Unknown(ANY)) {
        return (name, Asks::Other, Known::new(Vec::new()), bytes);
    }
    let addresses = configured(config, &name);
    if addresses.is_empty() {
        let unknown = Known { code: DnsRcode::ServFail, addresses, is_final: false };
        return (name, Asks::Addresses, unknown, bytes);
    }
    (name, Asks::Configured, Known::new(addresses), bytes)
}

/// The question of a message that has exactly one, and what is after it.
fn only_question<'a>(packet: &'a DnsPacket<&[u8]>) -> Option<(&'a [u8], DnsQuestion<'a>)> {
    if packet.question_count() != 1 {
        return None;
    }
    // Its answer repeats it, so it must be as short as a question can be: 255 bytes of name, type, class.
    DnsQuestion::parse(packet.payload()).ok().filter(|(_, question)| question.name.len() <= 255)
}

/// The name of a question, if it can be that of a host (RFC 952, RFC 1123, 2.1, and `_`).
fn name(packet: &DnsPacket<&[u8]>, question: &DnsQuestion<'_>) -> Option<String> {
    let mut name = String::new();
    for label in packet.parse_name(question.name) {
        let label = std::str::from_utf8(label.ok()?).ok()?;
        if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(label);
    }
    (1..=253).contains(&name.len()).then_some(name)
}

/// The addresses of a configured name. `localhost` and names below it are the machine, as everywhere (RFC 6761, 6.3),
/// but under the address by which the station reaches it.
fn configured(config: &Config, name: &str) -> Vec<Ipv4Addr> {
    let same = |known: &str| known.trim_end_matches('.').eq_ignore_ascii_case(name);
    let found: Vec<_> = config.names.iter().filter(|(known, _)| same(known)).map(|(_, address)| *address).collect();
    let last = name.rsplit('.').next().unwrap_or_default();
    if found.is_empty() && last.eq_ignore_ascii_case("localhost") { vec![config.network.gateway()] } else { found }
}
