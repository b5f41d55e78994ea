//! The program, as the driver's functions see it.

use crate::chip::hardware::Hardware;
use crate::{Bus as _, Cpu};

pub(in crate::chip) struct Guest<'a> {
    pub(in crate::chip) cpu: &'a mut Cpu,
    pub(in crate::chip) hardware: &'a mut Hardware,
}

impl Guest<'_> {
    pub(super) fn argument(&self, number: usize) -> u32 {
        self.cpu.argument(number)
    }

    /// A word of the program's memory; 0 where there is none.
    pub(super) fn word(&self, at: u32) -> u32 {
        self.hardware.memory().word(at).unwrap_or_default()
    }

    /// Bytes of the program's memory; fewer where there is none.
    pub(super) fn bytes(&self, at: u32, len: u32) -> Vec<u8> {
        let mut bytes = vec![0; len.min(0x1_0000) as usize];
        let read = self.hardware.memory().read(at, &mut bytes);
        if read.is_ok() { bytes } else { Vec::new() }
    }

    /// Bytes up to a zero, or this many.
    pub(super) fn string(&self, at: u32, at_most: u32) -> Vec<u8> {
        let mut bytes = self.bytes(at, at_most);
        let len = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        bytes.truncate(len);
        bytes
    }

    /// Writes to the program's memory, as far as there is any.
    pub(super) fn write(&mut self, at: u32, bytes: &[u8]) {
        // The driver itself would fault at a wrong pointer; programs of safe code never pass one.
        let _ = self.hardware.memory_mut().write(at, bytes);
    }
}
