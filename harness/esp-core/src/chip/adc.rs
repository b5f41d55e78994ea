//! APB_SARADC: the analogue-to-digital converter. Nothing analogue is connected, so that every single conversion ends at
//! once with 0. Conversions by DMA and the temperature sensor only remember what was written.

use super::device::{Context, Device, Registers};

const SAMPLE: u32 = 0x20;
const DATA1: u32 = 0x2c;
const DATA2: u32 = 0x30;
const INT_ENA: u32 = 0x40;
const INT_RAW: u32 = 0x44;
const INT_ST: u32 = 0x48;
const INT_CLR: u32 = 0x4c;
const LAST: u32 = 0x60;

const START: u32 = 1 << 29;
/// The two converters, in the sample register and in those of the interrupts alike.
const CONVERTERS: u32 = 3 << 30;
/// After a reset (PAC esp32c3 0.33.0).
const AT_RESET: &[(u32, u32)] = &[
    (0x00, 0x4003_8240),
    (0x04, 0xa1fe),
    (0x0c, 0x00ff_0808),
    (0x24, 0x0900),
    (0x28, 0x0374_0000),
    (0x50, 0xff),
    (0x54, 0x04),
    (0x60, 0x8000),
];

#[derive(Debug)]
pub(super) struct Adc {
    registers: Registers,
}

impl Adc {
    pub(super) fn new() -> Self {
        Self { registers: Registers::at_reset(0x1000, AT_RESET) }
    }

    /// Whether an interrupt is raised and enabled.
    pub(super) fn raised(&self) -> bool {
        self.registers.get(INT_RAW) & self.registers.get(INT_ENA) != 0
    }

    /// A store to the sample register.
    fn start(&mut self, value: u32) {
        if value & START != 0 {
            self.registers.raise(INT_RAW, value & CONVERTERS);
        }
    }
}

impl Device for Adc {
    fn registers(&mut self) -> &mut Registers {
        &mut self.registers
    }

    fn knows(&self, offset: u32) -> bool {
        offset <= LAST || offset == 0x3fc
    }

    fn read(&mut self, offset: u32, _: &mut Context<'_>) -> Option<u32> {
        match offset {
            DATA1 | DATA2 => Some(0),
            INT_ST => Some(self.registers.get(INT_RAW) & self.registers.get(INT_ENA)),
            _ => None,
        }
    }

    fn write(&mut self, offset: u32, value: u32, _: &mut Context<'_>) -> Option<u32> {
        match offset {
            SAMPLE => self.start(value),
            INT_CLR => {
                self.registers.clear(INT_RAW, value);
                return None;
            }
            DATA1 | DATA2 | INT_RAW | INT_ST => return None,
            _ => {}
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::testing::Bench;

    const FIRST: u32 = 1 << 31;

    #[test]
    fn a_conversion_ends_at_once_and_raises_its_converters_interrupt() {
        let (mut bench, mut adc) = (Bench::new(), Adc::new());
        bench.write(&mut adc, SAMPLE, FIRST);
        assert_eq!(bench.read(&mut adc, INT_RAW), 0);
        bench.write(&mut adc, SAMPLE, FIRST | START);
        assert_eq!((bench.read(&mut adc, INT_RAW), adc.raised()), (FIRST, false));
        bench.write(&mut adc, INT_ENA, FIRST);
        assert!(adc.raised());
        assert_eq!(bench.read(&mut adc, DATA1), 0);
        bench.write(&mut adc, INT_CLR, FIRST);
        assert!(!adc.raised());
    }
}
