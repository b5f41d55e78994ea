//! MD5, as programs use it to check partition tables. The state is where the program keeps it, because it may move.

use super::{Answer, Call, Function};
use crate::Bus as _;

pub(super) const MODELS: &[(&str, Function)] = &[
    ("MD5Init", |call| put(call, 0, State::new(), Answer::Nothing)),
    ("MD5Update", |call| {
        let (Some(mut state), Some(bytes)) = (get(call, 0), call.bytes(call.argument(1), call.argument(2))) else {
            return Answer::BadAddress;
        };
        state.update(&bytes);
        put(call, 0, state, Answer::Nothing)
    }),
    ("MD5Final", |call| {
        let Some(state) = get(call, 1) else { return Answer::BadAddress };
        let to = call.argument(0);
        match call.hardware.memory_mut().write(to, &state.finish()) {
            Ok(()) => Answer::Nothing,
            Err(_) => Answer::BadAddress,
        }
    }),
];

const SHIFTS: [u32; 16] = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21];

/// The state as the ROM lays it out: four words, the number of bits, and the block that is not full.
struct State {
    words: [u32; 4],
    bits: u64,
    block: [u8; 64],
}

impl State {
    fn new() -> Self {
        Self { words: [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476], bits: 0, block: [0; 64] }
    }

    fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let at = (self.bits / 8 % 64) as usize;
            self.block[at] = *byte;
            self.bits = self.bits.wrapping_add(8);
            if at == 63 {
                self.compress();
            }
        }
    }

    fn finish(mut self) -> Vec<u8> {
        let bits = self.bits;
        self.update(&[0x80]);
        while self.bits / 8 % 64 != 56 {
            self.update(&[0]);
        }
        self.update(&bits.to_le_bytes());
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn compress(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.words;
        for step in 0..64_usize {
            let (mixed, index) = match step / 16 {
                0 => (b & c | !b & d, step),
                1 => (b & d | c & !d, 5 * step + 1),
                2 => (b ^ c ^ d, 3 * step + 5),
                _ => (c ^ (b | !d), 7 * step),
            };
            let word = &self.block[index % 16 * 4..][..4];
            let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
            let sum = a.wrapping_add(mixed).wrapping_add(constant(step)).wrapping_add(word);
            let next = b.wrapping_add(sum.rotate_left(SHIFTS[step / 16 * 4 + step % 4]));
            (a, b, c, d) = (d, next, b, c);
        }
        for (word, more) in self.words.iter_mut().zip([a, b, c, d]) {
            *word = word.wrapping_add(more);
        }
    }
}

/// 2³² times the sine of the step's number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "the fraction is cut off"
)]
fn constant(step: usize) -> u32 {
    (((step + 1) as f64).sin().abs() * 4_294_967_296.0) as u32
}

fn get(call: &Call<'_>, argument: usize) -> Option<State> {
    let bytes = call.bytes(call.argument(argument), 88)?;
    let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let mut block = [0; 64];
    block.copy_from_slice(&bytes[24..]);
    let bits = u64::from(word(16)) | u64::from(word(20)) << 32;
    Some(State { words: [word(0), word(4), word(8), word(12)], bits, block })
}

fn put(call: &mut Call<'_>, argument: usize, state: State, answer: Answer) -> Answer {
    let mut bytes: Vec<u8> = state.words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.extend(state.bits.to_le_bytes());
    bytes.extend(state.block);
    let to = call.argument(argument);
    match call.hardware.memory_mut().write(to, &bytes) {
        Ok(()) => answer,
        Err(_) => Answer::BadAddress,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn md5(text: &str) -> String {
        let mut state = State::new();
        state.update(text.as_bytes());
        state.finish().iter().fold(String::new(), |all, byte| format!("{all}{byte:02x}"))
    }

    /// The test suite of RFC 1321.
    #[test]
    fn the_rfcs_examples() {
        assert_eq!(md5(""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(md5("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
        let long = "1234567890".repeat(8);
        assert_eq!(md5(&long), "57edf4a22be3c955ac49da2e2107b67a");
    }
}
