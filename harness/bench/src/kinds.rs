//! Everything that acts on a board and that a bench file may name.

use hil_config::Kinds;

/// What a bench file may name of boards.
#[must_use]
pub fn kinds() -> Kinds {
    Kinds {
        rails: hil_power::kinds(),
        resets: hil_board::reset::kinds(),
        flashers: hil_board::flasher_kinds(),
        emulators: hil_board::emulator_presets(),
        ..Kinds::default()
    }
}
