//! The chip's mask ROM, from the library that flashes it.

use espflash::flasher::{DeviceInfo, FlashSize};
use espflash::target::{Chip, XtalFrequency};

/// The revision that the board's eFuses say.
const REVISION: (u32, u32) = (0, 4);

/// The ELF file of the ROM. The library chooses it by what a connected chip says of itself.
pub(super) fn file() -> Option<Vec<u8>> {
    let chip = DeviceInfo {
        chip: Chip::Esp32c3,
        revision: Some(REVISION),
        crystal_frequency: XtalFrequency::_40Mhz,
        flash_size: FlashSize::_4Mb,
        features: Vec::new(),
        mac_address: None,
    };
    chip.rom()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The method is hidden in the library's documentation, so that a new version may be without it.
    #[test]
    fn the_rom_has_the_functions_where_programs_call_them() {
        let rom = hil_esp_core::Elf::read(&file().expect("a ROM")).expect("an ELF file");
        assert_eq!(rom.address("__call_ets_printf"), Some(0x4000_0040));
        assert_eq!(rom.address("__call_rtc_get_reset_reason"), Some(0x4000_0018));
    }
}
