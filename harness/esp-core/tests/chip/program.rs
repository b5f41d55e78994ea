//! Assembles programs and runs them.

use std::path::Path;
use std::sync::mpsc::{Sender, channel};

use hil_esp_core::chip::{End, Input, Machine, Output, Setup};

use crate::assemble::assemble;

/// Names that all programs can use.
const PRELUDE: &str = "
    .macro rom name
        li t6, \\name
        jalr t6
    .endm
    .macro put char
        li a0, \\char
        rom UART_TX_ONE_CHAR
    .endm
    .macro write address, value
        li t5, \\address
        li t6, \\value
        sw t6, 0(t5)
    .endm
    .equ UART_TX_ONE_CHAR, 0x40000068
    .equ SOFTWARE_RESET, 0x40000090
    .equ ETS_DELAY_US, 0x40000050
    .equ RTC_GET_RESET_REASON, 0x40000018
    .section .text
    .globl _start
    _start:
        mv s10, sp
        li sp, 0x3fcd0000
";

/// The ELF file of a program, in a folder with this name.
pub(crate) fn elf(name: &str, source: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chip").join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("program.s");
    std::fs::write(&file, format!("{PRELUDE}{source}\n")).expect("written");
    assemble(&[&file], &folder, 0x4038_0000)
}

/// A machine with a program.
pub(crate) fn setup(name: &str, source: &str) -> Setup {
    Setup::from_elf(elf(name, source)).expect("a program")
}

/// What a run was like.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) end: End,
    pub(crate) outputs: Vec<Output>,
    pub(crate) machine: Machine,
}

impl Ran {
    /// All that the UART has sent.
    pub(crate) fn console(&self) -> String {
        let bytes = self.outputs.iter().filter_map(|output| match output {
            Output::Uart(bytes) => Some(bytes.as_slice()),
            _ => None,
        });
        String::from_utf8_lossy(&bytes.collect::<Vec<_>>().concat()).into_owned()
    }
}

/// Runs a machine; `react` is called with each output and may send inputs.
pub(crate) fn run(setup: Setup, mut react: impl FnMut(&Output, &Sender<Input>)) -> Ran {
    let mut machine = Machine::boot(setup).expect("it boots");
    let (inputs, received) = channel();
    let mut outputs = Vec::new();
    let end = machine.run(&received, &mut |output| {
        react(&output, &inputs);
        outputs.push(output);
    });
    Ran { end, outputs, machine }
}

/// Runs a program that needs no inputs.
pub(crate) fn run_alone(name: &str, source: &str) -> Ran {
    run(setup(name, source), |_, _| ())
}
