//! The checked-in images are made from the firmware's sources, and say so.

use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::Failed;
use sha2::{Digest as _, Sha256};

/// Each with its crate.
const IMAGES: [(&str, &str); 3] =
    [("lamp-esp32c3", "lamp-esp32c3"), ("lamp-esp32c3-update-faults", "lamp-esp32c3"), ("lamp-virt", "lamp-virt")];

/// Compares the provenance with the tree, as `sources_hash` of `ci/build-firmware` computes it.
pub(crate) fn images_are_current() -> Result<(), Failed> {
    IMAGES.iter().try_for_each(|(image, krate)| image_is_current(image, krate))
}

fn image_is_current(image: &str, krate: &str) -> Result<(), Failed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let image = format!("fixtures/images/{image}");
    let provenance = fs::read_to_string(root.join(&image).with_extension("toml"))?;
    let claims = |key: &str, value: &str| provenance.lines().any(|line| line == format!("{key} = \"{value}\""));
    if !claims("sources", &sources_hash(&root, krate)?) {
        return Err(format!("firmware/ is newer than {image}: run `ci/build-firmware --update`").into());
    }
    if !claims("elf", &hex(&fs::read(root.join(&image))?)) {
        return Err(format!("{image} is not the file that its provenance describes").into());
    }
    Ok(())
}

fn sources_hash(root: &Path, krate: &str) -> Result<String, Failed> {
    let mut files: Vec<_> =
        ["Cargo.lock", "Cargo.toml", "core_hash.rs"].map(|it| Path::new("firmware").join(it)).into();
    for folder in [".cargo", "lamp-core", "lamp-app", krate] {
        collect(root, &Path::new("firmware").join(folder), &mut files)?;
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
    in_sources || ["Cargo.toml", "Cargo.lock", "build.rs", "config.toml", "core_hash.rs", "memory.x"].contains(&name)
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
