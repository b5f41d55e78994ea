//! Detects a wrong console speed.

/// Detects a wrong console speed: then most bytes are neither text nor control characters of text.
#[derive(Debug, Default)]
pub(super) struct Garbage {
    bytes: usize,
    odd: usize,
    reported: bool,
}

impl Garbage {
    /// Fewer bytes prove nothing: a chip that is switched on or off sends a few odd ones.
    const ENOUGH: usize = 128;

    /// True once, until the next boot.
    pub(super) fn is_too_much(&mut self, bytes: &[u8]) -> bool {
        if self.reported {
            return false;
        }
        let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\r' | b'\n' | b'\t' | 0x1b);
        let odd: usize = bytes
            .utf8_chunks()
            .map(|chunk| {
                let control = chunk.valid().bytes().filter(|byte| byte.is_ascii() && !is_text(byte)).count();
                control + chunk.invalid().len()
            })
            .sum();
        self.bytes += bytes.len();
        self.odd += odd;
        self.reported = self.bytes >= Self::ENOUGH && self.odd * 4 > self.bytes;
        if self.bytes >= Self::ENOUGH {
            (self.bytes, self.odd) = (0, 0);
        }
        self.reported
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_speed_is_reported_once_and_text_never() {
        let mut garbage = Garbage::default();
        assert!(!garbage.is_too_much("Suhu: 28°C, \u{1b}[0;32mI (29) boot: ok\r\n".repeat(20).as_bytes()));
        assert!(!garbage.is_too_much(&[0xff, 0x00, 0x80]), "a few odd bytes at power-on");
        assert!(garbage.is_too_much(&[0xf3, 0x8e, 0x00, 0x41].repeat(64)));
        assert!(!garbage.is_too_much(&[0xf3, 0x8e, 0x00, 0x41].repeat(64)));
    }
}
