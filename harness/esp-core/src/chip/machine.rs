//! The machine: it boots an app and runs it in the host's time.

mod boot;
mod calls;

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use super::console::Console;
use super::device::Halt;
use super::events::{End, Input, Output, ResetCause};
use super::flash::Flash;
use super::hardware::Hardware;
use super::pace::Pace;
use super::rom;
use super::setup::Retained;
use super::wifi::{self, Purpose, Wifi};
use crate::{Bus as _, Cpu, Exception, Stop};

/// Instructions between two looks at the inputs and the clock: some 10 µs.
const SLICE: u64 = 5_000;
/// Shorter waits are not worth a sleep, which the host ends tens of microseconds late.
const SHORTEST_SLEEP: u64 = 50_000;
/// How late the host may be before the board is said to have stalled.
const STALLED: u64 = 20_000_000;

/// What happens at a trapped address.
#[derive(Clone, Copy, Debug)]
enum Trap {
    Rom(rom::Function),
    Wifi(wifi::Function),
    /// There is no model: a ROM function or one of the radio's driver.
    RomWithout,
    RadioWithout,
}

/// An ESP32-C3 that executes an app.
///
/// Its clock is the host's: it runs as fast as the host can while the program computes, and sleeps while the program
/// waits. It needs a thread of its own.
#[derive(Debug)]
pub struct Machine {
    cpu: Cpu,
    hardware: Hardware,
    traps: HashMap<u32, (Trap, String)>,
    /// The version of ESP-IDF, if the app was built with it.
    idf: Option<String>,
    has_symbols: bool,
    analogue: HashMap<(u32, u32), u32>,
    wifi: Wifi,
    /// The calls into the program that have not returned, the newest last.
    calls: Vec<Purpose>,
    console: Console,
    /// The processor waits for an interrupt.
    idle: bool,
    /// A ROM function waits until this time.
    delay: Option<u64>,
    /// A ROM function has interrupts off until this time.
    busy: Option<u64>,
    /// When the machine last looked at the clock, or was to wake.
    expected: u64,
    pace: Pace,
}

impl Machine {
    /// Runs the app until the chip resets, the embedder stops it, or it needs what the machine doesn't have.
    ///
    /// Inputs take effect within a millisecond. Everything that the board did before the end is output before this
    /// returns.
    pub fn run(&mut self, inputs: &Receiver<Input>, outputs: &mut dyn FnMut(Output)) -> End {
        self.run_for(u64::MAX, inputs, outputs)
    }

    /// The same, but also stops after about so many more instructions, or when the program waits for an interrupt for
    /// the first time: for programs that may do anything.
    pub fn run_for(&mut self, budget: u64, inputs: &Receiver<Input>, outputs: &mut dyn FnMut(Output)) -> End {
        if self.instructions() == 0 {
            self.hardware.start_clock();
        }
        self.expected = self.hardware.now();
        self.pace.waits();
        let last = self.instructions().saturating_add(budget);
        loop {
            let end = self.turn(inputs);
            let cut = end.is_some();
            let over = budget != u64::MAX && (self.instructions() >= last || self.idle || self.waits());
            let end = end.or(over.then_some(End::Stopped));
            let end = end.or_else(|| self.hardware.effects.halt.take().map(ended));
            if end.is_some() {
                self.hardware.release_pins();
                self.hardware.leave_flash(cut);
            }
            let now = self.hardware.now();
            self.console.pass(&mut self.hardware.effects.outputs, now, outputs);
            self.pace.elsewhere(self.hardware.now() - now);
            if let Some(end) = end {
                self.console.flush(outputs);
                return end;
            }
        }
    }

    /// Whether a ROM function waits.
    fn waits(&self) -> bool {
        self.delay.is_some() || self.busy.is_some()
    }

    /// How many instructions have been executed.
    #[must_use]
    pub fn instructions(&self) -> u64 {
        self.cpu.instructions()
    }

    /// How many exceptions the program's handler was given, and the newest.
    #[must_use]
    pub fn exceptions(&self) -> (u64, Option<Exception>) {
        self.cpu.exceptions()
    }

    /// What stays for the next run after the chip has reset itself for this cause.
    #[must_use]
    pub fn retained(&self, cause: ResetCause) -> Retained {
        if cause.clears_rtc() {
            return Retained::default();
        }
        Retained { memory: self.hardware.rtc_memory().to_vec(), registers: self.hardware.rtc.kept(self.hardware.now()) }
    }

    /// The flash chip, for the next run.
    #[must_use]
    pub fn into_flash(self) -> Box<dyn Flash + Send> {
        self.hardware.into_flash()
    }

    /// Takes inputs, lets time pass in the devices, and executes some instructions or sleeps.
    fn turn(&mut self, inputs: &Receiver<Input>) -> Option<End> {
        loop {
            match inputs.try_recv() {
                Ok(Input::Stop) | Err(TryRecvError::Disconnected) => return Some(End::Stopped),
                Ok(Input::Disable) => return Some(self.disable()),
                Ok(input) => self.accept(input),
                Err(TryRecvError::Empty) => break,
            }
        }
        let now = self.look_at_clock();
        if self.hardware.effects.halt.is_some() {
            return None;
        }
        if let Some(until) = self.waits_until(now) {
            return self.sleep(now, until, inputs);
        }
        self.call_program(now);
        self.execute();
        self.report_unknown();
        None
    }

    /// Lets everything happen that is due, and says when the host was late.
    fn look_at_clock(&mut self) -> u64 {
        let now = self.hardware.now();
        // A program that only computes misses nothing; one for which something is due does, from then on.
        let due = self.hardware.due().min(self.wifi_due()).min(self.busy.or(self.delay).unwrap_or(u64::MAX));
        let behind = now.saturating_sub(due.max(self.expected));
        if behind > STALLED {
            // It counts once.
            self.pace.waits();
            self.hardware.output(Output::Stalled { behind: Duration::from_nanos(behind) });
        }
        if let Some(behind) = self.pace.look(now, self.cpu.instructions()) {
            self.hardware.output(Output::Slow { behind });
        }
        self.expected = now;
        self.hardware.advance(now);
        now
    }

    /// Until when there is nothing to execute, if so.
    fn waits_until(&mut self, now: u64) -> Option<u64> {
        if let Some(until) = self.busy {
            self.busy = self.busy.filter(|until| *until > now);
            return self.busy.map(|_| until.min(self.hardware.due()));
        }
        let serves = self.hardware.pending() != 0 && (self.idle || self.cpu.interrupts_enabled());
        if let Some(until) = self.delay {
            if serves || until <= now {
                self.end_delay(now, until);
                return None;
            }
            return Some(until.min(self.hardware.due()));
        }
        if !self.idle {
            return None;
        }
        let until = self.hardware.due().min(self.wifi_due());
        if serves || until <= now {
            self.idle = false;
            return None;
        }
        Some(until)
    }

    /// Waits for an input until this time.
    fn sleep(&mut self, now: u64, until: u64, inputs: &Receiver<Input>) -> Option<End> {
        self.pace.waits();
        let until = until.min(self.console.due()).max(now);
        if until - now < SHORTEST_SLEEP {
            std::hint::spin_loop();
            return None;
        }
        self.expected = until;
        match inputs.recv_timeout(Duration::from_nanos(until - now)) {
            Ok(Input::Stop) | Err(RecvTimeoutError::Disconnected) => return Some(End::Stopped),
            Ok(Input::Disable) => return Some(self.disable()),
            Ok(input) => self.accept(input),
            Err(RecvTimeoutError::Timeout) => {}
        }
        None
    }

    /// EN is low. Nothing is left for the end of the run to cut.
    fn disable(&mut self) -> End {
        self.hardware.leave_flash(false);
        End::Stopped
    }

    /// Something happens to the board.
    fn accept(&mut self, input: Input) {
        match input {
            Input::Uart(bytes) => self.hardware.uarts[0].receive(&bytes),
            Input::Usb(bytes) => self.hardware.usb.receive(&bytes),
            Input::Pin { gpio, level } => self.hardware.gpio.drive(gpio, level),
            Input::Frame(frame) => self.wifi.receive(frame),
            Input::AccessPoints(points) => self.wifi.set_air(points, self.hardware.now()),
            Input::BrownOut => self.hardware.effects.reset(ResetCause::BrownOut),
            Input::Disable | Input::Stop => {}
        }
        self.hardware.refresh();
    }

    /// Executes some instructions.
    fn execute(&mut self) {
        let end = self.cpu.instructions() + SLICE;
        while !self.idle && self.delay.is_none() && self.busy.is_none() && self.cpu.instructions() < end {
            let left = end - self.cpu.instructions();
            match self.cpu.run(&mut self.hardware, left) {
                Stop::Budget | Stop::Requested => return,
                Stop::WaitForInterrupt => self.idle = true,
                Stop::HostCall(address) => self.host_call(address),
                Stop::Returned(value) => self.returned(value),
            }
        }
    }

    fn report_unknown(&mut self) {
        let pc = self.cpu.pc();
        for (address, write) in std::mem::take(&mut self.hardware.unmodelled.new) {
            self.hardware.output(Output::Unknown { address, write, pc });
        }
    }
}

/// Why the run ended.
fn ended(halt: Halt) -> End {
    match halt {
        Halt::Reset(cause) => End::Reset(cause),
        Halt::Refused(unsupported) => End::Refused(unsupported),
    }
}
