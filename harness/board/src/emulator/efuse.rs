//! The eFuses of an emulated chip: what its ROM and ESP-IDF read its MAC address and its revision from.

use hil_config::Chip;

/// The bytes of a chip's eFuses, as QEMU's models of them are loaded from a file.
pub(super) fn efuses(chip: Chip, mac: [u8; 6]) -> Vec<u8> {
    match chip {
        Chip::Esp8266 | Chip::Esp32 => of_esp32(mac),
        _ => of_newer(mac),
    }
}

/// Block 0 to 3 and the coding scheme: MAC at bit 32 (its last byte first) and its CRC at bit 80, `CHIP_VER_REV1` at bit
/// 111 and `CHIP_VER_REV2` at bit 180 (ESP-IDF, `esp_efuse_table.csv` of the ESP32).
fn of_esp32(mac: [u8; 6]) -> Vec<u8> {
    let mut bytes = vec![0; 124];
    put_mac(&mut bytes[4..10], mac);
    bytes[10] = crc8(&mac);
    (bytes[13], bytes[22]) = (0x80, 0x10);
    bytes
}

/// From `EFUSE_RD_WR_DIS` on: 24 bytes of block 0, then the MAC; wafer version 0.3 (ESP-IDF, `efuse_reg.h` of the
/// ESP32-C3).
fn of_newer(mac: [u8; 6]) -> Vec<u8> {
    let mut bytes = vec![0; 1024];
    put_mac(&mut bytes[0x18..0x1e], mac);
    bytes[0x26] = 0x0c;
    bytes
}

fn put_mac(to: &mut [u8], mac: [u8; 6]) {
    for (to, byte) in to.iter_mut().zip(mac.iter().rev()) {
        *to = *byte;
    }
}

/// CRC-8/MAXIM, as Espressif burns it.
fn crc8(bytes: &[u8]) -> u8 {
    let shift = |crc: u8| if crc & 1 == 1 { (crc >> 1) ^ 0x8c } else { crc >> 1 };
    bytes.iter().fold(0, |crc, byte| (0..8).fold(crc ^ byte, |crc, _| shift(crc)))
}

/// The MAC address of a board whose bench file gives it none: Espressif's prefix, and three bytes of its name.
pub(super) fn mac_of(board: &str) -> [u8; 6] {
    let [_, a, b, c] = crc32fast::hash(board.as_bytes()).to_be_bytes();
    [0x24, 0x0a, 0xc4, a, b, c]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_is_where_the_chip_reads_it() {
        let mac = [0x24, 0x0a, 0xc4, 1, 2, 3];
        let bytes = efuses(Chip::Esp32, mac);
        assert_eq!((bytes.len(), &bytes[4..10]), (124, &[3, 2, 1, 0xc4, 0x0a, 0x24][..]));
        let bytes = efuses(Chip::Esp32c3, mac);
        assert_eq!((bytes.len(), &bytes[0x18..0x1e]), (1024, &[3, 2, 1, 0xc4, 0x0a, 0x24][..]));
    }

    #[test]
    fn the_checksum_is_that_of_the_catalogue() {
        // The check value of CRC-8/MAXIM-DOW.
        assert_eq!(crc8(b"123456789"), 0xa1);
    }

    #[test]
    fn boards_have_addresses_of_their_own() {
        assert_ne!(mac_of("lamp"), mac_of("lamp-2"));
        assert_eq!(mac_of("lamp"), mac_of("lamp"));
    }
}
