//! Any program may load from and store to any register: nothing panics.

use std::sync::mpsc::channel;

use hil_esp_core::chip::{Input, Machine, MemoryFlash, Setup};
use hil_fuzz::{Corpus, fuzz};

/// Loads and stores that a program makes in turn: its data is triples of address, value, and what to do.
const LOOP: &[u32] = &[
    0x4038_0437, // lui s0, 0x40380
    0x2004_0413, // addi s0, s0, 0x200
    0x0004_2283, // lw t0, 0(s0)
    0x0044_2303, // lw t1, 4(s0)
    0x0084_2383, // lw t2, 8(s0)
    0x0003_8663, // beqz t2, +12
    0x0062_a023, // sw t1, 0(t0)
    0x0080_006f, // j +8
    0x0002_a303, // lw t1, 0(t0)
    0x00c4_0413, // addi s0, s0, 12
    0xfe5f_f06f, // j -28
];
const PAGES: [u32; 16] = [
    0x6000_0000,
    0x6000_2000,
    0x6000_4000,
    0x6000_8000,
    0x6000_9000,
    0x6001_f000,
    0x6002_0000,
    0x6002_3000,
    0x6002_6000,
    0x6004_3000,
    0x600c_0000,
    0x600c_2000,
    0x600c_4000,
    0x600c_5000,
    0x600c_e000,
    0x6001_3000,
];

/// An app image whose only segment is the loop and what it does.
fn image(input: &[u8]) -> Vec<u8> {
    let mut words = LOOP.to_vec();
    words.resize(0x80, 0);
    for chunk in input.chunks_exact(8).take(400) {
        let page = PAGES[usize::from(chunk[0] & 15)];
        let offset = u32::from(u16::from_le_bytes([chunk[1], chunk[2]]) & 0xffc);
        let value = u32::from_le_bytes([chunk[3], chunk[4], chunk[5], chunk[6]]);
        words.extend([page + offset, value, u32::from(chunk[7] & 1)]);
    }
    let len = u32::try_from(words.len() * 4).expect("short");
    let mut image = vec![0xe9, 1, 0, 0];
    image.extend(0x4038_0000_u32.to_le_bytes());
    image.extend([0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    image.extend(0x4038_0000_u32.to_le_bytes());
    image.extend(len.to_le_bytes());
    image.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    image
}

#[test]
fn no_access_to_a_register_panics() {
    let mut seed = Vec::new();
    for number in 0..=255_u8 {
        seed.extend([number, number.wrapping_mul(4), number >> 6, 0xff, number, 0xff, number, number]);
    }
    fuzz("registers", &Corpus::new(vec![seed]), 200, |input| {
        let mut flash = MemoryFlash::new(0x1_0000);
        let image = image(input);
        flash.bytes_mut()[..image.len()].copy_from_slice(&image);
        let mut machine = Machine::boot(Setup::new(Box::new(flash), 0..0x1_0000)).expect("it boots");
        let (inputs, received) = channel();
        let _ = inputs.send(Input::Uart(vec![1, 2, 3]));
        let _ = inputs.send(Input::Pin { gpio: 9, level: false });
        machine.run_for(5_000, &received, &mut |_| ());
    });
}
