//! Calls between the program and the machine, in both directions.

use super::{Machine, SLICE, Trap};
use crate::Stop;
use crate::chip::rom::{self, Answer};
use crate::chip::wifi::{Callback, Function, Guest, Purpose, Reply, STACK_TOP};

impl Machine {
    /// The program has arrived at a trapped address.
    pub(super) fn host_call(&mut self, address: u32) {
        let Some((trap, name)) = self.traps.get(&address) else { return };
        match *trap {
            Trap::Rom(function) => {
                let name = name.clone();
                self.call_rom(function, &name);
            }
            Trap::Wifi(function) => self.call_wifi(function),
            Trap::RomWithout => {
                let what = format!("the mask ROM's function {name} ({address:#010x})");
                self.refuse(what, self.hint_for_rom(address));
            }
            Trap::RadioWithout => {
                let what = format!("the radio driver's function {name}");
                self.refuse(what, "only what a Wi-Fi station needs has a model");
            }
        }
    }

    /// A call by the machine has returned.
    pub(super) fn returned(&mut self, value: u32) {
        match self.calls.pop() {
            Some(Purpose::Within) => self.cpu.return_value(0),
            Some(purpose) => self.wifi.returned(purpose, value),
            None => {}
        }
    }

    /// When the radio has something for the program.
    pub(super) fn wifi_due(&self) -> u64 {
        if self.calls.is_empty() { self.wifi.due() } else { u64::MAX }
    }

    /// Gives the program what the radio has for it, when the program has interrupts on.
    pub(super) fn call_program(&mut self, now: u64) {
        if self.wifi_due() > now || !self.reach_interrupts() {
            return;
        }
        let mut guest = Guest { cpu: &mut self.cpu, hardware: &mut self.hardware };
        if let Some(callback) = self.wifi.next(&mut guest)
            && self.cpu.call(callback.function, &callback.arguments, STACK_TOP).is_ok()
        {
            self.calls.push(callback.purpose);
        }
    }

    /// Executes single blocks until the program has interrupts on; whether it has.
    fn reach_interrupts(&mut self) -> bool {
        let end = self.cpu.instructions() + SLICE;
        while !self.cpu.interrupts_enabled() && self.cpu.instructions() < end {
            match self.cpu.run(&mut self.hardware, 1) {
                Stop::Budget => {}
                Stop::HostCall(address) => self.host_call(address),
                Stop::Returned(value) => self.returned(value),
                Stop::WaitForInterrupt | Stop::Requested => return false,
            }
            if self.delay.is_some() || self.busy.is_some() {
                return false;
            }
        }
        self.cpu.interrupts_enabled() && self.calls.is_empty()
    }

    fn call_rom(&mut self, function: rom::Function, name: &str) {
        let mut call = rom::Call { cpu: &mut self.cpu, hardware: &mut self.hardware, analogue: &mut self.analogue };
        match function(&mut call) {
            Answer::Nothing => self.cpu.return_nothing(),
            Answer::Value(value) => self.cpu.return_value(value),
            Answer::Wide(value) => {
                self.cpu.set_register(11, crate::chip::device::high(value));
                self.cpu.return_value(crate::chip::device::low(value));
            }
            Answer::Wait(0) => self.cpu.return_nothing(),
            Answer::Wait(microseconds) => {
                self.delay = Some(self.hardware.now() + u64::from(microseconds) * 1000);
            }
            Answer::Until(time) => {
                self.cpu.return_value(0);
                self.busy = Some(time);
            }
            Answer::BadAddress => {
                let arguments: Vec<_> = (0..3).map(|number| format!("{:#x}", self.cpu.argument(number))).collect();
                let caller = self.cpu.register(1);
                let what = format!("{name}({}) called from {caller:#010x}", arguments.join(", "));
                self.refuse(what, "there is no memory at that address: the program has a mistake");
            }
        }
        self.hardware.refresh();
    }

    /// Ends a wait of a ROM function, or interrupts it: then the rest of the time is its argument when it goes on.
    pub(super) fn end_delay(&mut self, now: u64, until: u64) {
        self.delay = None;
        let left = until.saturating_sub(now) / 1000;
        match u32::try_from(left) {
            Ok(0) | Err(_) => self.cpu.return_nothing(),
            Ok(left) => self.cpu.set_register(10, left),
        }
    }

    fn call_wifi(&mut self, function: Function) {
        let mut guest = Guest { cpu: &mut self.cpu, hardware: &mut self.hardware };
        match function(&mut self.wifi, &mut guest) {
            Reply::Value(value) => self.cpu.return_value(value),
            Reply::After(Callback { function, arguments, purpose }) => {
                self.cpu.call_within(function, &arguments, STACK_TOP);
                self.calls.push(purpose);
            }
            Reply::Refuse(what, hint) => self.refuse(what, hint),
        }
    }

    fn refuse(&mut self, what: impl Into<String>, hint: impl Into<String>) {
        self.hardware.effects.refuse(what, hint);
    }

    fn hint_for_rom(&self, address: u32) -> String {
        let radio = rom::RADIO.contains(&address);
        match &self.idf {
            Some(version) if radio => {
                format!("Wi-Fi and Bluetooth of ESP-IDF ({version}) have no model; they need a real board")
            }
            _ if self.has_symbols || !radio => "it has no model".to_owned(),
            _ => "it has no model; for Wi-Fi, give the ELF file with symbols that the image was made from".to_owned(),
        }
    }
}
