//! Finds packets in a stream of bytes (MQTT 3.1.1 §2.2.3, the same in all versions).

/// A larger packet is recorded as undecodable; its bytes are forwarded.
pub(crate) const LARGEST: usize = 16 << 20;

/// The first packet of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame {
    /// The packet is complete.
    Whole { header: usize, length: usize },
    /// The packet continues after the buffer.
    Part { header: usize, length: usize },
    /// The packet is too large to keep.
    TooLarge { header: usize, length: usize },
    /// The bytes are not a packet.
    Broken,
}

/// The first frame of a buffer; none if not even its length is known.
pub(crate) fn frame(buffer: &[u8]) -> Option<Frame> {
    let first = *buffer.first()?;
    if first >> 4 == 0 {
        return Some(Frame::Broken);
    }
    let mut length = 0;
    for (n, byte) in buffer[1..].iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            let header = n + 2;
            let whole = header + length;
            return Some(match buffer.len() {
                _ if whole > LARGEST => Frame::TooLarge { header, length },
                have if have >= whole => Frame::Whole { header, length },
                _ => Frame::Part { header, length },
            });
        }
    }
    (buffer.len() > 4).then_some(Frame::Broken)
}

/// Whether these bytes are exactly one packet.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    matches!(frame(bytes), Some(Frame::Whole { header, length }) if header + length == bytes.len())
}
