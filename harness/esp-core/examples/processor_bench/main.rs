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

fn main() {
    let rounds = std::env::args().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(20_000_u32);
    let folder = tempfile::tempdir().expect("folder");
    let rounds_file = folder.path().join("rounds.s");
    std::fs::write(&rounds_file, format!("    .equ ROUNDS, {rounds}\n")).expect("written");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/processor_bench/compute.s");
    let program = assemble::assemble(&[&rounds_file, &source], folder.path(), 0x1_0000);

    let (before, _) = processor_seconds();
    let ours = user::run(&program, u64::MAX).expect("it ends");
    let took = processor_seconds().0 - before;
    #[expect(clippy::cast_precision_loss, reason = "it is printed with three digits")]
    let millions = ours.instructions as f64 / 1e6;
    println!("ours {:.0} M instructions/s ({millions:.0} M in {took:.2} s)", millions / took);

    let Some(qemu) = qemu::find() else { return println!("no qemu-riscv32 to compare with") };
    let (_, before) = processor_seconds();
    let theirs = qemu::run(&qemu, &program, &folder.path().join("program"));
    let peer = processor_seconds().1 - before;
    assert_eq!(ours.code, theirs.code, "the results differ");
    println!("qemu {:.0} M instructions/s", millions / peer);
    println!("ratio {:.3}", peer / took);
}

/// Seconds of processor time that this process and its children that have ended used in user mode: unlike the time of a
/// clock, it hardly depends on what else the machine does.
fn processor_seconds() -> (f64, f64) {
    let line = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    // Behind the name, which may hold anything: the 14th and the 16th field of all, in hundredths of a second.
    let fields: Vec<&str> = line.rsplit(')').next().expect("fields").split_whitespace().collect();
    let seconds = |field: usize| fields[field].parse::<u32>().map(|ticks| f64::from(ticks) / 100.0).expect("a number");
    (seconds(11), seconds(13))
}
