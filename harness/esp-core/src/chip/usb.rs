//! The USB-Serial/JTAG controller's console.

use std::collections::VecDeque;

use super::device::{Context, Device, Registers, low};
use super::events::Output;
use super::reset_values;

const EP1: u32 = 0x00;
const EP1_CONF: u32 = 0x04;
const INT_RAW: u32 = 0x08;
const INT_ST: u32 = 0x0c;
const INT_ENA: u32 = 0x10;
const INT_CLR: u32 = 0x14;
const FRAME_NUMBER: u32 = 0x24;

const WRITTEN: u32 = 1 << 0;
const CAN_WRITE: u32 = 1 << 1;
const CAN_READ: u32 = 1 << 2;
const START_OF_FRAME: u32 = 1 << 1;
const RECEIVED: u32 = 1 << 2;
const SENT: u32 = 1 << 3;
const PACKET: usize = 64;

#[derive(Debug)]
pub(super) struct Usb {
    registers: Registers,
    /// Whether a host is connected, which polls and sends a start of frame each millisecond.
    attached: bool,
    received: VecDeque<u8>,
    packet: Vec<u8>,
}

impl Usb {
    pub(super) fn new(attached: bool) -> Self {
        let mut registers = Registers::at_reset(0x1000, reset_values::USB);
        registers.set(INT_RAW, SENT);
        Self { registers, attached, received: VecDeque::new(), packet: Vec::new() }
    }

    /// Bytes arrive from the host.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        if self.attached && !bytes.is_empty() {
            self.received.extend(bytes);
            self.registers.raise(INT_RAW, RECEIVED);
        }
    }

    /// Whether an interrupt is raised and enabled. Frames start so often that they never count.
    pub(super) fn raised(&self) -> bool {
        self.registers.get(INT_RAW) & self.registers.get(INT_ENA) & !START_OF_FRAME != 0
    }

    fn write_byte(&mut self, byte: u8, outputs: &mut Vec<Output>) {
        if self.packet.len() < PACKET {
            self.packet.push(byte);
        }
        if self.packet.len() == PACKET {
            self.send(outputs);
        }
    }

    fn send(&mut self, outputs: &mut Vec<Output>) {
        if !self.attached {
            return;
        }
        self.registers.raise(INT_RAW, SENT);
        match outputs.last_mut() {
            Some(Output::Usb(bytes)) => bytes.append(&mut self.packet),
            _ if self.packet.is_empty() => {}
            _ => outputs.push(Output::Usb(std::mem::take(&mut self.packet))),
        }
    }
}

impl Device for Usb {
    fn registers(&mut self) -> &mut Registers {
        &mut self.registers
    }

    fn knows(&self, offset: u32) -> bool {
        offset <= 0x48 || offset == 0x80
    }

    fn read(&mut self, offset: u32, context: &mut Context<'_>) -> Option<u32> {
        let frames = if self.attached { START_OF_FRAME } else { 0 };
        Some(match offset {
            EP1 => u32::from(self.received.pop_front().unwrap_or_default()),
            EP1_CONF => {
                let can_write = if self.packet.len() < PACKET { CAN_WRITE } else { 0 };
                let can_read = if self.received.is_empty() { 0 } else { CAN_READ };
                can_write | can_read
            }
            FRAME_NUMBER if self.attached => low(context.now / 1_000_000) & 0x7ff,
            INT_RAW => self.registers.get(INT_RAW) | frames,
            INT_ST => (self.registers.get(INT_RAW) | frames) & self.registers.get(INT_ENA),
            _ => return None,
        })
    }

    fn write(&mut self, offset: u32, value: u32, context: &mut Context<'_>) -> Option<u32> {
        match offset {
            EP1 => self.write_byte(value.to_le_bytes()[0], &mut context.effects.outputs),
            EP1_CONF if value & WRITTEN != 0 => self.send(&mut context.effects.outputs),
            INT_CLR => self.registers.clear(INT_RAW, value),
            EP1_CONF | INT_RAW | INT_ST => {}
            _ => return Some(value),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::testing::Bench;

    #[test]
    fn bytes_wait_for_the_end_of_the_packet() {
        let (mut bench, mut usb) = (Bench::new(), Usb::new(true));
        bench.write(&mut usb, EP1, 65);
        assert!(bench.effects.outputs.is_empty());
        bench.write(&mut usb, EP1_CONF, WRITTEN);
        assert_eq!(bench.effects.outputs, [Output::Usb(vec![65])]);
    }

    #[test]
    fn without_a_host_the_packet_stays_full() {
        let (mut bench, mut usb) = (Bench::new(), Usb::new(false));
        for _ in 0..70 {
            bench.write(&mut usb, EP1, 65);
        }
        assert_eq!(bench.read(&mut usb, EP1_CONF) & CAN_WRITE, 0);
        assert_eq!(bench.read(&mut usb, INT_RAW) & START_OF_FRAME, 0);
        assert!(bench.effects.outputs.is_empty());
    }

    #[test]
    fn received_bytes_raise_an_interrupt() {
        let (mut bench, mut usb) = (Bench::new(), Usb::new(true));
        bench.write(&mut usb, INT_ENA, RECEIVED);
        usb.receive(b"hi");
        assert!(usb.raised());
        bench.write(&mut usb, INT_CLR, RECEIVED);
        assert!(!usb.raised());
        assert_eq!(bench.read(&mut usb, EP1_CONF) & CAN_READ, CAN_READ);
        assert_eq!(bench.read(&mut usb, EP1), u32::from(b'h'));
    }
}
