//! Decodes the addresses of a panic into functions and lines, with the firmware's ELF file.

use std::io::Read as _;
use std::path::Path;
use std::sync::LazyLock;

use addr2line::Loader;
use hil_files::{Links, guarded};
use regex::Regex;

/// The addresses of code on ESP chips: 0x4000_0000 to 0x4fff_ffff (Technical Reference Manuals, "System and Memory").
static ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\b0x(4[0-9a-fA-F]{7})\b").ok());

/// The symbols of a firmware.
pub(super) struct Symbols(Loader);

/// Whether a file is an ELF file.
pub(super) fn is_elf(path: &Path) -> bool {
    let mut magic = [0; 4];
    hil_files::open(path, Links::Follow)
        .and_then(|mut file| file.read_exact(&mut magic))
        .is_ok_and(|()| magic == *b"\x7fELF")
}

impl Symbols {
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| format!("can't read the symbols of `{}`: {error}", path.display());
        match guarded(|| Loader::new(path)) {
            Ok(loaded) => loaded.map(Self).map_err(|error| failed(&error)),
            Err(panicked) => Err(failed(&panicked)),
        }
    }

    /// The functions and lines of the addresses in a line, as far as they are known.
    pub(super) fn places(&self, line: &str) -> Vec<String> {
        let found = ADDRESS.iter().flat_map(|regex| regex.captures_iter(line));
        // With broken debug information, the address is skipped.
        found.filter_map(|captures| guarded(|| self.place(&captures[1])).ok().flatten()).collect()
    }

    fn place(&self, hex: &str) -> Option<String> {
        let address = u64::from_str_radix(hex, 16).ok()?;
        let function = self.0.find_symbol(address).map(|name| addr2line::demangle_auto(name.into(), None).into_owned());
        let location = self.0.find_location(address).ok().flatten();
        let location = location.and_then(|at| Some(format!("{}:{}", at.file?, at.line.unwrap_or(0))));
        match (function, location) {
            (None, None) => None,
            (function, location) => {
                let function = function.unwrap_or_else(|| "?".to_owned());
                Some(format!("0x{hex}: {function}{}", location.map(|at| format!(" at {at}")).unwrap_or_default()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ELF file is this test program.
    #[test]
    fn an_address_becomes_a_function_and_a_line() {
        let path = std::env::current_exe().expect("this program");
        assert!(is_elf(&path) && !is_elf(Path::new("Cargo.toml")));
        let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
        let own = maps.lines().find(|line| line.ends_with(&*path.to_string_lossy())).expect("mapped");
        let base = usize::from_str_radix(own.split('-').next().expect("start"), 16).expect("address");
        let address = is_elf as *const () as usize - base;
        let place = Symbols::read(&path).expect("symbols").place(&format!("{address:x}")).expect("known");
        assert!(place.contains("symbols::is_elf at ") && place.contains("symbols.rs:"), "{place}");
    }

    #[test]
    fn addresses_of_code_are_found_in_a_line_of_a_panic() {
        let line = "MEPC    : 0x42001234  RA      : 0x403801a2  SP      : 0x3fc92a40  Backtrace: 0x400d1234:0x3ffb1f60";
        let found: Vec<_> =
            ADDRESS.iter().flat_map(|regex| regex.captures_iter(line)).map(|captures| captures[1].to_owned()).collect();
        assert_eq!(found, ["42001234", "403801a2", "400d1234"]);
    }
}
