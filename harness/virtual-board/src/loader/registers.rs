//! The registers that a host accesses through the loader.
//!
//! Addresses: ESP32-C3 Technical Reference Manual v1.3, "eFuse Controller", "SPI Controller"; the chip magic as in
//! esptool and espflash.

use std::collections::HashMap;

const CHIP_MAGIC_AT: u32 = 0x4000_1000;
const MAGIC_ESP32C3: u32 = 0x1b31_506f;
const MAGIC_ESP32C6: u32 = 0x2ce0_806f;
/// First word of eFuse block 1: the low half of the MAC.
const EFUSE_BLOCK1: u32 = 0x6000_8844;
const SPI1: u32 = 0x6000_2000;
const SPI_CMD_USR: u32 = 1 << 18;
const SPI_USER2: u32 = SPI1 + 0x20;
const SPI_W0: u32 = SPI1 + 0x58;
/// JEDEC id of the flash, least significant byte first: Winbond (0xef), 0x40, 2^22 bytes.
const FLASH_ID: u32 = 0x0016_40ef;
const READ_ID: u32 = 0x9f;

/// The chip that the registers identify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChipIdentity {
    Esp32c3,
    Esp32c6,
}

impl ChipIdentity {
    /// The chip id in the security info.
    pub(crate) fn id(self) -> u32 {
        match self {
            Self::Esp32c3 => 5,
            Self::Esp32c6 => 13,
        }
    }
}

/// The register file.
#[derive(Debug)]
pub(crate) struct Registers(HashMap<u32, u32>);

impl Registers {
    pub(crate) fn new(identity: ChipIdentity, mac: [u8; 6]) -> Self {
        let magic = match identity {
            ChipIdentity::Esp32c3 => MAGIC_ESP32C3,
            ChipIdentity::Esp32c6 => MAGIC_ESP32C6,
        };
        let [a, b, c, d, e, f] = mac;
        let mac_low = u32::from_be_bytes([c, d, e, f]);
        let mac_high = u32::from_be_bytes([0, 0, a, b]);
        // Block 1, word 3: wafer minor version 4 in bits 18 to 20: chip revision v0.4.
        let revision = 4 << 18;
        Self(HashMap::from([
            (CHIP_MAGIC_AT, magic),
            (EFUSE_BLOCK1, mac_low),
            (EFUSE_BLOCK1 + 4, mac_high),
            (EFUSE_BLOCK1 + 12, revision),
        ]))
    }

    pub(crate) fn read(&self, address: u32) -> u32 {
        self.0.get(&address).copied().unwrap_or(0)
    }

    pub(crate) fn write(&mut self, address: u32, value: u32, mask: u32) {
        let changed = (self.read(address) & !mask) | (value & mask);
        self.0.insert(address, changed);
        if address == SPI1 && changed & SPI_CMD_USR != 0 {
            self.run_spi_command();
        }
    }

    /// The flash answers at once, and the command bit clears itself.
    fn run_spi_command(&mut self) {
        let answer = if self.read(SPI_USER2) & 0xff == READ_ID { FLASH_ID } else { 0 };
        self.0.insert(SPI_W0, answer);
        self.0.insert(SPI1, 0);
    }
}
