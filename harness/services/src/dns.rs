//! Questions for names (RFC 1035): a board's name server is elsewhere; here they are recorded.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};

use hil_capture::{Capture, Interface};
use hil_timeline::{Exchange, Recorder, Service, What};

/// The registered port of DNS.
const DNS: u16 = 53;

/// Records the questions of one board.
#[derive(Debug)]
pub struct NameRecorder {
    board: String,
    recorder: Recorder,
    capture: Option<Capture>,
    questions: AtomicU16,
}

impl NameRecorder {
    /// Records on behalf of a scenario.
    #[must_use]
    pub fn new(board: &str, recorder: Recorder, capture: Option<Capture>) -> Self {
        Self { board: board.to_owned(), recorder, capture, questions: AtomicU16::new(0) }
    }

    /// The board asks for a name. The answer is a list of addresses, or why there are none; none if there is no answer.
    pub fn asked(&self, name: &str, answer: Option<&str>) {
        let exchange = Exchange::Name { name: name.to_owned(), answer: answer.map(str::to_owned) };
        let (board, service) = (self.board.clone(), Service::Dns);
        let at = self.recorder.record(What::Service { board, service, connection: None, exchange }).at;
        let Some(capture) = &self.capture else { return };
        let description = format!("board {} and its name server", self.board);
        let interface = Interface { name: format!("{}-dns", self.board), description };
        let number = self.questions.fetch_add(1, Ordering::Relaxed);
        // The real port is known to the board's network only.
        let client = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 49_152 + number % 16_384);
        capture.datagram(&interface, client, DNS, at, true, &question(number, name));
        if let Some(answer) = answer {
            capture.datagram(&interface, client, DNS, at, false, &reply(number, name, answer));
        }
    }
}

/// A question for an address, with recursion desired (RFC 1035 §4.1).
fn question(id: u16, name: &str) -> Vec<u8> {
    [&id.to_be_bytes()[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0], &asked(name)].concat()
}

/// Its answer: the addresses, or no such name.
fn reply(id: u16, name: &str, answer: &str) -> Vec<u8> {
    const NO_SUCH_NAME: u8 = 3;
    let addresses: Vec<Ipv4Addr> = answer.split(", ").filter_map(|text| text.parse().ok()).collect();
    let code = if answer == "no such name" { NO_SUCH_NAME } else { 0 };
    let count = u16::try_from(addresses.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut message = [&id.to_be_bytes()[..], &[0x81, 0x80 | code, 0, 1], &count, &[0; 4], &asked(name)].concat();
    for address in addresses {
        // A pointer to the name of the question, type A, class IN, for a minute.
        message.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        message.extend(address.octets());
    }
    message
}

fn asked(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        let label = &label.as_bytes()[..label.len().min(63)];
        bytes.push(u8::try_from(label.len()).unwrap_or(0));
        bytes.extend(label);
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_those_of_rfc_1035() {
        assert_eq!(question(7, "a.bc"), b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x01a\x02bc\0\0\x01\0\x01");
        let found = reply(7, "a", "10.0.2.2");
        assert_eq!(found[2..8], [0x81, 0x80, 0, 1, 0, 1]);
        assert!(found.ends_with(&[0, 4, 10, 0, 2, 2]));
        assert_eq!(reply(7, "a", "no such name")[2..8], [0x81, 0x83, 0, 1, 0, 0]);
    }
}
