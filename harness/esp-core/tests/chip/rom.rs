//! Functions of the mask ROM that have no model, when there is a ROM.

use std::path::Path;

use hil_esp_core::chip::{End, Setup};

use crate::assemble::assemble;
use crate::program::{run, setup};

/// A ROM with `ets_printf` at its address, which prints `R` by a store to the UART, and a function of the radio.
const ROM: &str = "
    .section .text
    .globl _start
    _start:
    .org 0x40
    .globl __call_ets_printf
    __call_ets_printf:
        li t0, 0x60000000
        li t1, 'R'
        sw t1, 0(t0)
        ret
    .org 0x1000
    .globl __call_pp_post
    __call_pp_post:
        ret
";

/// Each test has a folder of its own: they run at once.
fn rom(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chip/rom").join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("rom.s");
    std::fs::write(&file, ROM).expect("written");
    assemble(&[&file], &folder, 0x4000_0000)
}

fn with_rom(name: &str, source: &str) -> Setup {
    Setup { rom: Some(rom(name)), ..setup(name, source) }
}

#[test]
fn a_function_without_a_model_runs_in_the_rom() {
    let ran = run(with_rom("in-rom", "rom 0x40000040\n put '\\n'\n rom SOFTWARE_RESET"), |_, _| ());
    assert_eq!(ran.console(), "R\n");
}

#[test]
fn a_function_of_the_radio_is_named_all_the_same() {
    let End::Refused(unsupported) = run(with_rom("radio-rom", "rom 0x40001000"), |_, _| ()).end else {
        panic!("the radio's driver runs")
    };
    let text = unsupported.to_string();
    assert!(text.starts_with("the mask ROM's function pp_post (0x40001000) is not supported"), "{text}");
}

/// ESP-IDF's first function uses the stack before it sets one of its own.
#[test]
fn the_boot_loader_leaves_a_stack() {
    let ran = run(setup("stack", "sw zero, -16(s10)\n put 'S'\n rom SOFTWARE_RESET"), |_, _| ());
    assert_eq!(ran.console(), "S");
}

#[test]
fn memory_is_copied_from_registers_too() {
    let source = "
        write 0x60002058, 0x21434241
        li a0, 0x3fc90001
        li a1, 0x60002059
        li a2, 3
        rom 0x40000358
        li t0, 0x3fc90000
        lbu a0, 1(t0)
        rom UART_TX_ONE_CHAR
        li t0, 0x3fc90000
        lbu a0, 3(t0)
        rom UART_TX_ONE_CHAR
        rom SOFTWARE_RESET
    ";
    assert_eq!(run(setup("registers", source), |_, _| ()).console(), "B!");
}
