//! Decodes the addresses of a panic into functions, files and lines, with the ELF file of the firmware.

mod shared;

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use addr2line::{Context, Frame, demangle_auto};
use dwarf_object::{File, Object as _, ObjectSection as _, ObjectSymbol as _, SymbolKind};
use gimli::{Dwarf, EndianArcSlice, RunTimeEndian, SectionId};
use hil_files::{LARGEST_FILE, Links, guarded};
use regex::Regex;

pub(crate) use self::shared::SharedSymbols;

/// The addresses of code on ESP chips: 0x4000_0000 to 0x4fff_ffff (Technical Reference Manuals, "System and Memory").
static ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\b0x(4[0-9a-fA-F]{7})\b").ok());

/// At most this many functions that were inlined into each other are shown for an address.
const MOST_FRAMES: usize = 16;
/// Names of generic functions can fill a screen.
const LONGEST_NAME: usize = 100;

type Reader = EndianArcSlice<RunTimeEndian>;

/// The symbols of a firmware.
pub struct Symbols {
    lines: Context<Reader>,
    /// In the order of their addresses.
    functions: Vec<Function>,
    /// Files in it are shown relative to it.
    folder: Option<PathBuf>,
}

/// An entry of the symbol table.
struct Function {
    begin: u64,
    /// 0 if the file does not say it.
    size: u64,
    name: String,
}

impl std::fmt::Debug for Symbols {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Symbols").field("functions", &self.functions.len()).finish_non_exhaustive()
    }
}

impl Symbols {
    /// Reads an ELF file.
    ///
    /// # Errors
    /// If it can't be read; the text names the file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| format!("can't read the symbols of `{}`: {error}", path.display());
        let file = hil_files::read(path, Links::Follow, LARGEST_FILE).map_err(|error| failed(&error))?;
        Self::of(&file).map_err(|error| failed(&error))
    }

    /// The symbols in the contents of an ELF file.
    ///
    /// # Errors
    /// If the contents are invalid.
    pub fn of(file: &[u8]) -> Result<Self, String> {
        match guarded(|| Self::parse(file)) {
            Ok(parsed) => parsed,
            Err(panicked) => Err(panicked.to_string()),
        }
    }

    fn parse(file: &[u8]) -> Result<Self, String> {
        let file = File::parse(file).map_err(|error| error.to_string())?;
        let endian = if file.is_little_endian() { RunTimeEndian::Little } else { RunTimeEndian::Big };
        let section = |id: SectionId| {
            let data = file.section_by_name(id.name()).map(|section| section.uncompressed_data()).transpose()?;
            Ok::<_, dwarf_object::Error>(EndianArcSlice::new(Arc::from(&*data.unwrap_or_default()), endian))
        };
        let dwarf = Dwarf::load(section).map_err(|error| error.to_string())?;
        let lines = Context::from_dwarf(dwarf).map_err(|error| error.to_string())?;
        let mut functions: Vec<_> = file.symbols().filter_map(|symbol| function(&symbol)).collect();
        functions.sort_by_key(|function| function.begin);
        Ok(Self { lines, functions, folder: std::env::current_dir().ok() })
    }

    /// The functions, files and lines of the addresses in a line of console output, as far as they are known.
    #[must_use]
    pub fn places(&self, line: &str) -> Vec<String> {
        addresses(line).flat_map(|(_, address)| self.places_at(address)).collect()
    }

    /// The function, file and line of an address. Where functions are inlined, the innermost is first; the others are
    /// indented by the length of the address.
    #[must_use]
    pub fn places_at(&self, address: u64) -> Vec<String> {
        // With broken debug information, the function is still known.
        let mut places = guarded(|| self.frames(address)).ok().flatten().unwrap_or_default();
        if places.is_empty() {
            places.extend(guarded(|| self.function_at(address)).ok().flatten());
        }
        let shown = format!("{address:#x}");
        let begin = |n: usize| if n == 0 { shown.clone() } else { " ".repeat(shown.len()) };
        places.iter().enumerate().map(|(n, place)| format!("{}  {place}", begin(n))).collect()
    }

    fn frames(&self, address: u64) -> Option<Vec<String>> {
        // Debug information in other files is not read: the ELF file could name any.
        let mut frames = self.lines.find_frames(address).skip_all_loads().ok()?;
        let mut places = Vec::new();
        while places.len() < MOST_FRAMES
            && let Ok(Some(frame)) = frames.next()
        {
            places.push(self.place(&frame, address)?);
        }
        Some(places)
    }

    fn place(&self, frame: &Frame<'_, Reader>, address: u64) -> Option<String> {
        let named = frame.function.as_ref().and_then(|name| Some(shown(without_types(&name.demangle().ok()?))));
        let at = frame.location.as_ref().and_then(|at| Some((at.file?, at.line.unwrap_or(0))));
        match (named.or_else(|| self.function_at(address)), at) {
            (None, None) => None,
            (function, None) => function,
            (function, Some((file, line))) => {
                let function = function.unwrap_or_else(|| "?".to_owned());
                Some(format!("{function}  {}:{line}", shown(self.short(file))))
            }
        }
    }

    fn function_at(&self, address: u64) -> Option<String> {
        /// Labels in a function are nearer to the address than its name.
        const LABELS: usize = 64;
        let end = self.functions.partition_point(|function| function.begin <= address);
        let before = || self.functions[..end].iter().rev().take(LABELS);
        let holds = |function: &&Function| address - function.begin < function.size;
        let found = before().find(holds).or_else(|| before().find(|function| function.size == 0))?;
        Some(shown(&demangle_auto(found.name.as_str().into(), None)))
    }

    /// A path as a reader knows it: from the folder of the command, or from the crate or library of a dependency.
    fn short<'a>(&self, path: &'a str) -> &'a str {
        let own = self.folder.as_ref().and_then(|folder| Path::new(path).strip_prefix(folder).ok()?.to_str());
        // After the marker comes the name of the registry's index, or a hash.
        let after = |marker: &str| {
            let rest = path.split_once(marker)?.1;
            rest.strip_prefix("src/").unwrap_or(rest).split_once('/').map(|(_, rest)| rest)
        };
        own.or_else(|| after("/registry/")).or_else(|| after("/rustc/")).unwrap_or(path)
    }
}

/// The addresses of code in a line, with their texts.
fn addresses(line: &str) -> impl Iterator<Item = (&str, u64)> {
    let found = ADDRESS.iter().flat_map(|regex| regex.captures_iter(line));
    let hex = found.filter_map(|captures| captures.get(1)).map(|hex| hex.as_str());
    hex.filter_map(|hex| Some((hex, u64::from_str_radix(hex, 16).ok()?)))
}

/// A function, or a label of assembly code; not the local labels of a compiler (`.L0`) or of an architecture (`$x`).
fn function(symbol: &dwarf_object::Symbol<'_, '_>) -> Option<Function> {
    let name = symbol.name().ok().filter(|name| !name.is_empty() && !name.starts_with(['.', '$']))?;
    let is_code = matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Unknown | SymbolKind::Label);
    (is_code && symbol.is_definition()).then(|| Function {
        begin: symbol.address(),
        size: symbol.size(),
        name: name.to_owned(),
    })
}

/// The name of a function without the types that it was made for: those of iterators are longer than a line.
fn without_types(name: &str) -> &str {
    match name.split_once('<') {
        Some((plain, _)) if !plain.is_empty() && name.ends_with('>') => plain,
        _ => name,
    }
}

/// A text of the file: on one line, not too long.
fn shown(text: &str) -> String {
    let shown: String =
        text.chars().take(LONGEST_NAME).map(|c| if hil_timeline::steers(c) { '?' } else { c }).collect();
    if shown.len() < text.len() && text.chars().count() > LONGEST_NAME { shown + "…" } else { shown }
}

#[cfg(test)]
mod tests;
