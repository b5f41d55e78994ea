//! Executes the machine code of the flashed image.
//!
//! The processor runs on a thread of its own, so that a busy program delays neither its console nor its network. The
//! board's supply ends it: dropping the app stops the thread within a few thousand instructions.

mod mask_rom;
mod room;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc as channel;
use std::thread::JoinHandle;
use std::time::Duration;

use hil_esp_core::chip::{BootError, End, Input, Machine, Output, Retained, Setup};
use tokio::sync::mpsc;

use self::room::Room;
use super::Platform;
use crate::boot::{BootedApp, ResetCause};
use crate::flash::Flash;
use crate::options::Trouble;
use crate::pins::Pins;
use crate::wifi::Network;

/// How many frames wait for the network; more are lost, as on air.
const FRAMES: usize = 64;

/// Runs until the program resets the chip.
pub(super) async fn run(platform: Platform, app: BootedApp) -> ResetCause {
    match Processor::start(&platform, &app) {
        Ok(processor) => processor.run(platform).await,
        Err(error) => refuse(&platform, error.to_string()).await,
    }
}

/// The bench is to blame, not the firmware: says so, and does nothing more.
async fn refuse(platform: &Platform, text: String) -> ResetCause {
    platform.console.info("hil", &text).await;
    platform.report(Trouble::Refused(text));
    std::future::pending().await
}

/// What the thread sends.
enum Sent {
    Console(Vec<u8>),
    Reset(ResetCause, Retained),
    Refused(String),
}

/// The thread that executes; it ends when this is dropped.
struct Processor {
    thread: Option<JoinHandle<()>>,
    inputs: channel::Sender<Input>,
    room: Arc<Room>,
    sent: mpsc::UnboundedReceiver<Sent>,
    frames: mpsc::Receiver<Vec<u8>>,
    supply: Rc<Cell<bool>>,
}

impl Drop for Processor {
    fn drop(&mut self) {
        self.room.close();
        // A thread that has ended hears nothing.
        let _ = self.inputs.send(if self.supply.get() { Input::Disable } else { Input::Stop });
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Processor {
    fn start(platform: &Platform, app: &BootedApp) -> Result<Self, BootError> {
        let mut machine = boot(platform, app)?;
        let (inputs, incoming) = channel::channel();
        for (gpio, level) in platform.driven.borrow().iter() {
            let _ = inputs.send(Input::Pin { gpio: *gpio, level: *level });
        }
        let (sender, sent) = mpsc::unbounded_channel();
        let (air, frames) = mpsc::channel(FRAMES);
        let room = Arc::new(Room::default());
        let mut out = Outputs {
            sender: sender.clone(),
            air,
            room: Arc::clone(&room),
            pins: Arc::clone(&platform.pins),
            trouble: platform.trouble.clone(),
        };
        let body = move || {
            let ended = match machine.run(&incoming, &mut |output| out.take(output)) {
                End::Reset(cause) => Sent::Reset(cause, machine.retained(cause)),
                End::Refused(unsupported) => Sent::Refused(unsupported.to_string()),
                End::Stopped => return,
            };
            let _ = sender.send(ended);
        };
        let thread = std::thread::Builder::new().name("virtual-cpu".to_owned()).spawn(body)?;
        Ok(Self { thread: Some(thread), inputs, room, sent, frames, supply: Rc::clone(&platform.supply) })
    }

    async fn run(mut self, platform: Platform) -> ResetCause {
        let frames = std::mem::replace(&mut self.frames, mpsc::channel(1).1);
        let inputs = self.inputs.clone();
        let to_board = move |frame| drop(inputs.send(Input::Frame(frame)));
        let network = Network::new(platform.radio.clone(), platform.names.clone()).run(frames, to_board);
        let console = platform.console.clone();
        let (inputs, room) = (self.inputs.clone(), Arc::clone(&self.room));
        let rest = futures::future::join(hear(&platform, &inputs), network);
        match beside(print(&mut self.sent, &console, &room), rest).await {
            Some(Sent::Reset(cause, retained)) => {
                *platform.retained.borrow_mut() = retained;
                cause
            }
            Some(Sent::Refused(text)) => refuse(&platform, text).await,
            // It was stopped: this future is about to be dropped.
            Some(Sent::Console(_)) | None => std::future::pending().await,
        }
    }
}

/// The end of a program. What runs beside it may end first: the network does when the thread has ended, while the
/// program's last output is still to be printed.
async fn beside<T, R>(program: impl Future<Output = T>, rest: impl Future<Output = R>) -> T {
    let rest = async {
        rest.await;
        std::future::pending::<std::convert::Infallible>().await
    };
    tokio::select! {
        end = program => end,
        never = rest => match never {},
    }
}

/// Prints until the program ends.
async fn print(sent: &mut mpsc::UnboundedReceiver<Sent>, console: &super::Console, room: &Room) -> Option<Sent> {
    loop {
        match sent.recv().await? {
            Sent::Console(bytes) => {
                let length = bytes.len();
                console.bytes(bytes).await;
                room.give(length);
            }
            ended => return Some(ended),
        }
    }
}

/// Passes on what happens to the board.
async fn hear(platform: &Platform, inputs: &channel::Sender<Input>) {
    let mut typed = platform.typed.lock().await;
    let mut changes = platform.changes.lock().await;
    let mut air = platform.air.clone();
    loop {
        let input = tokio::select! {
            Some(bytes) = typed.recv() => Input::Uart(bytes),
            Some((gpio, level)) = changes.recv() => Input::Pin { gpio, level },
            Ok(()) = air.changed() => Input::AccessPoints(air.borrow_and_update().clone()),
            else => return std::future::pending().await,
        };
        let _ = inputs.send(input);
    }
}

/// Boots the image with the ELF file that it was made from, if there is one.
fn boot(platform: &Platform, app: &BootedApp) -> Result<Machine, BootError> {
    let retained = platform.retained.take();
    let with = |elf: Option<&[u8]>| {
        let mut setup = setup(platform, app);
        setup.retained = retained.clone();
        setup.elf = elf.map(<[u8]>::to_vec);
        Machine::boot(setup)
    };
    for elf in platform.elves.iter().rev() {
        match with(Some(elf)) {
            // A broken file is no reason not to run the image without it.
            Err(BootError::OtherElf | BootError::Elf(_)) => {}
            booted => return booted,
        }
    }
    with(None)
}

fn setup(platform: &Platform, app: &BootedApp) -> Setup {
    let partition = app.partition.offset..app.partition.offset.saturating_add(app.partition.size);
    let mut setup = Setup::new(Box::new(Chip(platform.flash.clone())), partition);
    setup.rom = mask_rom::file();
    setup.mac = platform.mac;
    setup.reset_cause = platform.cause;
    setup.access_points = platform.air.borrow().clone();
    setup
}

/// Where the program's outputs go; called on its thread.
struct Outputs {
    sender: mpsc::UnboundedSender<Sent>,
    air: mpsc::Sender<Vec<u8>>,
    room: Arc<Room>,
    pins: Arc<Pins>,
    trouble: Option<crate::options::TroubleListener>,
}

impl Outputs {
    fn take(&mut self, output: Output) {
        match output {
            Output::Uart(bytes) | Output::Usb(bytes) => {
                self.room.take(bytes.len());
                let _ = self.sender.send(Sent::Console(bytes));
            }
            // A pin that is not driven is pulled up.
            Output::Pin { gpio, level } => self.pins.drive(gpio, level.unwrap_or(true)),
            // A frame may be lost.
            Output::Frame(frame) => drop(self.air.try_send(frame)),
            Output::Stalled { behind } => self.report_stall(behind),
            Output::Slow { behind } => self.report(Trouble::Slow(behind)),
            Output::Unknown { address, write, pc } => self.report(Trouble::Unknown { address, write, pc }),
            Output::Joined { .. } | Output::Left { .. } => {}
        }
    }

    /// Without what was the program's own doing: it printed faster than the port takes it.
    fn report_stall(&self, behind: Duration) {
        let rest = behind.saturating_sub(self.room.waited());
        if !rest.is_zero() {
            self.report(Trouble::Stalled(rest));
        }
    }

    fn report(&self, trouble: Trouble) {
        if let Some(listener) = &self.trouble {
            listener(trouble);
        }
    }
}

/// The board's flash as the machine's.
struct Chip(Flash);

impl hil_esp_core::chip::Flash for Chip {
    fn size(&self) -> u32 {
        u32::try_from(crate::flash::SIZE).unwrap_or(u32::MAX)
    }

    fn read(&self, at: u32, into: &mut [u8]) -> std::io::Result<()> {
        let bytes = self.0.read(at as usize, into.len()).ok_or_else(beyond)?;
        into.copy_from_slice(&bytes);
        Ok(())
    }

    fn program(&mut self, at: u32, bytes: &[u8]) -> std::io::Result<()> {
        let done = self.0.program(at as usize, bytes);
        self.0.supply().wait_if_fallen();
        done.then_some(()).ok_or_else(beyond)
    }

    fn erase_sector(&mut self, at: u32) -> std::io::Result<()> {
        let done = self.0.erase(at as usize, 1);
        self.0.supply().wait_if_fallen();
        done.then_some(()).ok_or_else(beyond)
    }
}

fn beyond() -> std::io::Error {
    std::io::Error::other("beyond the end of the flash")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Often, since `select!` begins with either.
    #[tokio::test]
    async fn a_program_ends_although_its_network_ended_first() {
        for _ in 0..50 {
            let program = async {
                tokio::task::yield_now().await;
                "reset"
            };
            let end = tokio::time::timeout(std::time::Duration::from_secs(5), beside(program, async {})).await;
            assert_eq!(end, Ok("reset"));
        }
    }
}
