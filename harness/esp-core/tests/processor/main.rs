//! The processor: its instructions, judged by QEMU too, and what a chip needs beyond them.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says what it skips and which seed it began with"
)]

mod assemble;
mod assembler;
mod calls;
mod changed_code;
mod differential;
mod isa;
mod machine;
mod qemu;
mod random_program;
mod traps;
mod user;
mod watchpoints;

/// Prints why a test with `qemu-riscv32` does nothing.
fn skipped() {
    eprintln!("skipped: no qemu-riscv32; ci/install-parts provides it");
}
