//! Programs in ELF files: what to load where, and names of addresses.

use object::LittleEndian;
use object::elf::{
    EM_RISCV, ET_EXEC, FileHeader32, PT_LOAD, SHF_ALLOC, SHF_WRITE, SHT_PROGBITS, STT_FUNC, STT_NOTYPE, STT_OBJECT,
};
use object::read::elf::{FileHeader as _, ProgramHeader as _, SectionHeader as _, Sym as _};
use std::collections::{BTreeMap, HashMap};

type Header = FileHeader32<LittleEndian>;

/// How far behind a symbol an address may be to be called by its name, unless the symbol says how long it is.
const REACH: u32 = 0x8000;

/// Why a file is not a program for the processor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// It is not a readable ELF file.
    #[error("not a readable ELF file: {0}")]
    Unreadable(String),
    /// It is for another processor, or not an executable.
    #[error("not an executable for 32-bit RISC-V")]
    NotForUs,
}

impl From<object::read::Error> for ElfError {
    fn from(error: object::read::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// A part of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it is loaded.
    pub address: u32,
    /// Its contents.
    pub bytes: Vec<u8>,
}

/// A program: its contents and its symbols.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elf {
    entry: u32,
    segments: Vec<Part>,
    sections: Vec<Part>,
    by_address: BTreeMap<u32, Symbol>,
    by_name: HashMap<String, u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Symbol {
    name: String,
    size: u32,
    function: bool,
}

impl Elf {
    /// Reads a file, which may hold any bytes.
    ///
    /// # Errors
    ///
    /// When it is not an ELF file of an executable for 32-bit RISC-V, or what its headers say is not in the file.
    pub fn read(file: &[u8]) -> Result<Self, ElfError> {
        let header = Header::parse(file)?;
        let endian = header.endian()?;
        if header.e_machine(endian) != EM_RISCV || header.e_type(endian) != ET_EXEC {
            return Err(ElfError::NotForUs);
        }
        let mut elf = Self { entry: header.e_entry(endian), ..Self::default() };
        elf.read_segments(header, endian, file)?;
        elf.read_sections(header, endian, file)?;
        Ok(elf)
    }

    fn read_segments(&mut self, header: &Header, endian: LittleEndian, file: &[u8]) -> Result<(), ElfError> {
        for segment in header.program_headers(endian, file)? {
            if segment.p_type(endian) != PT_LOAD || segment.p_filesz(endian) == 0 {
                continue;
            }
            let outside = |()| ElfError::Unreadable("a segment is not in the file".to_owned());
            let bytes = segment.data(endian, file).map_err(outside)?;
            push(&mut self.segments, segment.p_vaddr(endian), bytes, file)?;
        }
        Ok(())
    }

    fn read_sections(&mut self, header: &Header, endian: LittleEndian, file: &[u8]) -> Result<(), ElfError> {
        let sections = header.sections(endian, file)?;
        for section in sections.iter() {
            let flags = section.sh_flags(endian);
            // The variables in the chips' ROMs are only marked as writable.
            let loaded = flags.contains(SHF_ALLOC) || flags.contains(SHF_WRITE);
            let loaded = loaded && section.sh_type(endian) == SHT_PROGBITS;
            if loaded && section.sh_size(endian) > 0 {
                push(&mut self.sections, section.sh_addr(endian), section.data(endian, file)?, file)?;
            }
        }
        let symbols = sections.symbols(endian, file, object::elf::SHT_SYMTAB)?;
        for symbol in symbols.iter().filter(|symbol| !symbol.is_undefined(endian)) {
            let Ok(name) = symbol.name(endian, symbols.strings()) else { continue };
            if !name.is_empty() && matches!(symbol.st_type(), STT_NOTYPE | STT_OBJECT | STT_FUNC) {
                let function = symbol.st_type() == STT_FUNC;
                self.add(&String::from_utf8_lossy(name), symbol.st_value(endian), symbol.st_size(endian), function);
            }
        }
        Ok(())
    }

    /// Adds a symbol; an address is called by its function, or else by the first name met.
    fn add(&mut self, name: &str, address: u32, size: u32, function: bool) {
        self.by_name.entry(name.to_owned()).or_insert(address);
        let better = |known: &Symbol| function && !known.function;
        if self.by_address.get(&address).is_none_or(better) {
            self.by_address.insert(address, Symbol { name: name.to_owned(), size, function });
        }
    }

    /// The address of its first instruction.
    #[must_use]
    pub fn entry(&self) -> u32 {
        self.entry
    }

    /// What is loaded, by program headers.
    #[must_use]
    pub fn segments(&self) -> &[Part] {
        &self.segments
    }

    /// What is loaded, by section headers: for files whose program headers misplace something, as those of the chips' ROMs
    /// do.
    #[must_use]
    pub fn sections(&self) -> &[Part] {
        &self.sections
    }

    /// Whether it has no symbols.
    #[must_use]
    pub fn is_stripped(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The address of a symbol.
    #[must_use]
    pub fn address(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// All symbols with their addresses, in no order.
    pub fn symbols(&self) -> impl Iterator<Item = (&str, u32)> {
        self.by_name.iter().map(|(name, address)| (name.as_str(), *address))
    }

    /// The symbol that an address belongs to, and how far behind its beginning the address is.
    #[must_use]
    pub fn symbol_at(&self, address: u32) -> Option<(&str, u32)> {
        let (begin, symbol) = self.by_address.range(..=address).next_back()?;
        let offset = address - begin;
        let reach = if symbol.size == 0 { REACH } else { symbol.size };
        (offset < reach).then_some((&symbol.name, offset))
    }
}

/// Adds a part. Together they are no longer than the file, unless it names the same bytes again and again, which would
/// take any amount of memory.
fn push(parts: &mut Vec<Part>, address: u32, bytes: &[u8], file: &[u8]) -> Result<(), ElfError> {
    let before: usize = parts.iter().map(|part| part.bytes.len()).sum();
    if before + bytes.len() > file.len() {
        return Err(ElfError::Unreadable("its parts overlap in the file".to_owned()));
    }
    parts.push(Part { address, bytes: bytes.to_vec() });
    Ok(())
}

#[cfg(test)]
mod tests;
