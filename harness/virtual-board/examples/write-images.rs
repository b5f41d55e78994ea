//! Writes the built-in images into a folder, for esptool and for inspection.
//!
//! `cargo run -p hil-virtual-board --example write-images -- FOLDER`

use hil_virtual_board::image::{BUILTIN_NAMES, builtin};

fn main() -> std::io::Result<()> {
    let folder = std::path::PathBuf::from(std::env::args_os().nth(1).unwrap_or_else(|| ".".into()));
    for name in BUILTIN_NAMES {
        let image = builtin(name).unwrap_or_default();
        std::fs::write(folder.join(format!("{name}.bin")), image)?;
    }
    Ok(())
}
