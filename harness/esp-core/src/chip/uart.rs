//! UART0 and UART1. A byte is sent the moment it is written; how long bits take on a wire is the embedder's affair.

use std::collections::VecDeque;

use super::device::{Context, Device, Registers, bits};
use super::events::Output;
use super::reset_values;

const FIFO: u32 = 0x00;
const INT_RAW: u32 = 0x04;
const INT_ST: u32 = 0x08;
const INT_ENA: u32 = 0x0c;
const INT_CLR: u32 = 0x10;
const STATUS: u32 = 0x1c;
const CONF0: u32 = 0x20;
const CONF1: u32 = 0x24;
const FSM_STATUS: u32 = 0x6c;
const ID: u32 = 0x80;

const RX_FULL: u32 = 1 << 0;
const TX_EMPTY: u32 = 1 << 1;
const RX_TIMEOUT: u32 = 1 << 8;
const TX_DONE: u32 = 1 << 14;
const RESET_RX: u32 = 1 << 17;
const LOOPBACK: u32 = 1 << 14;
const UPDATE: u32 = 1 << 31;
/// The lines as they are while nothing is sent: TXD, RTS, DTR, RXD and CTS are high.
const IDLE_LINES: u32 = 0xe000_c000;
const DEPTH: usize = 128;

#[derive(Debug)]
pub(super) struct Uart {
    registers: Registers,
    /// Whether what it sends is the board's console.
    console: bool,
    /// What has arrived; the first 128 of them are in the chip's FIFO, so that none is lost.
    received: VecDeque<u8>,
}

impl Uart {
    pub(super) fn new(console: bool) -> Self {
        let registers = Registers::at_reset(0x1000, reset_values::UART);
        Self { registers, console, received: VecDeque::new() }
    }

    /// Bytes arrive from outside.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.received.extend(bytes);
    }

    /// Sends a byte.
    pub(super) fn send(&mut self, byte: u8, outputs: &mut Vec<Output>) {
        self.registers.raise(INT_RAW, TX_DONE);
        if self.registers.any(CONF0, LOOPBACK) {
            self.received.push_back(byte);
        } else if self.console {
            match outputs.last_mut() {
                Some(Output::Uart(bytes)) => bytes.push(byte),
                _ => outputs.push(Output::Uart(vec![byte])),
            }
        }
    }

    /// The next byte that has arrived.
    pub(super) fn take(&mut self) -> Option<u8> {
        self.received.pop_front()
    }

    /// Whether an interrupt is raised and enabled.
    pub(super) fn raised(&self) -> bool {
        self.raw() & self.registers.get(INT_ENA) != 0
    }

    fn waiting(&self) -> u32 {
        u32::try_from(self.received.len().min(DEPTH)).unwrap_or_default()
    }

    /// What was latched, and what the FIFOs say now.
    fn raw(&self) -> u32 {
        let waiting = self.waiting();
        let threshold = bits(self.registers.get(CONF1), 0, 9);
        let mut raw = self.registers.get(INT_RAW) | TX_EMPTY;
        if waiting > 0 {
            raw |= RX_TIMEOUT;
            if waiting >= threshold {
                raw |= RX_FULL;
            }
        }
        raw
    }
}

impl Device for Uart {
    fn registers(&mut self) -> &mut Registers {
        &mut self.registers
    }

    fn knows(&self, offset: u32) -> bool {
        offset <= ID
    }

    fn read(&mut self, offset: u32, _: &mut Context<'_>) -> Option<u32> {
        Some(match offset {
            FIFO => u32::from(self.take().unwrap_or_default()),
            INT_RAW => self.raw(),
            INT_ST => self.raw() & self.registers.get(INT_ENA),
            STATUS => IDLE_LINES | self.waiting(),
            // All state machines rest.
            FSM_STATUS => 0,
            ID => self.registers.get(ID) & !UPDATE,
            _ => return None,
        })
    }

    fn write(&mut self, offset: u32, value: u32, context: &mut Context<'_>) -> Option<u32> {
        match offset {
            FIFO => self.send(value.to_le_bytes()[0], &mut context.effects.outputs),
            INT_CLR => self.registers.clear(INT_RAW, value),
            INT_RAW | INT_ST | STATUS | FSM_STATUS => {}
            CONF0 => {
                if value & RESET_RX != 0 {
                    self.received.clear();
                }
                return Some(value);
            }
            _ => return Some(value),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::testing::Bench;

    const RECEIVED_COUNT: u32 = 0x3ff;

    #[test]
    fn bytes_are_sent_in_one_piece() {
        let (mut bench, mut uart) = (Bench::new(), Uart::new(true));
        for byte in *b"ready" {
            bench.write(&mut uart, FIFO, u32::from(byte));
        }
        assert_eq!(bench.effects.outputs, [Output::Uart(b"ready".to_vec())]);
    }

    #[test]
    fn a_received_byte_raises_an_interrupt_until_it_is_read() {
        let (mut bench, mut uart) = (Bench::new(), Uart::new(true));
        bench.write(&mut uart, INT_ENA, RX_TIMEOUT);
        assert!(!uart.raised());
        uart.receive(b"x");
        assert!(uart.raised());
        assert_eq!(bench.read(&mut uart, STATUS) & RECEIVED_COUNT, 1);
        assert_eq!(bench.read(&mut uart, FIFO), u32::from(b'x'));
        assert!(!uart.raised());
    }

    #[test]
    fn a_burst_longer_than_the_fifo_is_not_lost() {
        let (mut bench, mut uart) = (Bench::new(), Uart::new(true));
        uart.receive(&[7; 300]);
        assert_eq!(bench.read(&mut uart, STATUS) & RECEIVED_COUNT, 128);
        let read = (0..300).filter(|_| bench.read(&mut uart, FIFO) == 7).count();
        assert_eq!((read, bench.read(&mut uart, STATUS) & RECEIVED_COUNT), (300, 0));
    }

    #[test]
    fn the_full_threshold_counts() {
        let (mut bench, mut uart) = (Bench::new(), Uart::new(true));
        bench.write(&mut uart, CONF1, 4);
        uart.receive(b"abc");
        assert_eq!(bench.read(&mut uart, INT_RAW) & RX_FULL, 0);
        uart.receive(b"d");
        assert_eq!(bench.read(&mut uart, INT_RAW) & RX_FULL, RX_FULL);
    }

    #[test]
    fn loopback_stays_inside() {
        let (mut bench, mut uart) = (Bench::new(), Uart::new(true));
        bench.write(&mut uart, CONF0, LOOPBACK);
        bench.write(&mut uart, FIFO, 9);
        assert_eq!(bench.read(&mut uart, FIFO), 9);
        assert!(bench.effects.outputs.is_empty());
    }
}
