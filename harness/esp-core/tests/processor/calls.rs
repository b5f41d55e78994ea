//! The program calls the host, and the host calls the program.

use crate::assembler::*;
use crate::machine::*;
use hil_esp_core::{InterruptsOff, Stop};

/// An address without memory, as those of ROM functions.
const ROM: u32 = 0x4000_0000;
const FUNCTION: u32 = CODE + 0x200;
const STACK: u32 = DATA + 0x1007;

/// A program that calls the ROM with 7 and then waits.
fn machine() -> (hil_esp_core::Cpu, Machine) {
    let mut program = set(S0, ROM).to_vec();
    program.extend([addi(A0, ZERO, 7), jalr(RA, S0, 0), addi(A1, A0, 1), WFI]);
    let (mut cpu, machine) = Machine::new(&program);
    cpu.trap_at(ROM);
    (cpu, machine)
}

#[test]
fn a_trapped_function_is_the_hosts() {
    let (mut cpu, mut machine) = machine();
    assert_eq!(cpu.run(&mut machine, 100), Stop::HostCall(ROM));
    assert_eq!((cpu.pc(), cpu.argument(0)), (ROM, 7));
    assert_eq!(cpu.run(&mut machine, 100), Stop::HostCall(ROM), "it waits for the host");
    cpu.return_value(41);
    assert_eq!(cpu.run(&mut machine, 100), Stop::WaitForInterrupt);
    assert_eq!(cpu.register(11), 42);
}

#[test]
fn a_trap_may_be_in_the_middle_of_code_and_be_passed() {
    let (mut cpu, mut machine) = Machine::new(&[addi(A0, A0, 1), addi(A0, A0, 1), jal(0, -8)]);
    cpu.trap_at(CODE + 4);
    for round in 0..3 {
        assert_eq!(cpu.run(&mut machine, 100), Stop::HostCall(CODE + 4));
        assert_eq!(cpu.register(10), 2 * round + 1);
        cpu.pass();
    }
    cpu.untrap(CODE + 4);
    assert_eq!(cpu.run(&mut machine, 100), Stop::Budget);
}

#[test]
fn an_interrupt_does_not_repeat_a_passed_trap() {
    let (mut cpu, mut machine) = Machine::new(&[addi(A0, A0, 1), jal(0, -4)]);
    cpu.trap_at(CODE);
    assert_eq!(cpu.run(&mut machine, 100), Stop::HostCall(CODE));
    cpu.pass();
    machine.lines = 2;
    cpu.run(&mut machine, 1);
    assert_eq!(cpu.register(10), 1, "the instruction is executed first");
}

#[test]
fn the_host_calls_like_an_interrupt() {
    let (mut cpu, mut machine) = Machine::new(&[jal(0, 0)]);
    machine.program(FUNCTION, &[registers(0, 0, A0, A0, A1), sw(SP, SP, -4), lui(S0, 0x1000), RET]);
    cpu.set_register(8, 99);
    cpu.run(&mut machine, 10);
    assert_eq!(cpu.call(FUNCTION, &[30, 12], STACK), Ok(()));
    assert!(!cpu.interrupts_enabled());
    assert_eq!(cpu.calls(), 1);
    assert_eq!(cpu.call(FUNCTION, &[], STACK), Err(InterruptsOff));
    machine.lines = 2;
    assert_eq!(cpu.run(&mut machine, 100), Stop::Returned(42));
    assert_eq!(machine.word((STACK & !15) - 4), STACK & !15);
    assert_eq!((cpu.pc(), cpu.register(8), cpu.register(10), cpu.calls()), (CODE, 99, 0, 0));
    assert!(cpu.interrupts_enabled());
}

#[test]
fn a_called_function_may_call_the_host_that_calls_again() {
    let (mut cpu, mut machine) = machine();
    let mut outer = vec![addi(S0, RA, 0)];
    outer.extend(set(A2, ROM + 4));
    outer.extend([jalr(RA, A2, 0), addi(A0, A0, 1), jalr(ZERO, S0, 0)]);
    machine.program(FUNCTION, &outer);
    machine.program(FUNCTION + 0x100, &[addi(A0, A0, 5), RET]);
    cpu.trap_at(ROM + 4);
    assert_eq!(cpu.run(&mut machine, 100), Stop::HostCall(ROM));
    cpu.call_within(FUNCTION, &[1], STACK);
    assert_eq!(cpu.run(&mut machine, 100), Stop::HostCall(ROM + 4));
    assert_eq!(cpu.call(FUNCTION + 0x100, &[10], STACK - 0x100), Err(InterruptsOff));
    cpu.call_within(FUNCTION + 0x100, &[10], STACK - 0x100);
    assert_eq!(cpu.calls(), 2);
    assert_eq!(cpu.run(&mut machine, 100), Stop::Returned(15));
    assert_eq!(cpu.pc(), ROM + 4);
    cpu.return_value(20);
    assert_eq!(cpu.run(&mut machine, 100), Stop::Returned(21));
    assert_eq!((cpu.pc(), cpu.argument(0)), (ROM, 7), "at the first host call, as it was");
    cpu.return_nothing();
    assert_eq!(cpu.run(&mut machine, 100), Stop::WaitForInterrupt);
    assert_eq!(cpu.register(11), 8);
}

#[test]
fn nothing_returns_from_a_call_that_was_not_made() {
    let (mut cpu, mut machine) = Machine::new(&[addi(A0, ZERO, -16), jalr(ZERO, A0, 0)]);
    assert_eq!(cpu.run(&mut machine, 100), Stop::Budget);
    assert_eq!(cpu.exceptions().1.expect("an exception").cause, 1);
}
