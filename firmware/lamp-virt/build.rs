//! The linker scripts, and the hash of the core.

#[path = "../core_hash.rs"]
mod core_hash;

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=memory.x");
    println!("cargo::rustc-link-search={}", env!("CARGO_MANIFEST_DIR"));
    println!("cargo::rustc-link-arg=-Tmemory.x");
    println!("cargo::rustc-link-arg=-Tlink.x");
    core_hash::emit()
}
