use super::{Elf, ElfError, Part};

/// An executable with one segment at 0x4200_0000 and without sections.
fn small() -> Vec<u8> {
    let mut file = b"\x7fELF\x01\x01\x01".to_vec();
    file.resize(16, 0);
    let header: [u16; 18] = [2, 243, 1, 0, 0, 0x4200, 52, 0, 0, 0, 0, 0, 52, 32, 1, 40, 0, 0];
    file.extend(header.iter().flat_map(|half| half.to_le_bytes()));
    let segment: [u32; 8] = [1, 84, 0x4200_0000, 0x4200_0000, 4, 4, 5, 4];
    file.extend(segment.iter().flat_map(|word| word.to_le_bytes()));
    file.extend([1, 2, 3, 4]);
    file
}

#[test]
fn a_segment_is_read() {
    let elf = Elf::read(&small()).expect("a program");
    assert_eq!(elf.entry(), 0x4200_0000);
    assert_eq!(elf.segments(), [Part { address: 0x4200_0000, bytes: vec![1, 2, 3, 4] }]);
    assert!(elf.is_stripped());
}

#[test]
fn a_cut_file_is_an_error() {
    let file = small();
    for len in 0..file.len() {
        assert!(Elf::read(&file[..len]).is_err(), "{len} bytes");
    }
}

#[test]
fn a_program_for_another_processor_is_refused() {
    let mut file = small();
    file[18] = 94;
    assert_eq!(Elf::read(&file), Err(ElfError::NotForUs));
}

#[test]
fn an_address_is_called_by_its_function() {
    let mut elf = Elf::default();
    elf.add("label", 0x100, 0, false);
    elf.add("function", 0x100, 8, true);
    elf.add("later", 0x200, 0, true);
    assert_eq!(elf.symbol_at(0x104), Some(("function", 4)));
    assert_eq!(elf.symbol_at(0x108), None);
    assert_eq!(elf.symbol_at(0x210), Some(("later", 0x10)));
    assert_eq!(elf.symbol_at(0xff), None);
    assert_eq!(elf.address("label"), Some(0x100));
}
