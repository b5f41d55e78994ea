//! Where a packet ends in the stream.

use alloc::vec::Vec;

/// A packet of this many bytes was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge(pub(crate) usize);

/// The length of a packet has more than four digits (§2.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoLength;

/// Cuts a stream into packets, in bounded memory.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    received: Vec<u8>,
    /// Bytes of a packet that does not fit and that are still to come.
    to_skip: usize,
}

impl Framing {
    /// A chip has little memory; no command of a lamp needs this much.
    pub(crate) const LARGEST: usize = 16 * 1024;

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let skipped = self.to_skip.min(bytes.len());
        self.to_skip -= skipped;
        self.received.extend(&bytes[skipped..]);
    }

    /// The next packet, or the size of one that does not fit; none if more bytes are needed.
    pub(crate) fn take(&mut self) -> Result<Option<Result<Vec<u8>, TooLarge>>, NoLength> {
        let Some(size) = size(&self.received)? else { return Ok(None) };
        if size > Self::LARGEST {
            let here = size.min(self.received.len());
            self.received.drain(..here);
            self.to_skip = size - here;
            return Ok(Some(Err(TooLarge(size))));
        }
        if self.received.len() < size {
            return Ok(None);
        }
        Ok(Some(Ok(self.received.drain(..size).collect())))
    }
}

/// Size of the first packet with its header.
fn size(received: &[u8]) -> Result<Option<usize>, NoLength> {
    let mut length = 0;
    for (n, byte) in received.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return Ok(Some(n + 2 + length));
        }
    }
    if received.len() > 4 { Err(NoLength) } else { Ok(None) }
}
