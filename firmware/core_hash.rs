//! A module of the build scripts: hashes the sources that the lamp's behaviour comes from, for the app descriptor and
//! the console.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Sets `LAMP_CORE_HASH` for the crate that is built.
pub(crate) fn emit() -> io::Result<()> {
    let mut files = Vec::new();
    for folder in ["../lamp-core/src", "../lamp-app/src"] {
        println!("cargo::rerun-if-changed={folder}");
        collect(Path::new(folder), &mut files)?;
    }
    files.sort();
    let mut hash = FNV_OFFSET;
    for file in files {
        hash = fnv1a(hash, file.to_string_lossy().as_bytes());
        hash = fnv1a(hash, &fs::read(&file)?);
    }
    println!("cargo::rustc-env=LAMP_CORE_HASH={:08x}", (hash >> 32) ^ (hash & 0xffff_ffff));
    println!("cargo::rerun-if-changed=../core_hash.rs");
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { collect(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// Distinguishes versions; it need not resist an attacker.
fn fnv1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
