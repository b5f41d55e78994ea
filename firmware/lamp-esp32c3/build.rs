//! The linker script, and the hash of the core.

#[path = "../core_hash.rs"]
mod core_hash;

fn main() -> std::io::Result<()> {
    println!("cargo::rustc-link-arg=-Tlinkall.x");
    core_hash::emit()
}
