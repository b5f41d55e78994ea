//! The processor: its instructions, judged by QEMU too, and what a chip needs beyond them.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says what it skips and which seed it began with"
)]

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
