//! The programs in `tests/isa`, a file for each part of the instruction set, laid out like riscv-tests: cases that check
//! themselves. All but those with traps are judged by `qemu-riscv32` too.

use crate::{assemble::assemble, qemu, skipped, user};
use std::path::Path;

/// Assembles a program and runs it.
fn passes(name: &str, judged: bool) {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/isa");
    let folder = tempfile::tempdir().expect("folder");
    let program = assemble(&[&sources.join("macros.s"), &sources.join(name)], folder.path(), 0x1_0000);
    let ours = user::run(&program, 1_000_000).unwrap_or_else(|error| panic!("{name}: {error}"));
    let theirs =
        judged.then(qemu::find).flatten().map(|qemu| qemu::run(&qemu, &program, &folder.path().join("judged")));
    if let Some(theirs) = &theirs {
        assert_eq!(theirs.code, 0, "{name}: QEMU doesn't agree with this case");
    } else if judged {
        skipped();
    }
    assert_eq!(ours.code, 0, "{name}: this case fails");
}

#[test]
fn operations_of_registers() {
    passes("rv32i-registers.s", true);
}

#[test]
fn operations_of_immediates() {
    passes("rv32i-immediates.s", true);
}

#[test]
fn branches_and_jumps() {
    passes("rv32i-jumps.s", true);
}

#[test]
fn loads_and_stores() {
    passes("rv32i-memory.s", true);
}

#[test]
fn multiplication_and_division() {
    passes("rv32m.s", true);
}

#[test]
fn compressed_instructions() {
    passes("rv32c.s", true);
}

#[test]
fn traps_of_machine_mode() {
    passes("traps.s", false);
}
