//! Code that is written while it runs.

use crate::assembler::*;
use crate::machine::*;
use hil_esp_core::{Access, Stop};

#[test]
fn the_next_instruction_may_be_written() {
    let [upper, lower] = set(A0, addi(A2, ZERO, 2));
    let [to_upper, to_lower] = set(A1, CODE + 20);
    let program = [upper, lower, to_upper, to_lower, sw(A0, A1, 0), addi(A2, ZERO, 1), WFI];
    let (mut cpu, mut machine) = Machine::new(&program);
    assert_eq!(cpu.run(&mut machine, 100), Stop::WaitForInterrupt);
    assert_eq!(cpu.register(12), 2);
}

#[test]
fn code_may_be_written_at_another_address() {
    // The function is in the page that data is in too.
    let function = CODE + 0x1000;
    let mut program = set(S0, function).to_vec();
    program.extend(set(A1, DATA));
    program.extend([jalr(RA, S0, 0), addi(17, A2, 0)]);
    program.extend(set(A0, addi(A2, ZERO, 2)));
    program.extend([sw(A0, A1, 0), jalr(RA, S0, 0), WFI]);
    let (mut cpu, mut machine) = Machine::new(&program);
    machine.program(function, &[addi(A2, ZERO, 1), RET]);
    assert_eq!(cpu.run(&mut machine, 100), Stop::WaitForInterrupt);
    assert_eq!((cpu.register(17), cpu.register(12)), (1, 2));
}

#[test]
fn data_beside_code_is_only_data() {
    let mut program = set(A1, CODE + 0x800).to_vec();
    program.extend([addi(A0, A0, 1), sw(A0, A1, 0), branch(1, A0, A2, -8), WFI]);
    let (mut cpu, mut machine) = Machine::new(&program);
    cpu.set_register(12, 1000);
    assert_eq!(cpu.run(&mut machine, 10_000), Stop::WaitForInterrupt);
    assert_eq!(machine.word(CODE + 0x800), 1000);
}

#[test]
fn the_host_may_write_code() {
    let (mut cpu, mut machine) = Machine::new(&[addi(A0, ZERO, 1), WFI]);
    cpu.run(&mut machine, 10);
    machine.program(CODE, &[addi(A0, ZERO, 2)]);
    cpu.set_pc(CODE);
    cpu.run(&mut machine, 10);
    assert_eq!(cpu.register(10), 2);
}

#[test]
fn other_pages_may_be_mapped() {
    let (mut cpu, mut machine) = Machine::new(&[addi(A0, ZERO, 1), WFI]);
    cpu.run(&mut machine, 10);
    let other = machine.memory.add_bank(0x1000, 0);
    for (word, at) in [addi(A0, ZERO, 3), WFI].iter().zip([0, 4]) {
        machine.memory.bank_mut(other, at..at + 4).copy_from_slice(&word.to_le_bytes());
    }
    machine.memory.map(CODE, other, 0, 0x1000, Access::READ_EXECUTE).expect("mapped");
    cpu.set_pc(CODE);
    assert_eq!(cpu.run(&mut machine, 10), Stop::WaitForInterrupt);
    assert_eq!(cpu.register(10), 3);
    assert_eq!(machine.word(CODE + 0x1000), 0, "what was mapped behind it still is");
    machine.memory.unmap(CODE, 0x4000).expect("unmapped");
    assert!(machine.memory.word(CODE).is_err());
    assert_eq!(machine.word(DATA), 0);
}

#[test]
fn a_mapping_is_checked() {
    let (_, mut machine) = Machine::new(&[]);
    let memory = &mut machine.memory;
    let bank = memory.add_bank(0x2000, 0);
    for (address, offset, len) in [(1, 0, 0x1000), (0, 0, 1), (0, 0x1000, 0x2000), (0xffff_f000, 0, 0x2000)] {
        assert!(memory.map(address, bank, offset, len, Access::READ).is_err(), "{address:#x} {offset:#x} {len:#x}");
    }
    assert!(memory.map(0xffff_f000, bank, 0x1000, 0x1000, Access::READ).is_ok());
    assert_eq!(memory.word(0xffff_fffc), Ok(0));
}
