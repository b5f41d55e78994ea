//! Assembles programs with `rustc`, which contains an assembler and a linker for RISC-V.

use std::path::Path;
use std::process::Command;

/// The least crate that holds nothing but assembly.
const CRATE: &str = r#"
#![feature(no_core, lang_items, rustc_attrs)]
#![allow(internal_features)]
#![no_core]
#![no_main]
#[lang = "pointee_sized"]
pub trait PointeeSized {}
#[lang = "meta_sized"]
pub trait MetaSized: PointeeSized {}
#[lang = "sized"]
pub trait Sized: MetaSized {}
#[rustc_builtin_macro]
macro_rules! global_asm {
    () => {};
}
#[rustc_builtin_macro]
macro_rules! include_str {
    () => {};
}
"#;

/// Assembles sources, one after the other, to a static executable for an address, with intermediate files in a folder.
pub(crate) fn assemble(sources: &[&Path], folder: &Path, address: u32) -> Vec<u8> {
    let include = |source: &&Path| format!("global_asm!(include_str!({source:?}), options(raw));\n");
    let text = CRATE.to_owned() + &sources.iter().map(include).collect::<String>();
    let (file, program) = (folder.join("program.rs"), folder.join("program.elf"));
    std::fs::write(&file, text).expect("written");
    let ran = Command::new("rustc")
        // The crate uses what only the compiler's own library does otherwise.
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["--edition=2024", "--crate-name=program", "--crate-type=bin", "--target=riscv32imc-unknown-none-elf"])
        .args(["-Cpanic=abort", "-Crelocation-model=static"])
        .arg(format!("-Clink-arg=-Ttext={address:#x}"))
        // The file's headers are loaded too: into the page before.
        .arg(format!("-Clink-arg=--image-base={:#x}", address - 0x1000))
        .arg("-o")
        .args([&program, &file])
        .output()
        .expect("rustc");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    std::fs::read(program).expect("a program")
}
