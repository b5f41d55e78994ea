//! Exceptions, interrupts, waiting, the counter.

use crate::assembler::*;
use crate::machine::*;
use hil_esp_core::{Exception, Stop, Width};

const HANDLER: u32 = CODE + 0x100;

/// A machine whose handler waits.
fn machine(program: &[u32]) -> (hil_esp_core::Cpu, Machine) {
    let (cpu, mut machine) = Machine::new(&[&set(A1, HANDLER)[..], &[csrrw(0, MTVEC, A1)], program].concat());
    machine.program(HANDLER, &[WFI]);
    (cpu, machine)
}

/// The exception of a program's first instruction after 12 bytes, and where it went.
fn exception(program: &[u32]) -> Exception {
    let (mut cpu, mut machine) = machine(program);
    assert_eq!(cpu.run(&mut machine, 100), Stop::WaitForInterrupt);
    assert_eq!(cpu.pc(), HANDLER + 4);
    assert!(!cpu.interrupts_enabled(), "interrupts are off in a handler");
    assert_eq!(cpu.csr(MSTATUS), 0x1880, "MPIE holds what MIE was");
    let (count, newest) = cpu.exceptions();
    assert_eq!(count, 1);
    let newest = newest.expect("an exception");
    assert_eq!((cpu.csr(0x341), cpu.csr(0x342), cpu.csr(0x343)), (newest.pc, newest.cause, newest.value));
    newest
}

fn at(cause: u32, pc: u32, value: u32) -> Exception {
    Exception { cause, pc, value }
}

#[test]
fn exceptions_are_precise() {
    let first = CODE + 12;
    assert_eq!(exception(&[ECALL]), at(11, first, 0));
    assert_eq!(exception(&[EBREAK]), at(3, first, first));
    assert_eq!(exception(&[0x1005_252f]), at(2, first, 0x1005_252f), "no atomics");
    assert_eq!(exception(&[0]), at(2, first, 0));
    assert_eq!(exception(&[csrrw(A0, 0xb00, 0)]), at(2, first, csrrw(A0, 0xb00, 0)), "no such CSR");
    assert_eq!(exception(&[csrrw(0, 0xf14, A0)]), at(2, first, csrrw(0, 0xf14, A0)), "only for reading");
    assert_eq!(exception(&[jalr(RA, ZERO, 0x100)]), at(1, 0x100, 0x100));
    assert_eq!(exception(&[lui(A0, CONSTANTS), addi(A2, ZERO, 1), jalr(ZERO, A0, 0)]), at(1, CONSTANTS, CONSTANTS));
    assert_eq!(exception(&[lw(A0, ZERO, 16)]), at(5, first, 16));
    assert_eq!(exception(&[addi(A0, ZERO, 7), sw(A0, ZERO, 16)]), at(7, first + 4, 16));
    assert_eq!(exception(&[lui(A0, CONSTANTS), sw(A0, A0, 8)]), at(7, first + 4, CONSTANTS + 8), "not for writing");
    assert_eq!(exception(&[lui(A0, DEVICE), lw(A1, A0, 2)]), at(4, first + 4, DEVICE + 2));
    assert_eq!(exception(&[lui(A0, DEVICE), sw(A1, A0, 1)]), at(6, first + 4, DEVICE + 1));
}

#[test]
fn a_failed_load_changes_no_register() {
    let (mut cpu, mut machine) = machine(&[addi(A0, ZERO, 5), lw(A0, ZERO, 16), addi(A0, ZERO, 6)]);
    assert_eq!(cpu.run(&mut machine, 100), Stop::WaitForInterrupt);
    assert_eq!(cpu.register(10), 5);
}

#[test]
fn memory_is_accessed_across_words_and_pages() {
    let [upper, lower] = set(A0, DATA + 0xffe);
    let [value_upper, value_lower] = set(A1, 0x8182_8384);
    let program =
        [upper, lower, value_upper, value_lower, sw(A1, A0, 0), lw(A2, A0, 0), immediate(3, 1, 17, A0, 1), WFI];
    let (mut cpu, mut machine) = Machine::new(&program);
    assert_eq!(cpu.run(&mut machine, 100), Stop::WaitForInterrupt);
    assert_eq!(machine.word(DATA + 0xffe), 0x8182_8384);
    assert_eq!((cpu.register(12), cpu.register(17)), (0x8182_8384, 0xffff_8283));
    assert_eq!(cpu.exceptions(), (0, None));
}

#[test]
fn devices_see_the_width_of_accesses() {
    let program = [lui(S0, DEVICE), addi(A0, ZERO, -1), store(0, A0, S0, 1), store(1, A0, S0, 2), sw(A0, S0, 4)];
    let loads = [immediate(3, 0, A0, S0, 0), immediate(3, 5, A1, S0, 0), WFI];
    let (mut cpu, mut machine) = Machine::new(&[&program[..], &loads].concat());
    assert_eq!(cpu.run(&mut machine, 100), Stop::WaitForInterrupt);
    let expected = [(1, Width::Byte, 0xff), (2, Width::Half, 0xffff), (4, Width::Word, u32::MAX)];
    assert_eq!(machine.written, expected.map(|(offset, width, value)| (DEVICE + offset, width, value)));
    assert_eq!((cpu.register(10), cpu.register(11)), (0xffff_ff80, 0xff80));
}

#[test]
fn an_interrupt_has_its_entry_in_the_table() {
    let (mut cpu, mut machine) = machine(&[jal(0, 0)]);
    machine.program(HANDLER + 4 * 9, &[WFI]);
    assert_eq!(cpu.run(&mut machine, 1000), Stop::Budget);
    machine.lines = 1 << 9 | 1 << 3;
    assert_eq!(cpu.run(&mut machine, 0), Stop::Budget);
    assert_eq!((cpu.pc(), cpu.csr(0x342)), (HANDLER + 4 * 9, 0x8000_0009));
    assert_eq!(cpu.csr(0x341), CODE + 12, "the loop, at its beginning");
    assert_eq!(cpu.run(&mut machine, 1), Stop::Budget, "with an interrupt pending, WFI does not wait");
    assert_eq!(cpu.pc(), HANDLER + 4 * 9 + 4, "no second interrupt before MRET");
}

#[test]
fn mret_turns_interrupts_on_again() {
    let (mut cpu, mut machine) = machine(&[addi(A0, A0, 1), jal(0, -4)]);
    machine.program(HANDLER + 4 * 2, &[MRET]);
    cpu.run(&mut machine, 10);
    machine.lines = 1 << 2;
    assert_eq!(cpu.run(&mut machine, 0), Stop::Budget);
    assert!(!cpu.interrupts_enabled());
    machine.lines = 0;
    assert_eq!(cpu.run(&mut machine, 1), Stop::Budget);
    assert!(cpu.interrupts_enabled());
    assert_eq!(cpu.pc(), CODE + 12);
}

#[test]
fn a_masked_interrupt_waits_for_the_program() {
    let (mut cpu, mut machine) = machine(&[csrci(MSTATUS, 8), addi(A0, ZERO, 1), csrsi(MSTATUS, 8), addi(A0, ZERO, 2)]);
    machine.program(HANDLER + 4 * 5, &[jal(0, 0)]);
    cpu.run(&mut machine, 4);
    machine.lines = 1 << 5;
    cpu.run(&mut machine, 100);
    assert_eq!(cpu.pc(), HANDLER + 4 * 5);
    assert_eq!(cpu.register(10), 1, "taken right after the instruction that turned interrupts on");
    assert_eq!(cpu.csr(0x341), CODE + 24);
}

#[test]
fn a_device_can_raise_a_line_at_once() {
    let [upper, lower] = set(A1, DEVICE_LINES);
    let (mut cpu, mut machine) =
        machine(&[upper, lower, addi(A0, ZERO, 4), sw(A0, A1, 0), jal(0, 4), addi(A0, ZERO, 9)]);
    machine.program(HANDLER + 4 * 2, &[jal(0, 0)]);
    cpu.run(&mut machine, 50);
    assert_eq!((cpu.pc(), cpu.register(10)), (HANDLER + 8, 4), "at the end of the block");
}

#[test]
fn waiting_ends_by_an_interrupt() {
    let (mut cpu, mut machine) = machine(&[WFI, addi(A0, ZERO, 1), jal(0, 0)]);
    machine.program(HANDLER + 4, &[jal(0, 0)]);
    assert_eq!(cpu.run(&mut machine, 100), Stop::WaitForInterrupt);
    machine.lines = 2;
    assert_eq!(cpu.run(&mut machine, 100), Stop::Budget);
    assert_eq!((cpu.pc(), cpu.csr(0x341)), (HANDLER + 4, CODE + 16), "it returns behind WFI");
    assert_eq!(cpu.register(10), 0);
}

#[test]
fn the_bus_can_ask_for_a_stop() {
    let [upper, lower] = set(A1, DEVICE_STOP);
    let (mut cpu, mut machine) = Machine::new(&[upper, lower, sw(A0, A1, 0), jal(0, 4), addi(A0, A0, 1), WFI]);
    assert_eq!(cpu.run(&mut machine, 100), Stop::Requested);
    assert_eq!(cpu.register(10), 0);
    machine.stop = false;
    assert_eq!(cpu.run(&mut machine, 100), Stop::WaitForInterrupt);
}

#[test]
fn the_counter_counts_instructions_unless_the_bus_knows_better() {
    let (mut cpu, mut machine) =
        Machine::new(&[csrrs(A0, 0x7e2, 0), addi(0, 0, 0), addi(0, 0, 0), csrrs(A1, 0x7e2, 0), WFI]);
    assert_eq!(cpu.run(&mut machine, 100), Stop::WaitForInterrupt);
    assert_eq!(cpu.register(11) - cpu.register(10), 3);
    assert_eq!(cpu.instructions(), 5);
}

/// Sets trigger 1 to the 4 bytes at an address, as the guard of a stack.
fn guard(address: u32) -> Vec<u32> {
    let values = [(1, 0x7a0), (8, 0x7a5), (1 << 7 | 1 << 6 | 2, 0x7a1), (address | 1, 0x7a2)];
    values.iter().flat_map(|(value, csr)| [&set(A0, *value)[..], &[csrrw(0, *csr, A0)]].concat()).collect()
}

#[test]
fn a_store_to_a_guarded_word_is_a_breakpoint() {
    let mut program = set(S0, DATA + 0x100).to_vec();
    program.extend(guard(DATA + 0x100));
    program.extend([sw(S0, S0, 4), sw(S0, S0, -4), lw(A1, S0, 0), store(0, S0, S0, 3), addi(A2, ZERO, 1)]);
    let (mut cpu, mut machine) = machine(&program);
    machine.program(HANDLER, &[sw(S0, S0, 0), csrrs(A1, 0x7a1, 0), WFI]);
    assert_eq!(cpu.run(&mut machine, 100), Stop::WaitForInterrupt);
    assert_eq!(cpu.exceptions(), (1, Some(at(3, CODE + 12 + 17 * 4, DATA + 0x103))));
    assert_eq!(machine.word(DATA + 0x100), DATA + 0x100, "the handler may write it");
    assert_eq!((machine.word(DATA + 0xfc), machine.word(DATA + 0x104)), (DATA + 0x100, DATA + 0x100));
    assert_eq!(cpu.register(11) >> 20 & 1, 1, "the trigger says that it was hit");
    assert_eq!(cpu.register(12), 0);
}

#[test]
fn a_guard_may_be_taken_away() {
    let mut program = set(S0, DATA + 0x100).to_vec();
    program.extend(guard(DATA + 0x100));
    program.extend([csrrw(0, 0x7a1, ZERO), sw(S0, S0, 0), WFI]);
    let (mut cpu, mut machine) = Machine::new(&program);
    assert_eq!(cpu.run(&mut machine, 100), Stop::WaitForInterrupt);
    assert_eq!((cpu.exceptions().0, machine.word(DATA + 0x100)), (0, DATA + 0x100));
}

#[test]
fn registers_without_effect_remember() {
    let (mut cpu, mut machine) = Machine::new(&[addi(A0, ZERO, 3), csrrw(0, 0x3b0, A0), csrrw(A1, 0x3b0, 0), WFI]);
    assert_eq!(cpu.run(&mut machine, 100), Stop::WaitForInterrupt);
    assert_eq!(cpu.register(11), 3);
}

#[test]
fn a_handler_that_is_not_there_uses_up_the_budget() {
    let (mut cpu, mut machine) = Machine::new(&[ECALL]);
    assert_eq!(cpu.run(&mut machine, 1000), Stop::Budget);
    assert_eq!(cpu.instructions(), 1000);
}

#[test]
fn a_reset_is_a_new_beginning() {
    let (mut cpu, mut machine) = machine(&[addi(SP, ZERO, 1), ECALL]);
    cpu.run(&mut machine, 100);
    cpu.reset(CODE);
    assert!(cpu.interrupts_enabled());
    assert_eq!((cpu.pc(), cpu.register(2), cpu.csr(MTVEC)), (CODE, 0, 1));
}
