//! Runs an ELF file from the command line, to compare: `run ELF [SECONDS] [--wifi SSID[:PASSWORD]] [--unknown]`.
//! Lines of standard input go to the UART. A reset boots it again.
#![expect(clippy::print_stdout, reason = "a program of its own, for the terminal")]

use std::error::Error;
use std::io::Write as _;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use hil_esp_core::chip::{AccessPoint, Auth, End, Input, Machine, Output, Setup};

struct Options {
    file: Vec<u8>,
    time: Duration,
    air: Vec<AccessPoint>,
    unknown: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    let started = Instant::now();
    let (inputs, received) = channel();
    spawn_reader(inputs.clone());
    let time = options.time;
    std::thread::spawn(move || {
        std::thread::sleep(time);
        inputs.send(Input::Stop)
    });
    let mut setup = Setup::from_elf(options.file.clone())?;
    loop {
        setup.access_points.clone_from(&options.air);
        let mut machine = Machine::boot(setup)?;
        let end = machine.run(&received, &mut |output| show(&output, started, options.unknown));
        println!("{end:?} after {} instructions, {:?}", machine.instructions(), machine.exceptions());
        let End::Reset(cause) = end else { return Ok(()) };
        let retained = machine.retained(cause);
        setup = Setup::new(machine.into_flash(), 0x1_0000..0x40_0000);
        setup.elf = Some(options.file.clone());
        setup.reset_cause = cause;
        setup.retained = retained;
    }
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = std::fs::read(arguments.next().ok_or("which ELF file?")?)?;
    let mut options = Options { file, time: Duration::from_secs(5), air: Vec::new(), unknown: false };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--unknown" => options.unknown = true,
            "--wifi" => options.air.push(access_point(&arguments.next().ok_or("which network?")?)),
            seconds => options.time = Duration::from_secs_f64(seconds.parse()?),
        }
    }
    Ok(options)
}

fn access_point(text: &str) -> AccessPoint {
    let (ssid, password) = text.split_once(':').unwrap_or((text, ""));
    AccessPoint {
        ssid: ssid.into(),
        bssid: [0x52, 0x55, 10, 0, 2, 2],
        channel: 1,
        rssi: -42,
        auth: if password.is_empty() { Auth::Open } else { Auth::Wpa2 },
        password: password.into(),
    }
}

fn spawn_reader(inputs: Sender<Input>) {
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if inputs.send(Input::Uart(line.into_bytes())).is_err() {
                return;
            }
        }
    });
}

fn show(output: &Output, started: Instant, unknown: bool) {
    let time = started.elapsed().as_secs_f64() * 1e3;
    match output {
        Output::Uart(bytes) | Output::Usb(bytes) => {
            print!("[{time:9.3}] {}", String::from_utf8_lossy(bytes));
            let _ = std::io::stdout().flush();
        }
        Output::Unknown { .. } if !unknown => {}
        Output::Frame(frame) => println!("[{time:9.3}] frame of {} bytes", frame.len()),
        other => println!("[{time:9.3}] {other:x?}"),
    }
}
