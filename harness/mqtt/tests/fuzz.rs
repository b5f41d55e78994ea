//! Any bytes in any chunks, in both directions: the decoder neither panics nor hangs, and invents no byte.

use hil_fuzz::{Corpus, Random, fuzz};
use hil_mqtt::Decoder;
use hil_timeline::Direction;

#[test]
fn the_decoder_takes_any_bytes() {
    let corpus = Corpus::from_hex(include_str!("../../../fixtures/corpora/packets.hex"));
    let words: [&[u8]; 6] = [
        b"\x00\x04MQTT\x05",
        b"\x00\x06MQIsdp\x03",
        b"\xff\xff\xff\x7f",
        b"\x26\x00\x01a",
        b"\xc0\x00",
        b"\x23\x00\x01",
    ];
    fuzz("decoder", &corpus.with_words(words), 50_000, |bytes| {
        let mut random = Random::new(bytes.len() as u64);
        for direction in [Direction::FromBoard, Direction::ToBoard] {
            let (mut decoder, mut raw, mut rest) = (Decoder::default(), Vec::new(), bytes);
            while !rest.is_empty() {
                let (part, later) = rest.split_at(1 + random.below(rest.len()));
                decoder.push(direction, part).into_iter().for_each(|seen| raw.extend(seen.raw));
                rest = later;
            }
            assert!(bytes.starts_with(&raw));
        }
    });
}
