//! The handle on a virtual board.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use hil_config::Misbehaviour;
use tokio::sync::{mpsc, oneshot, watch};

use crate::chip::{BOOT_PIN, BoardInput, Chip, Request};
use crate::flash::{Fall, Flash, FlashMoment, FlashOperation};
use crate::options::{Options, PortPath};

/// A virtual ESP32-C3. It starts without power and with an erased flash; dropping it ends it.
///
/// The board runs on its own thread: a busy harness does not slow its loader down.
///
/// # Example
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use hil_virtual_board::{Options, VirtualBoard};
/// let board = VirtualBoard::start(Options::default()).unwrap();
/// board.drive_boot_pin(false).await; // the loader waits at `board.port()`
/// board.set_rail(true).await;
/// assert!(board.port().is_some());
/// # });
/// ```
#[derive(Debug)]
pub struct VirtualBoard {
    requests: Option<mpsc::UnboundedSender<Request>>,
    port: watch::Receiver<PortPath>,
    thread: Option<JoinHandle<()>>,
    contents: Flash,
    elves: watch::Sender<Vec<Arc<[u8]>>>,
}

impl VirtualBoard {
    /// Starts a board.
    ///
    /// # Errors
    /// When the system provides no thread, event loop or pseudo-terminal.
    pub fn start(options: Options) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (requests, incoming) = mpsc::unbounded_channel();
        let (port_here, port) = watch::channel(None);
        let (elves, offered) = watch::channel(Vec::new());
        let flash = Flash::erased(options.has(Misbehaviour::FlashBitFlip))?;
        let (started, is_started) = std::sync::mpsc::sync_channel(1);
        let contents = flash.clone();
        let body = move || {
            runtime.block_on(async move {
                let (mut chip, printed) = Chip::new(options, flash, port_here, offered);
                let _ = started.send(chip.plug());
                chip.run(incoming, printed).await;
            });
        };
        let thread = std::thread::Builder::new().name("virtual-board".to_owned()).spawn(body)?;
        let board = Self { requests: Some(requests), port, thread: Some(thread), contents, elves };
        is_started.recv().unwrap_or_else(|_| Err(io::Error::other("the board's thread ended")))?;
        Ok(board)
    }

    /// Writes into its flash directly, like an external programmer; false if the bytes don't fit.
    pub fn program(&self, address: usize, bytes: &[u8]) -> bool {
        self.contents.erase(address, bytes.len()) && self.contents.program(address, bytes)
    }

    /// Notes from now on what its flash does.
    pub fn note_flash(&self) {
        self.contents.supply().note();
    }

    /// What its flash has done since then; ends the noting.
    #[must_use]
    pub fn noted_flash(&self) -> Vec<FlashOperation> {
        self.contents.supply().noted()
    }

    /// Lets the supply of the flash and of the processor that uses it fall at an exact moment. The rest of the board loses its
    /// supply with [`VirtualBoard::set_rail`], which must follow at once. None if the moment is over.
    #[must_use]
    pub fn fall_at(&self, moment: FlashMoment) -> Option<Fall> {
        self.contents.supply().fall_at(moment)
    }

    /// Bytes of its flash, as an external programmer reads them; none beyond its end.
    #[must_use]
    pub fn read(&self, address: usize, length: usize) -> Option<Vec<u8>> {
        self.contents.read(address, length)
    }

    /// Offers an ELF file. If its code is in the flash when the chip boots, the board knows the names of its functions, which
    /// it needs for Wi-Fi.
    pub fn offer_elf(&self, elf: Arc<[u8]>) {
        self.elves.send_modify(|elves| {
            if !elves.contains(&elf) {
                elves.push(elf);
            }
        });
    }

    /// Path of its serial port; none while it has vanished.
    #[must_use]
    pub fn port(&self) -> Option<PathBuf> {
        self.port.borrow().clone()
    }

    /// Reports when the port appears or vanishes.
    #[must_use]
    pub fn port_changes(&self) -> watch::Receiver<Option<PathBuf>> {
        self.port.clone()
    }

    /// Switches its supply.
    pub async fn set_rail(&self, on: bool) {
        self.ask(BoardInput::Rail(on)).await;
    }

    /// Releases (`true`) or pulls down its EN line: low holds the chip in reset.
    pub async fn set_enable(&self, high: bool) {
        self.ask(BoardInput::Enable(high)).await;
    }

    /// Drives GPIO9: if it is low when the chip leaves reset, the ROM waits for a download.
    pub async fn drive_boot_pin(&self, high: bool) {
        self.drive(BOOT_PIN, high).await;
    }

    /// Drives an input of the board.
    pub async fn drive(&self, gpio: u8, high: bool) {
        self.ask(BoardInput::Drive { gpio, high }).await;
    }

    /// Unplugs its cable (`false`) or plugs it in again, which changes the port's path. The board runs on.
    pub async fn set_plugged(&self, plugged: bool) {
        self.ask(BoardInput::Plugged(plugged)).await;
    }

    /// Takes the access point of its Wi-Fi away (`false`) or brings it back.
    pub async fn set_access_point(&self, present: bool) {
        self.ask(BoardInput::AccessPoint(present)).await;
    }

    async fn ask(&self, command: BoardInput) {
        let (done, is_done) = oneshot::channel();
        if let Some(requests) = &self.requests {
            let _ = requests.send((command, done));
        }
        // A board that has ended does nothing more.
        let _ = is_done.await;
    }
}

impl Drop for VirtualBoard {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
