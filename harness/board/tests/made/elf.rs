//! Makes ELF files for tests of several crates.

/// A 32-bit RISC-V ELF file: what a linker would make of an app for the ESP32-C3 that does nothing. Its app descriptor has
/// this name and version, or no text at all, and selects a native app of virtual boards; its code has so many instructions.
pub(crate) fn elf(named: Option<(&str, &str)>, instructions: usize) -> Vec<u8> {
    let (descriptor, code) = (descriptor(named), [0x6f, 0, 0, 0].repeat(instructions));
    let names = b"\0.flash.appdesc\0.text\0.shstrtab\0";
    // Name, type, flags, address (data bus at 0x3c000000, instruction bus at 0x42000000), bytes.
    let sections: [(u32, u32, u32, u32, &[u8]); 4] =
        [(0, 0, 0, 0, b""), (1, 1, 2, 0x3c00_0020, &descriptor), (16, 1, 6, 0x4201_0020, &code), (22, 3, 0, 0, names)];
    let (mut body, mut headers) = (Vec::new(), Vec::new());
    for (name, kind, flags, address, bytes) in sections {
        let offset = 52 + u32::try_from(body.len()).expect("small");
        let size = u32::try_from(bytes.len()).expect("small");
        let header = [name, kind, flags, address, offset, size, 0, 0, 4, 0];
        headers.extend(header.iter().flat_map(|word: &u32| word.to_le_bytes()));
        body.extend(bytes);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let sections_at = 52 + u32::try_from(body.len()).expect("small");
    let half = |value: u16| value.to_le_bytes();
    let mut elf = vec![0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    elf.extend([half(2), half(243)].concat());
    elf.extend([1, 0x4201_0020, 0, sections_at, 0].iter().flat_map(|word: &u32| word.to_le_bytes()));
    elf.extend([half(52), half(32), half(0), half(40), half(4), half(3)].concat());
    elf.extend([body, headers].concat());
    elf
}

fn descriptor(named: Option<(&str, &str)>) -> Vec<u8> {
    const MAGIC: u32 = 0xabcd_5432;
    let mut descriptor = MAGIC.to_le_bytes().to_vec();
    descriptor.resize(16, 0);
    if let Some((name, version)) = named {
        for (text, length) in [(version, 32), (name, 32), ("10:00:00", 16), ("Nov 21 2026", 16), ("hil-virtual", 32)] {
            let start = descriptor.len();
            descriptor.extend(text.as_bytes());
            descriptor.resize(start + length, 0);
        }
    }
    descriptor.resize(256, 0);
    // Pages of 64 KiB.
    descriptor[180] = 16;
    descriptor
}
