//! Triggers that guard memory from stores, as programs guard the ends of their stacks.

use crate::assembler::*;
use crate::machine::*;
use hil_esp_core::{Cpu, Exception, Stop};

const HANDLER: u32 = CODE + 0x200;
const GUARD: u32 = DATA + 0x10c;
const TSELECT: u32 = 0x7a0;
const TDATA1: u32 = 0x7a1;
const TDATA2: u32 = 0x7a2;
const TCONTROL: u32 = 0x7a5;
/// A trigger for stores, in machine mode, on a range.
const STORES_TO_RANGE: i32 = 1 << 1 | 1 << 6 | 1 << 7;
const HIT: u32 = 1 << 20;

/// A machine whose handler waits, and whose program guards the word at `GUARD` and then does this.
fn guarded(program: &[u32]) -> (Cpu, Machine) {
    let arm = [
        &set(A1, HANDLER)[..],
        &[csrrw(0, MTVEC, A1), csrrw(0, TSELECT, ZERO)],
        &[addi(A1, ZERO, 1 << 3), csrrw(0, TCONTROL, A1), addi(A1, ZERO, STORES_TO_RANGE), csrrw(0, TDATA1, A1)],
        &set(A1, GUARD | 1),
        &[csrrw(0, TDATA2, A1)],
    ];
    let (cpu, mut machine) = Machine::new(&[&arm.concat()[..], program].concat());
    machine.program(HANDLER, &[WFI]);
    (cpu, machine)
}

/// Where the program of a guarded machine begins.
const BEGIN: u32 = CODE + 11 * 4;

#[test]
fn a_stack_that_overflows_is_caught_at_its_guard() {
    // A function that calls itself, and saves its return address each time.
    let recursion = [addi(SP, SP, -16), sw(RA, SP, 12), jal(RA, -8)];
    let (mut cpu, mut machine) = guarded(&[&set(SP, DATA + 0x800)[..], &recursion].concat());
    assert_eq!(cpu.run(&mut machine, 10_000), Stop::WaitForInterrupt);
    let caught = Exception { cause: 3, pc: BEGIN + 12, value: GUARD };
    assert_eq!(cpu.exceptions(), (1, Some(caught)));
    assert_eq!((machine.word(GUARD), machine.word(GUARD + 16)), (0, BEGIN + 20), "the store was not done");
    assert_eq!(cpu.csr(TDATA1) & HIT, HIT);
}

#[test]
fn what_is_beside_the_guard_is_stored() {
    let [upper, lower] = set(A0, GUARD);
    let (mut cpu, mut machine) =
        guarded(&[upper, lower, sw(A0, A0, -4), sw(A0, A0, 4), lw(A2, A0, 0), store(0, A0, A0, 3), addi(A2, ZERO, 1)]);
    assert_eq!(cpu.run(&mut machine, 100), Stop::WaitForInterrupt);
    assert_eq!((machine.word(GUARD - 4), machine.word(GUARD + 4)), (GUARD, GUARD));
    let (count, newest) = cpu.exceptions();
    assert_eq!((count, newest.map(|newest| newest.value)), (1, Some(GUARD + 3)), "a byte of it");
    assert_eq!(cpu.register(12), 0);
}

#[test]
fn a_store_across_the_guards_begin_is_caught() {
    let [upper, lower] = set(A0, GUARD - 2);
    let (mut cpu, mut machine) = guarded(&[upper, lower, sw(A0, A0, 0)]);
    assert_eq!(cpu.run(&mut machine, 100), Stop::WaitForInterrupt);
    assert_eq!(cpu.exceptions().0, 1);
}

#[test]
fn no_trigger_fires_in_a_handler_and_it_does_again_afterwards() {
    let [upper, lower] = set(A0, GUARD);
    let (mut cpu, mut machine) = guarded(&[upper, lower, ECALL, sw(SP, A0, 0)]);
    let skip = [csrrs(A2, 0x341, 0), addi(A2, A2, 4), csrrw(0, 0x341, A2), sw(A0, A0, 0), MRET];
    machine.program(HANDLER, &skip);
    cpu.run(&mut machine, 19);
    assert_eq!((cpu.exceptions().0, machine.word(GUARD)), (1, GUARD), "the handler stores there");
    machine.program(HANDLER, &[WFI]);
    assert_eq!(cpu.run(&mut machine, 100), Stop::WaitForInterrupt);
    assert_eq!(cpu.exceptions().1.map(|newest| (newest.cause, newest.value)), Some((3, GUARD)));
}

#[test]
fn a_trigger_that_is_cleared_guards_nothing() {
    let [upper, lower] = set(A0, GUARD);
    let (mut cpu, mut machine) = guarded(&[csrrw(0, TDATA1, ZERO), upper, lower, sw(A0, A0, 0), ECALL]);
    assert_eq!(cpu.run(&mut machine, 100), Stop::WaitForInterrupt);
    assert_eq!(machine.word(GUARD), GUARD);
    assert_eq!(cpu.exceptions().1.map(|newest| newest.cause), Some(11));
}

#[test]
fn a_device_is_guarded_as_well() {
    let guard = set(A1, DEVICE | 1);
    let (mut cpu, mut machine) =
        guarded(&[guard[0], guard[1], csrrw(0, TDATA2, A1), lui(A0, DEVICE), sw(A0, A0, 4), sw(A0, A0, 0)]);
    assert_eq!(cpu.run(&mut machine, 100), Stop::WaitForInterrupt);
    assert_eq!(machine.written.len(), 1);
    assert_eq!(cpu.exceptions().1.map(|newest| (newest.cause, newest.value)), Some((3, DEVICE)));
}
