//! The time of `embassy-time`, by the machine's timer.

use core::cell::RefCell;
use core::task::Waker;

use critical_section::{CriticalSection, Mutex};
use embassy_time_driver::{Driver, TICK_HZ};
use embassy_time_queue_utils::Queue;
use riscv::interrupt::Interrupt;

use crate::machine;

const RATIO: u64 = machine::TICK_HZ / TICK_HZ;

struct Clock(Mutex<RefCell<Queue>>);

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock(Mutex::new(RefCell::new(Queue::new()))));

impl Driver for Clock {
    fn now(&self) -> u64 {
        machine::ticks() / RATIO
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|cs| {
            if self.0.borrow_ref_mut(cs).schedule_wake(at, waker) {
                self.wake_due(cs);
            }
        });
    }
}

impl Clock {
    /// Wakes the tasks that are due, and requests the interrupt for the next one.
    fn wake_due(&self, cs: CriticalSection<'_>) {
        let next = self.0.borrow_ref_mut(cs).next_expiration(self.now());
        machine::interrupt_at(next.saturating_mul(RATIO));
    }
}

/// No interrupt until a task wants one.
pub(crate) fn start() {
    machine::interrupt_at(u64::MAX);
    // SAFETY: the handler is below.
    unsafe { riscv::register::mie::set_mtimer() };
}

#[riscv_rt::core_interrupt(Interrupt::MachineTimer)]
fn timer() {
    critical_section::with(|cs| CLOCK.wake_due(cs));
}
