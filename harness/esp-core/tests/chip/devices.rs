//! Console, timers, pins, flash: what programs see of them.

use std::time::{Duration, Instant};

use hil_esp_core::chip::{End, Input, Output, ResetCause};

use crate::program::{run, run_alone, setup};

/// Interrupts go to `handler`: this source, as line 1.
fn with_interrupt(source: u32, rest: &str) -> String {
    format!(
        "
        la t0, vectors
        csrw mtvec, t0
        write 0x600c2000+4*{source}, 1
        write 0x600c2118, 1
        write 0x600c2104, 2
        {rest}
    idle:
        wfi
        j idle
    .balign 256
    .option norvc
    vectors:
        .rept 32
        j handler
        .endr
    "
    )
}

#[test]
fn a_timer_wakes_the_processor_at_its_time() {
    let started = Instant::now();
    let source = with_interrupt(
        37,
        "
        write 0x60023064, 1
        write 0x60023020, 16*5000
        write 0x60023050, 1
        write 0x60023000, 0xc1000000
        ",
    ) + "
    handler:
        put 'T'
        rom SOFTWARE_RESET
    ";
    let ran = run_alone("timer", &source);
    assert_eq!(ran.console(), "T");
    assert!(started.elapsed() >= Duration::from_millis(5));
    assert!(ran.machine.instructions() < 200, "it slept: {} instructions", ran.machine.instructions());
}

#[test]
fn an_edge_of_a_pin_interrupts_and_the_program_drives_another() {
    let source = with_interrupt(
        16,
        "
        write 0x60009028, 0x1200
        write 0x60004098, 0x2080
        write 0x60004024, 1<<3
        ",
    ) + "
    handler:
        write 0x60004008, 1<<3
        write 0x6000404c, 1<<9
        mret
    ";
    let mut setup = setup("edge", &source);
    setup.seed = 1;
    let ran = run(setup, |output, inputs| {
        let next = match output {
            // The program's pin is an output now: it is ready.
            Output::Pin { gpio: 3, level: Some(false) } => {
                let _ = inputs.send(Input::Pin { gpio: 9, level: false });
                Input::Pin { gpio: 9, level: true }
            }
            Output::Pin { gpio: 3, level: Some(true) } => Input::Stop,
            _ => return,
        };
        let _ = inputs.send(next);
    });
    assert_eq!(ran.end, End::Stopped);
    let pin = |level| Output::Pin { gpio: 3, level };
    let pins: Vec<_> = ran.outputs.into_iter().filter(|output| matches!(output, Output::Pin { .. })).collect();
    assert_eq!(pins, [pin(Some(false)), pin(Some(true)), pin(None)]);
}

#[test]
fn a_byte_from_the_uart_wakes_the_program() {
    let source = with_interrupt(21, "write 0x6000000c, 1<<8\n put '>'\n put '\\n'")
        + "
    handler:
        li t0, 0x60000000
        lw a0, 0(t0)
        addi a0, a0, 1
        rom UART_TX_ONE_CHAR
        rom SOFTWARE_RESET
    ";
    let ran = run(setup("uart", &source), |output, inputs| {
        if *output == Output::Uart(b">\n".to_vec()) {
            let _ = inputs.send(Input::Uart(b"a".to_vec()));
        }
    });
    assert_eq!(ran.console(), ">\nb");
}

#[test]
fn a_delay_of_the_rom_takes_its_time() {
    let started = Instant::now();
    run_alone("delay", "li a0, 3000\n rom ETS_DELAY_US\n rom SOFTWARE_RESET");
    assert!(started.elapsed() >= Duration::from_millis(3));
}

#[test]
fn what_is_written_to_flash_is_in_the_chip_and_where_it_is_mapped() {
    let source = "
        write 0x600c5000, 0x20
        li a0, 0x200
        rom 0x40000128
        la a1, text
        li a0, 0x200004
        li a2, 4
        rom 0x4000012c
        li t0, 0x3c000004
        lbu a0, 0(t0)
        rom UART_TX_ONE_CHAR
        rom SOFTWARE_RESET
    text:
        .ascii \"wxyz\"
    ";
    let ran = run_alone("flash", source);
    assert_eq!(ran.console(), "w");
    let mut bytes = [0; 6];
    ran.machine.into_flash().read(0x20_0003, &mut bytes).expect("read");
    assert_eq!(bytes, *b"\xffwxyz\xff");
}

#[test]
fn a_register_without_a_model_is_named_once() {
    let source = "
        li s0, 3
    again:
        li t0, 0x60013004
        lw t1, 0(t0)
        addi s0, s0, -1
        bnez s0, again
        rom SOFTWARE_RESET
    ";
    let ran = run_alone("unknown", source);
    let unknown: Vec<_> = ran.outputs.iter().filter(|output| matches!(output, Output::Unknown { .. })).collect();
    assert!(
        matches!(unknown[..], [Output::Unknown { address: 0x6001_3004, write: false, pc }] if pc >> 16 == 0x4038),
        "{unknown:?}"
    );
}

#[test]
fn a_program_that_computes_is_stopped() {
    let ran = run(setup("loop", "put '\\n'\nloop: j loop"), |_, inputs| _ = inputs.send(Input::Stop));
    assert_eq!(ran.end, End::Stopped);
}

/// Fills a sector with the bytes 0, then erases it, and says so before each.
const ERASE: &str = "
    la a1, zeros
    li a0, 0x200000
    li a2, 1024
    rom 0x4000012c
    put 'e'
    put '\\n'
    li a0, 0x200
    rom 0x40000128
    put 'd'
    put '\\n'
idle:
    wfi
    j idle
zeros:
    .zero 1024
";

/// The sector after the run was ended like this at this output, and what the console was until then.
fn ended_at(name: &str, text: &[u8], end: &Input) -> (Vec<u8>, String) {
    let mut setup = setup(name, ERASE);
    setup.seed = 1;
    let ran = run(setup, |output, inputs| {
        if *output == Output::Uart(text.to_vec()) {
            let _ = inputs.send(end.clone());
        }
    });
    assert_eq!(ran.end, End::Stopped);
    let console = ran.console();
    let mut sector = vec![0; 4096];
    ran.machine.into_flash().read(0x20_0000, &mut sector).expect("read");
    (sector, console)
}

#[test]
fn a_power_cut_leaves_a_sector_half_erased() {
    let (sector, console) = ended_at("cut", b"e\n", &Input::Stop);
    assert_eq!(console, "e\n", "the function has not returned");
    assert!(sector.iter().any(|byte| *byte != 0xff), "not erased");
    let (sector, console) = ended_at("cut", b"d\n", &Input::Stop);
    assert_eq!((console.as_str(), sector), ("e\nd\n", vec![0xff; 4096]));
}

#[test]
fn a_reset_by_en_leaves_the_flash_chip_to_erase_it_all() {
    let (sector, console) = ended_at("cut-2", b"e\n", &Input::Disable);
    assert_eq!((console.as_str(), sector), ("e\n", vec![0xff; 4096]));
}

#[test]
fn an_erase_takes_the_chips_time_and_a_watchdog_goes_on() {
    let started = Instant::now();
    let ran = run_alone("erase", &ERASE.replace("put 'd'", "rom SOFTWARE_RESET"));
    assert!(started.elapsed() >= Duration::from_millis(45));
    assert_eq!(ran.console(), "e\n");
    let watched = format!("write 0x6002004c, 80<<16\n write 0x60020050, 20000\n write 0x60020048, 0xe0000000\n{ERASE}");
    let ran = run_alone("watched-erase", &watched);
    assert_eq!(ran.end, End::Reset(ResetCause::TimerGroup1System));
    let mut sector = vec![0; 4096];
    ran.machine.into_flash().read(0x20_0000, &mut sector).expect("read");
    assert_eq!(sector, vec![0xff; 4096], "the flash chip goes on when the processor is reset");
}

#[test]
fn a_program_that_waits_for_what_has_no_model_ends_with_its_name() {
    let ran = run_alone("waits", "li t0, 0x60024000\nwait: lw t1, 0(t0)\n srli t1, t1, 24\n beqz t1, wait");
    let End::Refused(unsupported) = ran.end else { panic!("{:?}", ran.end) };
    assert_eq!(
        unsupported.to_string(),
        "SPI2 (register 0x60024000) is not supported: it has no model, and the program waits for it"
    );
}
