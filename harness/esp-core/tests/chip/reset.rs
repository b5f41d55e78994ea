//! Resets, what survives them, and what ends a run by its name.

use hil_esp_core::chip::{End, Input, Machine, ResetCause, Setup};

use crate::program::{Ran, run, run_alone, setup};

/// Counts in RTC memory, and prints the count and the reset's cause.
const COUNTER: &str = "
    li s0, 0x50000000
    lw s1, 0(s0)
    addi s1, s1, 1
    sw s1, 0(s0)
    addi a0, s1, '0'
    rom UART_TX_ONE_CHAR
    li a0, 0
    rom RTC_GET_RESET_REASON
    addi a0, a0, '0'
    rom UART_TX_ONE_CHAR
    rom SOFTWARE_RESET
";

/// Boots again after a reset.
fn again(ran: Ran, cause: ResetCause) -> Setup {
    let retained = ran.machine.retained(cause);
    let mut setup = Setup::new(ran.machine.into_flash(), 0x1_0000..0x40_0000);
    (setup.reset_cause, setup.retained) = (cause, retained);
    setup
}

#[test]
fn rtc_memory_survives_a_software_reset_but_no_power_cut() {
    let first = run_alone("counter", COUNTER);
    assert_eq!(first.console(), "11");
    assert_eq!(first.end, End::Reset(ResetCause::SoftwareSystem));
    let second = run(again(first, ResetCause::SoftwareSystem), |_, _| ());
    assert_eq!(second.console(), "23");
    let third = run(again(second, ResetCause::PowerOn), |_, _| ());
    assert_eq!(third.console(), "11");
}

#[test]
fn a_watchdog_that_is_not_fed_resets_the_chip() {
    let source = "
        write 0x60020050, 1000
        write 0x6002004c, 80<<16
        write 0x60020048, 0xe0000000
    loop:
        j loop
    ";
    assert_eq!(run_alone("watchdog", source).end, End::Reset(ResetCause::TimerGroup1System));
}

#[test]
fn a_watchdog_also_bites_while_the_processor_waits() {
    let source = "
        write 0x600080a8, 0x50d83aa1
        write 0x60008094, 50
        write 0x60008090, 0xb0000000
    idle:
        wfi
        j idle
    ";
    assert_eq!(run_alone("rtc-watchdog", source).end, End::Reset(ResetCause::RtcWatchdogSystem));
}

#[test]
fn the_supply_voltage_drops() {
    let ran = run(setup("brown-out", "put '\\n'\nidle: wfi\n j idle"), |_, inputs| _ = inputs.send(Input::BrownOut));
    assert_eq!(ran.end, End::Reset(ResetCause::BrownOut));
    assert_eq!(ran.end, End::Reset(ResetCause::BrownOut));
}

/// What the machine doesn't have, that this program needs.
fn refused(name: &str, source: &str) -> String {
    match run_alone(name, source).end {
        End::Refused(unsupported) => unsupported.to_string(),
        end => panic!("{end:?}"),
    }
}

#[test]
fn sleep_is_refused_by_its_name() {
    let deep = "write 0x60008088, 1<<31\n write 0x60008018, 1<<31";
    assert!(refused("deep-sleep", deep).starts_with("deep sleep is not supported"));
    assert!(refused("light-sleep", "write 0x60008018, 1<<31").starts_with("light sleep is not supported"));
}

#[test]
fn a_rom_function_without_a_model_is_named() {
    let text = refused("rom-function", "rom 0x40000040");
    assert!(text.starts_with("the mask ROM's function ets_printf (0x40000040) is not supported"), "{text}");
}

#[test]
fn a_wrong_address_is_the_programs_exception() {
    let source = "
        la t0, vectors
        csrw mtvec, t0
        lw t1, 16(zero)
    .balign 256
    vectors:
        csrr a0, mcause
        addi a0, a0, '0'
        rom UART_TX_ONE_CHAR
        csrr a0, mtval
        addi a0, a0, '0'
        rom UART_TX_ONE_CHAR
        rom SOFTWARE_RESET
    ";
    let ran = run_alone("fault", source);
    assert_eq!(ran.console(), "5@");
    assert_eq!(ran.machine.exceptions().0, 1);
}

#[test]
fn an_elf_file_of_another_program_is_refused() {
    let mut setup = setup("one", "rom SOFTWARE_RESET");
    setup.elf = Some(crate::program::elf("another", "li a0, 7\n rom SOFTWARE_RESET"));
    let error = Machine::boot(setup).err().map(|error| error.to_string());
    assert_eq!(
        error.as_deref(),
        Some("the ELF file is of another program than the app image: flash the image that was made from it")
    );
}
