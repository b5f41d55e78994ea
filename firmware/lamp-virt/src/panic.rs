//! Panics and exceptions, printed as `esp-backtrace` prints them, then a new start.

use core::arch::asm;
use core::panic::PanicInfo;

use riscv::register::{mcause, mepc, mtval};

use crate::console::line;
use crate::{board, machine};

#[panic_handler]
fn panicked(info: &PanicInfo<'_>) -> ! {
    line(format_args!("\n====================== PANIC ======================\n{info}\n\nBacktrace:\n"));
    print_backtrace();
    line(format_args!("Rebooting..."));
    board::restart()
}

/// Follows the frame pointers: each points behind the return address and the frame pointer of its caller.
fn print_backtrace() {
    const DEEPEST: usize = 32;
    let mut frame: usize;
    // SAFETY: copies a register.
    unsafe { asm!("mv {0}, s0", out(reg) frame, options(nomem, nostack)) };
    for _ in 0..DEEPEST {
        if !frame.is_multiple_of(4) || !machine::RAM.contains(&(frame.wrapping_sub(8))) {
            return;
        }
        // SAFETY: two aligned words in RAM.
        let [next, caller] = unsafe { (frame as *const [usize; 2]).sub(1).read_volatile() };
        if !machine::RAM.contains(&caller) {
            return;
        }
        // The call is the instruction before the one to return to.
        line(format_args!("0x{:x}", caller - 4));
        // Callers are higher on the stack.
        if next <= frame {
            return;
        }
        frame = next;
    }
}

/// Called for exceptions by `riscv-rt`.
#[unsafe(export_name = "ExceptionHandler")]
extern "C" fn exception(_: &riscv_rt::TrapFrame) -> ! {
    panic!("exception {}, mepc 0x{:08x}, mtval 0x{:08x}", mcause::read().code(), mepc::read(), mtval::read());
}
