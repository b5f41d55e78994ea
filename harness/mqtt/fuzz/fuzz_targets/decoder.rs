//! Any bytes, cut anywhere, in both directions: the decoder neither panics nor loses a byte.
#![no_main]

use hil_mqtt::Decoder;
use hil_timeline::Direction;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, bool, Vec<u8>)| {
    let (cut, up, bytes) = input;
    let cut = usize::from(cut).min(bytes.len());
    let direction = if up { Direction::FromBoard } else { Direction::ToBoard };
    let mut decoder = Decoder::default();
    let mut raw = Vec::new();
    for part in [&bytes[..cut], &bytes[cut..]] {
        decoder.push(direction, part).into_iter().for_each(|seen| raw.extend(seen.raw));
    }
    assert!(bytes.starts_with(&raw));
});
