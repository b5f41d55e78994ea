//! A CP2102 USB adapter in user space, connected to a virtual board, for the kernel's own cp210x driver.
//!
//! `cp2102 MILLISECONDS` makes a USB gadget through FunctionFS (needs root, `configfs` on `/sys/kernel/config`, and a
//! device controller such as `dummy_hcd`). DTR and RTS drive EN and GPIO9 through the usual circuit, whose EN has that
//! time constant. Lines on standard input are commands: `unplug`, `plug`, `quit`. Each boot is printed on standard
//! output.
//!
//! Requests: Silicon Labs, AN571 "CP210x Virtual COM Port Interface".
#![expect(clippy::print_stdout, reason = "this is a program, and what it prints is read by a test")]

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use futures::executor::block_on;
use hil_virtual_board::{Change, Options, ResetCircuit, VirtualBoard};
use parking_lot::Mutex;
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

const GADGET: &str = "/sys/kernel/config/usb_gadget/cp2102";
const ENDPOINTS: &str = "/mnt/cp2102";

fn main() -> io::Result<()> {
    let time_constant = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(10);
    let board = VirtualBoard::start(Options::named("lamp", &[]))?;
    block_on(board.set_rail(true));
    let port = board.port().ok_or_else(|| io::Error::other("the board has no port"))?;
    let wire = OpenOptions::new().read(true).write(true).open(port)?;

    make_gadget()?;
    let mut control = OpenOptions::new().read(true).write(true).open(Path::new(ENDPOINTS).join("ep0"))?;
    control.write_all(&descriptors())?;
    control.write_all(&strings())?;
    let (lines, moved) = mpsc::channel();
    let circuit = ResetCircuit::new(Duration::from_millis(time_constant));
    std::thread::spawn(move || drive(&board, circuit, &moved));
    std::thread::spawn(handle);
    plug(true)?;
    println!("up");
    let mut adapter = Adapter { control, wire, lines, modem: 0, baud: 9600, to_host: Arc::default(), started: false };
    adapter.serve()
}

/// The times and states of DTR and RTS changes.
type Move = (Instant, bool, bool);

/// Changes EN and GPIO9 like the circuit. What counts is when the lines changed, not when this thread sees it: on a
/// busy machine two changes may arrive at once, and EN may have risen in between.
fn drive(board: &VirtualBoard, mut circuit: ResetCircuit, moved: &Receiver<Move>) {
    let mut rises: Option<Instant> = None;
    let rise = |circuit: &ResetCircuit| {
        println!("boots into its {}", if circuit.strapped_low() { "loader" } else { "app" });
        block_on(board.set_enable(true));
    };
    loop {
        let next = match rises {
            Some(at) => moved.recv_timeout(at.saturating_duration_since(Instant::now())),
            None => moved.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match next {
            Ok((when, dtr, rts)) => {
                if rises.take_if(|at| *at <= when).is_some() {
                    rise(&circuit);
                }
                let change = circuit.set(dtr, rts);
                block_on(board.drive_boot_pin(!circuit.strapped_low()));
                match change {
                    Some(Change::EnFalls) => {
                        rises = None;
                        block_on(board.set_enable(false));
                    }
                    Some(Change::EnRisesAfter(after)) => rises = Some(when + after),
                    None => {}
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                rises = None;
                rise(&circuit);
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn handle() {
    for line in io::stdin().lines().map_while(Result::ok) {
        let done = match line.as_str() {
            "unplug" => plug(false),
            "plug" => plug(true),
            _ => break,
        };
        println!("{line}: {}", done.map_or_else(|error| error.to_string(), |()| "done".to_owned()));
    }
    let _ = plug(false);
    std::process::exit(0);
}

fn plug(plugged: bool) -> io::Result<()> {
    let controller = std::fs::read_dir("/sys/class/udc")?.flatten().next();
    let controller = controller.ok_or_else(|| io::Error::other("there is no USB device controller"))?.file_name();
    let text = if plugged { controller.to_string_lossy().into_owned() } else { "\n".to_owned() };
    std::fs::write(Path::new(GADGET).join("UDC"), text)
}

fn make_gadget() -> io::Result<()> {
    let gadget = PathBuf::from(GADGET);
    let write = |file: &str, text: &str| std::fs::write(gadget.join(file), text);
    for folder in ["strings/0x409", "configs/c.1", "functions/ffs.cp2102"] {
        std::fs::create_dir_all(gadget.join(folder))?;
    }
    write("idVendor", "0x10c4")?;
    write("idProduct", "0xea60")?;
    write("strings/0x409/manufacturer", "Silicon Labs")?;
    write("strings/0x409/product", "CP2102 USB to UART Bridge Controller")?;
    write("strings/0x409/serialnumber", "0001")?;
    std::os::unix::fs::symlink(gadget.join("functions/ffs.cp2102"), gadget.join("configs/c.1/ffs.cp2102"))?;
    std::fs::create_dir_all(ENDPOINTS)?;
    let mounted = std::process::Command::new("mount").args(["-t", "functionfs", "cp2102", ENDPOINTS]).status()?;
    if mounted.success() { Ok(()) } else { Err(io::Error::other("functionfs can't be mounted")) }
}

/// One interface with a bulk endpoint in each direction, for full and high speed (Linux, `usb/functionfs.h`).
fn descriptors() -> Vec<u8> {
    let interface = [9, 4, 0, 0, 2, 0xff, 0, 0, 1];
    let speed = |packet: u16| {
        let [low, high] = packet.to_le_bytes();
        let mut bytes = interface.to_vec();
        for address in [0x81, 0x02] {
            bytes.extend([7, 5, address, 2, low, high, 0]);
        }
        bytes
    };
    let (full, high) = (speed(64), speed(512));
    let length = 20 + full.len() + high.len();
    // Version 2 of the format; full speed, high speed, and every control request to us.
    let head = [3, u32::try_from(length).unwrap_or(0), 1 | 2 | 64, 3, 3];
    head.iter().flat_map(|word: &u32| word.to_le_bytes()).chain(full).chain(high).collect()
}

fn strings() -> Vec<u8> {
    let name = b"CP2102\0";
    let head = [2, u32::try_from(16 + 2 + name.len()).unwrap_or(0), 1, 1];
    let head = head.iter().flat_map(|word: &u32| word.to_le_bytes());
    head.chain(0x409_u16.to_le_bytes()).chain(name.iter().copied()).collect()
}

struct Adapter {
    control: File,
    wire: File,
    lines: Sender<Move>,
    /// DTR in bit 0, RTS in bit 1.
    modem: u16,
    baud: u32,
    /// Set while the interface is enabled.
    to_host: Arc<Mutex<Option<File>>>,
    started: bool,
}

impl Adapter {
    fn serve(&mut self) -> io::Result<()> {
        const ENABLE: u8 = 2;
        const SETUP: u8 = 4;
        let mut event = [0; 12];
        loop {
            self.control.read_exact(&mut event)?;
            match event[8] {
                ENABLE => self.enable()?,
                SETUP => self.setup(&event)?,
                _ => {}
            }
        }
    }

    /// The host has chosen the configuration: data can flow.
    fn enable(&mut self) -> io::Result<()> {
        let endpoint = |name: &str| OpenOptions::new().read(true).write(true).open(Path::new(ENDPOINTS).join(name));
        *self.to_host.lock() = Some(endpoint("ep1")?);
        let mut from_host = endpoint("ep2")?;
        let mut wire = self.wire.try_clone()?;
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok(length) = from_host.read(&mut buffer) {
                if wire.write_all(&buffer[..length]).is_err() {
                    return;
                }
            }
        });
        if !std::mem::replace(&mut self.started, true) {
            let (mut wire, to_host) = (self.wire.try_clone()?, Arc::clone(&self.to_host));
            std::thread::spawn(move || {
                let mut buffer = [0; 512];
                while let Ok(length) = wire.read(&mut buffer) {
                    let endpoint = to_host.lock().as_ref().and_then(|open| open.try_clone().ok());
                    // Bytes that no host reads are lost, as on a wire.
                    if let Some(mut endpoint) = endpoint {
                        let _ = endpoint.write_all(&buffer[..length]);
                    }
                }
            });
        }
        Ok(())
    }

    fn setup(&mut self, event: &[u8; 12]) -> io::Result<()> {
        let (kind, request) = (event[0], event[1]);
        let word = |at: usize| u16::from_le_bytes([event[at], event[at + 1]]);
        let (value, length) = (word(2), usize::from(word(6)));
        if kind & 0x80 != 0 {
            let mut answer = match request {
                // GET_PARTNUM: a CP2102.
                0xff => vec![2],
                // GET_BAUDRATE
                0x1d => self.baud.to_le_bytes().to_vec(),
                // GET_LINE_CTL: eight data bits, no parity, one stop bit.
                0x04 => vec![0, 8],
                // GET_MDMSTS: CTS and DSR are on.
                0x08 => vec![u8::try_from(self.modem).unwrap_or(0) | 0x30],
                _ => Vec::new(),
            };
            answer.resize(length, 0);
            return self.control.write_all(&answer);
        }
        let mut data = vec![0; length];
        if length == 0 {
            // An empty read acknowledges.
            let _ = self.control.read(&mut data)?;
        } else {
            self.control.read_exact(&mut data)?;
        }
        match request {
            // SET_MHS: which of DTR and RTS change is in the high byte.
            0x07 => {
                let mask = value >> 8;
                self.modem = (self.modem & !mask) | (value & mask);
                let _ = self.lines.send((Instant::now(), self.modem & 1 != 0, self.modem & 2 != 0));
            }
            // SET_BAUDRATE
            0x1e => {
                if let Ok(bytes) = data.try_into() {
                    self.baud = u32::from_le_bytes(bytes);
                    self.set_wire_speed()?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn set_wire_speed(&self) -> io::Result<()> {
        let mut termios = tcgetattr(&self.wire)?;
        termios.set_speed(self.baud)?;
        Ok(tcsetattr(&self.wire, OptionalActions::Now, &termios)?)
    }
}
