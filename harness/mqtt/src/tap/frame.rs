//! Where packets begin and end in a stream of bytes (MQTT 3.1.1 §2.2.3, the same in all versions).

/// A larger packet is recorded as undecodable; its bytes pass all the same.
pub(super) const LARGEST: usize = 16 << 20;

/// The first packet of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    /// All of it is there.
    Whole { header: usize, length: usize },
    /// It goes on beyond the buffer.
    Part { header: usize, length: usize },
    /// It is larger than anybody should keep.
    TooLarge { header: usize, length: usize },
    /// No packet begins here.
    Broken,
}

/// The first frame of a buffer; none where not even its length is known.
pub(super) fn frame(buffer: &[u8]) -> Option<Frame> {
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

/// Whether these bytes are one packet, no more and no less.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    matches!(frame(bytes), Some(Frame::Whole { header, length }) if header + length == bytes.len())
}
