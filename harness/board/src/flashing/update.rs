//! The app of a firmware, as an update over the air loads it.

use std::sync::Arc;

use hil_config::Bench;
use hil_timeline::Runs;

use super::image::{ReadImage, read};
use super::inspect::Part;
use crate::error::BenchError;

/// The app image of a firmware: what belongs in an app partition, without bootloader, partition table and settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateImage {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The version in its app descriptor, if it has one.
    pub version: Option<String>,
    /// What would run it on that board.
    pub runs: Runs,
    /// The ELF file that it was made from, with its symbols.
    pub elf: Option<Arc<[u8]>>,
}

/// The app of a firmware of the bench, made for a board.
///
/// # Errors
/// When the bench has no such board or firmware, or its files can't be read or hold no app for that board.
pub fn update_image(bench: &Bench, board: &str, firmware: &str) -> Result<UpdateImage, BenchError> {
    let failed = |reason: &str, hint: Option<&str>| BenchError::Firmware {
        firmware: firmware.to_owned(),
        reason: reason.to_owned(),
        hint: hint.map(str::to_owned),
    };
    let found = (bench.board(board), bench.firmware(firmware));
    let (Some(config), Some(software)) = found else { return Err(failed("the bench does not have it", None)) };
    if software.process.is_some() {
        return Err(failed("it is a program, and no image that can be loaded over the air", None));
    }
    let ReadImage { parts, layout, elf } = read(software, config)?;
    let Some(boots) = layout.boots else {
        let hint = "an update is the app of an image: `image = \"firmware.bin\"`, an ELF file, or parts";
        return Err(failed("it has no app that could be loaded over the air", Some(hint)));
    };
    let bytes =
        parts.iter().find(|part| part.covers(boots.offset)).and_then(|part| app(part, boots.offset, boots.length));
    let bytes = bytes.ok_or_else(|| failed("its app is cut short", None))?;
    let runs = match (config.kind, &config.emulator) {
        (hil_config::BoardKind::Virtual, _) => crate::virtual_board::runs(parts.iter().map(|part| &*part.data)),
        (hil_config::BoardKind::Process, _) => Runs::Program,
        (_, Some(_)) => Runs::Emulated,
        _ => Runs::Silicon,
    };
    Ok(UpdateImage { bytes, version: boots.app.map(|app| app.version), runs, elf })
}

fn app(part: &Part, offset: u32, length: u64) -> Option<Vec<u8>> {
    let begin = usize::try_from(offset - part.address).ok()?;
    let end = begin.checked_add(usize::try_from(length).ok()?)?;
    part.data.get(begin..end).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds() -> hil_config::Kinds {
        hil_config::Kinds { flashers: crate::flasher_kinds(), ..hil_config::Kinds::default() }
    }

    fn bench() -> Bench {
        let text = "[boards.lamp]\nkind = \"virtual\"\n[firmware.lamp]\nimage = \"builtin:lamp\"\n\
            [firmware.there]\nkind = \"micropython\"\nimage = \"installed\"\nscripts = [\"main.py\"]\n[firmware.client]\nkind = \"process\"\ncommand = [\"true\"]\n";
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("bench.toml");
        std::fs::write(&path, text).expect("write");
        std::fs::write(folder.path().join("main.py"), "").expect("write");
        Bench::from_file(&path, &kinds()).expect("valid")
    }

    #[test]
    fn the_app_of_an_image_is_what_its_header_says() {
        let update = update_image(&bench(), "lamp", "lamp").expect("an app");
        assert_eq!(update.bytes.first(), Some(&0xe9));
        assert_eq!(super::super::header::length(&update.bytes), Some(update.bytes.len() as u64));
        assert_eq!(update.runs, Runs::Native);
        assert!(update.version.is_some());
    }

    #[test]
    fn what_has_no_app_is_no_update() {
        for (firmware, reason) in [
            ("there", "firmware `there` can't be prepared: it has no app that could be loaded over the air"),
            (
                "client",
                "firmware `client` can't be prepared: it is a program, and no image that can be loaded over the air",
            ),
        ] {
            assert_eq!(update_image(&bench(), "lamp", firmware).expect_err("none").to_string(), reason);
        }
    }
}
