//! The checked-in image is made from the firmware's sources, and says so.

use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::Failed;
use sha2::{Digest as _, Sha256};

const IMAGE: &str = "fixtures/images/lamp-esp32c3";

/// Compares the provenance with the tree, as `sources_hash` of `ci/build-firmware` computes it.
pub(crate) fn image_is_current() -> Result<(), Failed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let provenance = fs::read_to_string(root.join(IMAGE).with_extension("toml"))?;
    let claims = |key: &str, value: &str| provenance.lines().any(|line| line == format!("{key} = \"{value}\""));
    if !claims("sources", &sources_hash(&root)?) {
        return Err(format!("firmware/ is newer than {IMAGE}: run `ci/build-firmware --update`").into());
    }
    if !claims("elf", &hex(&fs::read(root.join(IMAGE))?)) {
        return Err(format!("{IMAGE} is not the file that its provenance describes").into());
    }
    Ok(())
}

fn sources_hash(root: &Path) -> Result<String, Failed> {
    let mut files = vec![PathBuf::from("firmware/Cargo.lock"), PathBuf::from("firmware/Cargo.toml")];
    for krate in ["lamp-core", "lamp-app", "lamp-esp32c3"] {
        collect(root, &Path::new("firmware").join(krate), &mut files)?;
    }
    files.retain(|file| makes_image(file));
    files.sort_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
    let mut listing = String::new();
    for file in files {
        listing.push_str(&format!("{}  {}\n", hex(&fs::read(root.join(&file))?), file.display()));
    }
    Ok(hex(listing.as_bytes()))
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failed> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() { collect(root, &path, files)? } else { files.push(path) }
    }
    Ok(())
}

fn makes_image(file: &Path) -> bool {
    let in_sources = file.components().any(|part| part.as_os_str() == "src");
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    in_sources || ["Cargo.toml", "Cargo.lock", "build.rs", "config.toml"].contains(&name)
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
