//! What the host does to the machine: it is late, and it stops it.

use std::time::{Duration, Instant};

use hil_esp_core::chip::{End, Input, Output};

use crate::program::{Ran, run, setup};

/// The host does something else for so long that a timer of the program is noticeably late.
fn occupy_host() {
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(60) {
        std::hint::spin_loop();
    }
}

/// Runs a program on a host that is late after the first line, until the second.
fn on_late_host(name: &str, source: &str) -> Ran {
    run(setup(name, source), |output, inputs| match output {
        Output::Uart(bytes) if bytes == b"1\n" => occupy_host(),
        Output::Uart(_) => _ = inputs.send(Input::Stop),
        _ => {}
    })
}

fn stalls(ran: &Ran) -> usize {
    ran.outputs.iter().filter(|output| matches!(output, Output::Stalled { .. })).count()
}

const PRINT_TWICE: &str = "
    put '1'
    put '\\n'
    li s0, 20000
compute:
    addi s0, s0, -1
    bnez s0, compute
    put '2'
    put '\\n'
loop:
    j loop
";

#[test]
fn a_program_that_computes_misses_nothing_on_a_late_host() {
    assert_eq!(stalls(&on_late_host("late-computing", PRINT_TWICE)), 0);
}

#[test]
fn what_takes_outputs_takes_no_time_from_a_program_that_computes() {
    let ran = run(setup("late-outputs", PRINT_TWICE), |output, inputs| match output {
        Output::Uart(bytes) if bytes == b"1\n" => std::thread::sleep(Duration::from_secs(2)),
        Output::Uart(_) => _ = inputs.send(Input::Stop),
        _ => {}
    });
    let behind = ran.outputs.iter().filter_map(|output| match output {
        Output::Slow { behind } => Some(*behind),
        _ => None,
    });
    // Far more than a busy machine takes from a program of a millisecond.
    assert!(behind.sum::<Duration>() < Duration::from_secs(1), "{:?}", ran.outputs);
}

#[test]
fn a_timer_that_fires_late_is_said() {
    let armed =
        format!("write 0x60023020, 16*5000\n write 0x60023050, 1\n write 0x60023000, 0xc1000000\n{PRINT_TWICE}");
    let ran = on_late_host("late-timer", &armed);
    assert_eq!(stalls(&ran), 1, "{:?}", ran.outputs);
    let behind = ran.outputs.iter().find_map(|output| match output {
        Output::Stalled { behind } => Some(*behind),
        _ => None,
    });
    assert!(behind.is_some_and(|behind| behind > Duration::from_millis(20)), "{behind:?}");
}

#[test]
fn a_timer_that_is_set_to_the_past_is_not_late() {
    let past = format!(
        "li a0, 300000\n rom ETS_DELAY_US\n write 0x60023020, 1\n write 0x60023050, 1\n write 0x60023000, 0xc1000000\n{}",
        "put '1'\n put '\\r'\n put '\\n'\nloop: j loop"
    );
    let ran = on_late_host("past-timer", &past);
    let late =
        ran.outputs.iter().any(|output| matches!(output, Output::Stalled { behind } if behind.as_millis() >= 300));
    assert!(!late, "{:?}", ran.outputs);
}

/// Instructions between two looks at the inputs, with the rest of a block.
const TURN: u64 = 5_000 + 64;

#[test]
fn a_program_that_computes_is_stopped_at_the_next_look() {
    let ran = run(setup("stop-loop", "put '\\n'\nloop: j loop"), |_, inputs| _ = inputs.send(Input::Stop));
    assert_eq!(ran.end, End::Stopped);
    assert!(ran.machine.instructions() <= TURN, "{} instructions", ran.machine.instructions());
}

/// Stops a program at its first output. The boot loader's watchdog would otherwise end it, seconds later.
fn stopped(name: &str, source: &str) {
    let ran = run(setup(name, &format!("put '\\n'\n{source}")), |_, inputs| _ = inputs.send(Input::Stop));
    assert_eq!(ran.end, End::Stopped, "it ends by the stop, not by what it waits for");
    assert!(ran.machine.instructions() <= TURN, "{} instructions", ran.machine.instructions());
}

#[test]
fn a_program_that_waits_is_stopped_before_what_it_waits_for() {
    stopped("stop-idle", "idle: wfi\n j idle");
    stopped("stop-delay", "li a0, 60000000\n rom ETS_DELAY_US\n rom SOFTWARE_RESET");
}
