//! SLIP framing (RFC 1055).

const END: u8 = 0xc0;
const ESC: u8 = 0xdb;
const ESC_END: u8 = 0xdc;
const ESC_ESC: u8 = 0xdd;

/// Collects frames from a stream of bytes.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    frame: Vec<u8>,
    inside: bool,
    escaped: bool,
}

/// A host never sends more than a flash block with its header in one frame.
const LONGEST: usize = 128 * 1024;

impl Decoder {
    /// Takes a byte; returns a frame when it is complete. Invalid frames are dropped, as in the ROM.
    pub(crate) fn push(&mut self, byte: u8) -> Option<Vec<u8>> {
        match (self.inside, self.escaped, byte) {
            (false, _, END) => self.begin(),
            (false, ..) => {}
            (true, false, END) if self.frame.is_empty() => {}
            (true, false, END) => {
                self.inside = false;
                return Some(std::mem::take(&mut self.frame));
            }
            (true, false, ESC) => self.escaped = true,
            (true, true, ESC_END) => self.data(END),
            (true, true, ESC_ESC) => self.data(ESC),
            (true, true, _) => self.inside = false,
            (true, false, other) => self.data(other),
        }
        None
    }

    fn begin(&mut self) {
        *self = Self { inside: true, ..Self::default() };
    }

    fn data(&mut self, byte: u8) {
        self.escaped = false;
        self.frame.push(byte);
        self.inside = self.frame.len() <= LONGEST;
    }
}

/// A frame with its delimiters.
pub(crate) fn encode(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + payload.len() / 32 + 2);
    frame.push(END);
    for byte in payload {
        match *byte {
            END => frame.extend([ESC, ESC_END]),
            ESC => frame.extend([ESC, ESC_ESC]),
            other => frame.push(other),
        }
    }
    frame.push(END);
    frame
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn frames_survive_with_noise_before_them(noise in proptest::collection::vec(1u8..0xc0, 0..20),
                                                 payload in proptest::collection::vec(any::<u8>(), 1..300)) {
            let mut decoder = Decoder::default();
            let mut bytes = noise;
            bytes.extend(encode(&payload));
            let frames: Vec<_> = bytes.into_iter().filter_map(|byte| decoder.push(byte)).collect();
            prop_assert_eq!(frames, vec![payload]);
        }
    }
}
