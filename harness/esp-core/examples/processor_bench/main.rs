//! Measures how fast the processor computes, beside `qemu-riscv32`, which translates to machine code of this machine, on the
//! same program. `processor_bench ROUNDS [QEMU]`.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

#[path = "../../tests/processor/assemble.rs"]
mod assemble;
#[path = "../../tests/processor/qemu.rs"]
mod qemu;
#[path = "../../tests/processor/user.rs"]
mod user;

use std::path::Path;
use std::time::Instant;

fn main() {
    let rounds = std::env::args().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(20_000_u32);
    let folder = tempfile::tempdir().expect("folder");
    let rounds_file = folder.path().join("rounds.s");
    std::fs::write(&rounds_file, format!("    .equ ROUNDS, {rounds}\n")).expect("written");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/processor_bench/compute.s");
    let program = assemble::assemble(&[&rounds_file, &source], folder.path(), 0x1_0000);

    let begin = Instant::now();
    let ours = user::run(&program, u64::MAX).expect("it ends");
    let took = begin.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "it is printed with three digits")]
    let millions = ours.instructions as f64 / 1e6;
    println!("ours {:.0} M instructions/s ({millions:.0} M in {took:.2} s)", millions / took);

    let Some(qemu) = qemu::find() else { return println!("no qemu-riscv32 to compare with") };
    let begin = Instant::now();
    let theirs = qemu::run(&qemu, &program, &folder.path().join("program"));
    let peer = begin.elapsed().as_secs_f64();
    assert_eq!(ours.code, theirs.code, "the results differ");
    println!("qemu {:.0} M instructions/s", millions / peer);
    println!("ratio {:.3}", peer / took);
}
