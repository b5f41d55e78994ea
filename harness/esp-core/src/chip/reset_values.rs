//! What registers hold after a reset, other than 0, where a program may read it before it writes it: most change a field
//! of what they have read.
//!
//! The values are those of the PAC (esp32c3 0.33.0), whose offsets all models here were compared with. A register whose
//! model answers by itself is not listed, nor one that the boot loader leaves otherwise.

/// TIMG0 and TIMG1.
pub(super) const TIMER_GROUP: &[(u32, u32)] = &[
    (0x4c, 0x1_0000),
    (0x50, 0x18c_ba80),
    (0x54, 0x18c_ba80),
    (0x58, 0x18c_ba80),
    (0x5c, 0x18c_ba80),
    (0x68, 0x1_3000),
    (0x80, 0xffff_ff98),
    (0xfc, 0x6000_0000),
];

/// RTC_CNTL.
pub(super) const RTC: &[(u32, u32)] = &[
    (0x0, 0x1c00_a000),
    (0x1c, 0x2814_0403),
    (0x20, 0x100_0000),
    (0x24, 0xa08_0a08),
    (0x28, 0x1020_0a08),
    (0x2c, 0x8000),
    (0x30, 0xa08_0000),
    (0x34, 0xc4_0000),
    (0x3c, 0x6_0000),
    (0x60, 0x6_6c80),
    (0x70, 0x1158_3218),
    (0x74, 0x40_0000),
    (0x78, 0xab0_be0a),
    (0x7c, 0x1_0800),
    (0x80, 0xa000_0000),
    (0x88, 0x55_5010),
    (0x8c, 0xaa80_5080),
    (0x98, 0x3_0d40),
    (0x9c, 0x3_0d40),
    (0xa0, 0x3_0d40),
    (0xd8, 0x43ff_0010),
    (0xe8, 0xff0_0000),
    (0xfc, 0xc800),
    (0x108, 0xa0d0_0000),
    (0x10c, 0x7),
];

/// UART0 and UART1.
pub(super) const UART: &[(u32, u32)] = &[
    (0x14, 0x2b6),
    (0x18, 0x8),
    (0x20, 0x1000_001c),
    (0x24, 0xc060),
    (0x28, 0xfff),
    (0x2c, 0xfff),
    (0x38, 0xf0),
    (0x3c, 0x26e0),
    (0x40, 0x2200),
    (0x44, 0xa),
    (0x48, 0x4_0100),
    (0x50, 0x901),
    (0x54, 0x901),
    (0x58, 0xb),
    (0x5c, 0x32b),
    (0x60, 0xa_0012),
    (0x68, 0x8_0100),
    (0x70, 0xfff),
    (0x74, 0xfff),
    (0x78, 0x370_1000),
    (0x80, 0x4000_0500),
];

/// USB_DEVICE.
pub(super) const USB: &[(u32, u32)] =
    &[(0x18, 0x4200), (0x20, 0x44), (0x28, 0x1), (0x2c, 0x1), (0x30, 0x1), (0x34, 0x1), (0x48, 0x2)];

/// SPI1.
pub(super) const FLASH_CONTROLLER: &[(u32, u32)] = &[
    (0x8, 0x2c_a000),
    (0xc, 0xffc),
    (0x14, 0x3_0103),
    (0x18, 0x8000_0000),
    (0x1c, 0x5c00_0007),
    (0x20, 0x7000_0000),
    (0x34, 0x2),
    (0x38, 0xffff_ffff),
    (0x98, 0x14),
    (0x9c, 0x800_2000),
    (0xa0, 0x5_757a),
    (0xdc, 0x1),
];

/// SYSTEM.
pub(super) const SYSTEM: &[(u32, u32)] = &[
    (0x4, 0xc0),
    (0x8, 0xc),
    (0xc, 0x1),
    (0x10, 0xf9c1_e06f),
    (0x14, 0x200),
    (0x1c, 0x1fe),
    (0x20, 0xff),
    (0x24, 0x200_1001),
    (0x38, 0x1),
    (0x3c, 0x1),
    (0x40, 0x5),
    (0x48, 0x7ff0_0000),
    (0x54, 0x1),
    (0x58, 0x1),
    (0x5c, 0x3),
    (0x60, 0x3),
];

/// EXTMEM.
pub(super) const CACHE: &[(u32, u32)] = &[
    (0x4, 0x3),
    (0x8, 0x5),
    (0x1c, 0x4),
    (0x28, 0x1),
    (0x34, 0x2),
    (0x40, 0x8),
    (0xac, 0x5),
    (0xb0, 0x1),
    (0xc8, 0x7),
    (0xe0, 0x800),
    (0xe4, 0x800),
    (0xe8, 0xff),
    (0xf4, 0x800),
    (0xf8, 0x800),
    (0xfc, 0xf),
    (0x100, 0x1),
];

/// APB_CTRL.
pub(super) const RANDOM: &[(u32, u32)] = &[
    (0x0, 0x1),
    (0x4, 0x1_0727),
    (0x8, 0x7ff),
    (0x14, 0xfffc_e030),
    (0x28, 0x3),
    (0x48, 0x400),
    (0x9c, 0x15),
    (0xa4, 0x3f),
    (0xac, 0x3f),
    (0xb4, 0x6480),
];

/// EFUSE.
pub(super) const EFUSE: &[(u32, u32)] =
    &[(0x1c8, 0x2), (0x1e8, 0x1_fe1c), (0x1ec, 0x1200_0000), (0x1f0, 0x28_8000), (0x1f4, 0x190)];

#[cfg(test)]
mod tests {
    use super::super::cache::Cache;
    use super::super::device::Device;
    use super::super::events::ResetCause;
    use super::super::gpio::Gpio;
    use super::super::rtc::{Kept, Rtc};
    use super::super::system::{Efuse, Random, System};
    use super::super::systimer::Systimer;
    use super::super::timer_group::TimerGroup;
    use super::super::uart::Uart;
    use super::super::usb::Usb;
    use crate::chip::testing::Bench;

    /// Reads registers of a device that nothing was written to.
    fn holds(device: &mut dyn Device, expected: &[(u32, u32)]) {
        let mut bench = Bench::new();
        for (offset, value) in expected {
            let read = bench.read(device, *offset);
            assert_eq!(read, *value, "{read:#x} at {offset:#x}");
        }
    }

    #[test]
    fn registers_hold_what_the_chip_has_after_a_reset() {
        let mut bench = Bench::new();
        let flash = bench.memory.add_bank(0x1_0000, 0xff);
        holds(&mut Uart::new(true), &[(0x14, 0x2b6), (0x1c, 0xe000_c000), (0x20, 0x1000_001c), (0x78, 0x370_1000)]);
        holds(&mut TimerGroup::new(0), &[(0x00, 0x6000_2000), (0x50, 26_000_000), (0x80, 0xffff_ff98)]);
        holds(&mut Systimer::new(), &[(0x00, 0x4600_0000)]);
        holds(&mut System::new(), &[(0x08, 0x0c), (0x10, 0xf9c1_e06f), (0x1c, 0x1fe)]);
        holds(&mut Random::new(1), &[(0x14, 0xfffc_e030)]);
        holds(&mut Efuse::new([0; 6]), &[(0x1e8, 0x1_fe1c)]);
        holds(&mut Usb::new(false), &[(0x04, 2), (0x08, 8), (0x18, 0x4200), (0x20, 0x44)]);
        holds(&mut Cache::new(flash), &[(0x28, 2), (0x34, 2), (0x40, 8), (0xb0, 1), (0xcc, 0)]);
        holds(&mut Rtc::new(ResetCause::PowerOn, &Kept::default()), &[(0x70, 0x1158_3218), (0xac, 0x84b0_0000)]);
    }

    #[test]
    fn the_boot_loader_says_how_fast_the_crystal_is() {
        holds(&mut Rtc::new(ResetCause::PowerOn, &Kept::default()), &[(0xb8, 0x0028_0028)]);
    }

    #[test]
    fn pins_are_inputs_after_a_reset() {
        let mut gpio = Gpio::new(0);
        // GPIO9 is pulled up, GPIO0 is not connected.
        holds(&mut gpio, &[(0x5004 + 4 * 9, 0x0b00), (0x5004, 0x0800), (0x3c, 0x0013_f7fc)]);
    }

    #[test]
    fn only_registers_that_exist_have_a_model() {
        assert!(!Rtc::new(ResetCause::PowerOn, &Kept::default()).knows(0x128));
        assert!(Gpio::new(0).knows(0x64) && !Gpio::new(0).knows(0x68));
    }

    #[test]
    fn the_cache_is_frozen_when_that_is_asked_for() {
        let mut bench = Bench::new();
        let flash = bench.memory.add_bank(0x1_0000, 0xff);
        let mut cache = Cache::new(flash);
        bench.write(&mut cache, 0xcc, 1);
        assert_eq!(bench.read(&mut cache, 0xcc), 5);
    }

    #[test]
    fn each_slow_clock_has_its_own_measure() {
        let (mut bench, mut group) = (Bench::new(), TimerGroup::new(0));
        let mut measured = |clock: u32| {
            bench.write(&mut group, 0x68, 100 << 16 | clock << 13 | 1 << 31);
            bench.read(&mut group, 0x6c) >> 7
        };
        // Cycles of the crystal in 100 cycles: the internal clock, the fast one divided by 256, a 32 kHz crystal.
        assert_eq!([measured(0), measured(1), measured(2)], [29_411, 58_514, 122_070]);
    }
}
