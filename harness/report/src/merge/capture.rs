//! Joins captures to one.
//!
//! Captures could be put one after the other, since a section stands alone (draft-ietf-opsawg-pcapng, section 4.1). But
//! Wireshark 4.0 takes the interfaces of every section for those of the first one. So the whole is one section, in which
//! interfaces are numbered again; names of hosts and times on one clock tell parts apart.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use hil_files::{Links, NewFile};

/// A capture that is to be joined with others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CapturePart {
    /// Its file; it may be missing, and torn at its end.
    pub path: PathBuf,
    /// The host that it comes from: its interfaces are called `HOST/NAME`.
    pub host: Option<String>,
    /// By how much its times are moved, in microseconds.
    pub shift_us: i64,
}

/// Writes the captures of several runs or hosts as one, in their order.
///
/// # Errors
/// When a part can't be read, or the whole can't be written.
pub fn join_captures(parts: &[CapturePart], path: &Path) -> io::Result<()> {
    let mut whole = Whole { to: BufWriter::new(NewFile::create(path)?), interfaces: 0, has_section: false };
    for part in parts {
        match hil_files::open(&part.path, Links::Refuse) {
            Ok(file) => whole.append(part, file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    whole.to.into_inner().map_err(io::IntoInnerError::into_error)?.finish()
}

/// The capture that is written.
struct Whole<W: Write> {
    to: W,
    /// How many interfaces it has.
    interfaces: u32,
    has_section: bool,
}

impl<W: Write> Whole<W> {
    fn append(&mut self, part: &CapturePart, from: impl Read) -> io::Result<()> {
        let mut blocks = BufReader::new(from);
        let mut first = self.interfaces;
        // What follows a torn block, or one that `hil` did not write, can't be read.
        while let Some(mut block) = next_block(&mut blocks)? {
            match block.kind {
                SECTION_HEADER => {
                    // A part may consist of several sections, each with interfaces from 0.
                    first = self.interfaces;
                    if std::mem::replace(&mut self.has_section, true) {
                        continue;
                    }
                }
                INTERFACE_DESCRIPTION => {
                    block.name_interface(part.host.as_deref());
                    self.interfaces += 1;
                }
                ENHANCED_PACKET if number(&block.body, 0) < self.interfaces - first => {
                    block.number(first);
                    block.shift(part.shift_us);
                }
                _ => return Ok(()),
            }
            block.write(&mut self.to)?;
        }
        Ok(())
    }
}

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const INTERFACE_NAME: u16 = 2;
/// Type, and the length twice.
const FRAME: usize = 12;
/// The longest block: a packet that carries the largest MQTT packet.
const LONGEST: usize = 300 << 20;

struct Block {
    kind: u32,
    body: Vec<u8>,
}

/// The next whole block, as `hil` writes them: in the byte order of a PC.
fn next_block(from: &mut impl Read) -> io::Result<Option<Block>> {
    let mut head = [0; 8];
    if !filled(from, &mut head)? {
        return Ok(None);
    }
    let (kind, length) = (number(&head, 0), number(&head, 4) as usize);
    if !(FRAME..=LONGEST).contains(&length) || !length.is_multiple_of(4) {
        return Ok(None);
    }
    let mut body = Vec::new();
    let rest = (length - 8) as u64;
    if from.take(rest).read_to_end(&mut body)? as u64 != rest {
        return Ok(None);
    }
    let is_framed = number(&body, body.len() - 4) as usize == length;
    body.truncate(length - FRAME);
    let is_ours = kind != SECTION_HEADER || number(&body, 0) == BYTE_ORDER;
    Ok((is_framed && is_ours).then_some(Block { kind, body }))
}

/// Whether there were enough bytes.
fn filled(from: &mut impl Read, into: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(into) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// The number at a place; 0 if there are too few bytes.
fn number(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    four.map_or(0, u32::from_le_bytes)
}

impl Block {
    /// Puts the host before the name of an interface (section 4.2).
    fn name_interface(&mut self, host: Option<&str>) {
        const OPTIONS: usize = 8;
        let Some(host) = host else { return };
        let (code, length) = (number(&self.body, OPTIONS) as u16, (number(&self.body, OPTIONS) >> 16) as usize);
        let begin = OPTIONS + 4;
        let Some(name) = self.body.get(begin..begin + length).filter(|_| code == INTERFACE_NAME) else { return };
        let mut named = [host.as_bytes(), b"/", name].concat();
        let Ok(new_length) = u16::try_from(named.len()) else { return };
        named.resize(named.len().next_multiple_of(4), 0);
        let header = [INTERFACE_NAME.to_le_bytes(), new_length.to_le_bytes()].concat();
        let end = (begin + length.next_multiple_of(4)).min(self.body.len());
        self.body.splice(OPTIONS..end, header.into_iter().chain(named));
    }

    /// Gives a packet the number of its interface in the whole, which counts from `first`.
    fn number(&mut self, first: u32) {
        let number = number(&self.body, 0) + first;
        self.body[..4].copy_from_slice(&number.to_le_bytes());
    }

    /// Moves the time of a packet (section 4.3): two halves of microseconds since 1970.
    fn shift(&mut self, by_us: i64) {
        const TIME: usize = 4;
        if self.body.len() < TIME + 8 {
            return;
        }
        let time = u64::from(number(&self.body, TIME)) << 32 | u64::from(number(&self.body, TIME + 4));
        let moved = time.saturating_add_signed(by_us);
        self.body[TIME..TIME + 4].copy_from_slice(&((moved >> 32) as u32).to_le_bytes());
        self.body[TIME + 4..TIME + 8].copy_from_slice(&(moved as u32).to_le_bytes());
    }

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let length = u32::try_from(self.body.len() + FRAME).map_err(io::Error::other)?.to_le_bytes();
        to.write_all(&self.kind.to_le_bytes())?;
        to.write_all(&length)?;
        to.write_all(&self.body)?;
        to.write_all(&length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(kind: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        Block { kind, body: body.to_vec() }.write(&mut bytes).expect("written");
        bytes
    }

    fn section() -> Vec<u8> {
        block(SECTION_HEADER, &[&BYTE_ORDER.to_le_bytes()[..], &[1, 0, 0, 0], &(-1_i64).to_le_bytes()].concat())
    }

    fn interface(name: &str) -> Vec<u8> {
        let mut padded = name.as_bytes().to_vec();
        padded.resize(padded.len().next_multiple_of(4), 0);
        let length = u16::try_from(name.len()).expect("short").to_le_bytes();
        block(
            INTERFACE_DESCRIPTION,
            &[&[101, 0, 0, 0, 0, 0, 0, 0, 2, 0][..], &length, &padded, &[3, 0, 1, 0, b'd', 0, 0, 0, 0, 0, 0, 0]]
                .concat(),
        )
    }

    fn packet(interface: u32, us: u64) -> Vec<u8> {
        let time = [((us >> 32) as u32).to_le_bytes(), (us as u32).to_le_bytes()].concat();
        let interface = interface.to_le_bytes();
        block(ENHANCED_PACKET, &[&interface[..], &time, &[1, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0]].concat())
    }

    fn joined(parts: &[(&[u8], Option<&str>, i64)]) -> Vec<u8> {
        let folder = tempfile::tempdir().expect("folder");
        let part = |(n, (bytes, host, shift_us)): (usize, &(&[u8], Option<&str>, i64))| {
            let path = folder.path().join(n.to_string());
            std::fs::write(&path, bytes).expect("write");
            CapturePart { path, host: host.map(str::to_owned), shift_us: *shift_us }
        };
        let mut parts: Vec<_> = parts.iter().enumerate().map(part).collect();
        parts.push(CapturePart { path: folder.path().join("missing"), ..CapturePart::default() });
        let whole = folder.path().join("whole");
        join_captures(&parts, &whole).expect("joined");
        std::fs::read(whole).expect("read")
    }

    #[test]
    fn hosts_name_their_interfaces_and_share_a_clock() {
        let capture =
            [section(), interface("lamp"), packet(0, (7 << 32) - 1), interface("lamp-broker"), packet(1, 9)].concat();
        let named =
            [interface("pi-a/lamp"), packet(0, (7 << 32) + 2), interface("pi-a/lamp-broker"), packet(1, 12)].concat();
        let expected = [section(), named].concat();
        assert_eq!(joined(&[(&capture, Some("pi-a"), 3)]), expected);
        let again = [interface("lamp"), packet(2, (7 << 32) - 1), interface("lamp-broker"), packet(3, 9)].concat();
        let both = [expected, again.clone()].concat();
        assert_eq!(joined(&[(&capture, Some("pi-a"), 3), (&capture, None, 0)]), both);
        // A part of several sections.
        let sections = [capture.clone(), capture.clone()].concat();
        assert_eq!(joined(&[(&sections, None, 0)]), [capture, again].concat());
    }

    #[test]
    fn what_follows_a_torn_block_is_left_out() {
        let capture = [section(), interface("lamp"), packet(0, 5)].concat();
        let whole = joined(&[(&capture, Some("a"), 0)]);
        for length in 0..capture.len() {
            let part = joined(&[(&capture[..length], Some("a"), 0)]);
            assert!(whole.starts_with(&part), "{length}");
        }
        let foreign = [section(), interface("lamp"), packet(1, 5), packet(0, 5)].concat();
        assert_eq!(joined(&[(&foreign, None, 0)]), [section(), interface("lamp")].concat(), "no such interface");
    }

    #[test]
    fn any_bytes_are_taken_as_far_as_they_are_a_capture() {
        let corpus = hil_fuzz::Corpus::new([[section(), interface("lamp"), packet(0, 5)].concat()]);
        let part = CapturePart { path: PathBuf::new(), host: Some("pi-a".to_owned()), shift_us: -1 };
        hil_fuzz::fuzz("captures", &corpus, 2_000, |bytes| {
            let mut whole = Whole { to: io::sink(), interfaces: 3, has_section: false };
            whole.append(&part, bytes).expect("no I/O error");
        });
    }
}
