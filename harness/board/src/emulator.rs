//! A chip that a program of this machine plays, such as QEMU: its console is a terminal of ours, its flash a file, its
//! power its process.

mod check;
mod device;
mod efuse;
mod files;
mod filling;
mod last_words;
mod pins;
mod presets;
mod qmp;
mod socket;
#[cfg(test)]
mod tests;

pub use check::check_emulator;
pub use device::EmulatorDevice;
pub use pins::EmulatorPins;
pub use presets::emulator_presets;
