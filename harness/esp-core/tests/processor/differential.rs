//! A million random instructions have the same results as in `qemu-riscv32`.

use crate::{qemu, random_program, skipped, user};

const PROGRAMS: u64 = 20;
const INSTRUCTIONS: usize = 50_000;

#[test]
fn random_instructions_do_what_qemu_does() {
    let Some(qemu) = qemu::find() else { return skipped() };
    let first = std::env::var("HIL_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0_u64);
    let folder = tempfile::tempdir().expect("folder");
    for number in 0..PROGRAMS {
        let seed = first.wrapping_add(number);
        let file = random_program::program(seed, INSTRUCTIONS);
        let path = folder.path().join(format!("{seed}.elf"));
        let theirs = qemu::run(&qemu, &file, &path);
        let ours = user::run(&file, 10_000_000).unwrap_or_else(|error| panic!("HIL_FUZZ_SEED={seed}: {error}"));
        assert_eq!(ours.code, theirs.code, "HIL_FUZZ_SEED={seed}");
        assert_eq!(ours.output.len(), theirs.output.len(), "HIL_FUZZ_SEED={seed}");
        let differs = ours.output.chunks(4).zip(theirs.output.chunks(4)).position(|(our, their)| our != their);
        if let Some(word) = differs {
            panic!(
                "HIL_FUZZ_SEED={seed}: register {} after {} instructions: {:02x?}, not {:02x?}",
                word % 31 + 1,
                (word / 31 + 1) * 25,
                &ours.output[4 * word..][..4],
                &theirs.output[4 * word..][..4],
            );
        }
    }
    println!("{PROGRAMS} programs of {INSTRUCTIONS} instructions, from HIL_FUZZ_SEED={first} on");
}
