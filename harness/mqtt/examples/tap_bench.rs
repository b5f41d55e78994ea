//! Compares the tap with HAProxy: the round trip of a PINGREQ, and the throughput of PUBLISH of 128 bytes at QoS 0.
//!
//! `tap_bench measure FOLDER ROUNDS MESSAGES [HAPROXY]` starts both in front of one broker stub, and measures them and
//! the broker itself in turn, so that other load affects all alike. `tap_bench tap BROKER EVENTS` is the tap: a port
//! that records into a file, as in a run, until its standard input ends.

#![expect(clippy::print_stdout, reason = "a program of the bench's own")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hil_mqtt::{Route, TapPort, TlsMode};
use hil_timeline::{Epoch, Timeline};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const CONNECT: &[u8] = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05bench";
const CONNACK: &[u8] = b"\x20\x02\x00\x00";
const PINGREQ: &[u8] = b"\xc0\x00";
const PINGRESP: &[u8] = b"\xd0\x00";
/// How often throughput is measured; the best result counts, since other load can only reduce it.
const PASSES: usize = 5;
/// A proxy that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["tap", broker, events] => tap(broker.parse()?, Path::new(events)),
        ["measure", folder, rounds, messages, ref rest @ ..] => {
            measure(Path::new(folder), rounds.parse()?, messages.parse()?, rest.first().copied())
        }
        _ => Err("usage: tap_bench measure FOLDER ROUNDS MESSAGES [HAPROXY]".into()),
    }
}

fn tap(broker: SocketAddr, events: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let timeline = Timeline::in_file(Epoch::start(), events)?;
        let tap = TapPort::open("bench", IpAddr::V4(Ipv4Addr::LOCALHOST), 0, TlsMode::Absent).await?;
        tap.open_route(Route::plain(broker, timeline.recorder(None)));
        println!("{}", tap.address());
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
        match timeline.write_failure() {
            None => Ok(()),
            Some(failure) => Err(failure.into()),
        }
    })
}

/// A child process, killed at the end.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have exited by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A path to the broker.
struct Peer {
    name: &'static str,
    stream: TcpStream,
    round_trips: Vec<Duration>,
    /// Messages per second.
    best: f64,
    _program: Option<Running>,
}

impl Peer {
    fn connect(name: &'static str, address: SocketAddr, program: Option<Running>) -> Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(CONNECT)?;
        expect(&mut stream, CONNACK)?;
        Ok(Self { name, stream, round_trips: Vec::new(), best: 0.0, _program: program })
    }

    fn round_trip(&mut self) -> Result<Duration> {
        let begin = Instant::now();
        self.stream.write_all(PINGREQ)?;
        expect(&mut self.stream, PINGRESP)?;
        Ok(begin.elapsed())
    }

    /// Sends messages at full speed; the broker answers the PINGREQ after them when it has received all.
    fn flood(&mut self, messages: usize) -> Result<()> {
        let mut publish = b"\x30\x80\x01\x00\x07bench/t".to_vec();
        publish.resize(128 + 3, b'x');
        let many = publish.repeat(100);
        let begin = Instant::now();
        for _ in 0..messages / 100 {
            self.stream.write_all(&many)?;
        }
        self.round_trip()?;
        self.best = self.best.max((messages / 100 * 100) as f64 / begin.elapsed().as_secs_f64());
        Ok(())
    }

    /// In microseconds.
    fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.round_trips.clone();
        sorted.sort();
        let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
        sorted.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    }
}

fn expect(stream: &mut TcpStream, wanted: &[u8]) -> Result<()> {
    let mut got = vec![0; wanted.len()];
    stream.read_exact(&mut got)?;
    if got == wanted { Ok(()) } else { Err(format!("got {got:02x?} in the place of {wanted:02x?}").into()) }
}

fn measure(folder: &Path, rounds: usize, messages: usize, haproxy: Option<&str>) -> Result<()> {
    let broker = broker()?;
    let events = folder.join("events.jsonl");
    let (address, program) = start_tap(broker, &events)?;
    let mut peers = vec![Peer::connect("direct", broker, None)?, Peer::connect("tap", address, Some(program))?];
    if let Some(haproxy) = haproxy {
        let (address, program) = start_haproxy(haproxy, broker, folder)?;
        peers.push(Peer::connect("HAProxy", address, Some(program))?);
    }
    for round in 0..rounds + rounds / 10 {
        for peer in &mut peers {
            let took = peer.round_trip()?;
            // The first ones are warm-up.
            if round >= rounds / 10 {
                peer.round_trips.push(took);
            }
        }
    }
    for _ in 0..PASSES {
        for peer in &mut peers {
            peer.flood(messages)?;
        }
    }
    let recorded = BufReader::new(std::fs::File::open(&events)?).lines().count();
    let sent = 1 + rounds + rounds / 10 + PASSES * (messages / 100 * 100 + 1);
    // Each is answered, except the messages; the connection itself is recorded, too.
    let answers = 1 + rounds + rounds / 10 + PASSES;
    if recorded != sent + answers + 1 {
        return Err(format!("{recorded} records of {} packets", sent + answers).into());
    }
    report(&peers, recorded);
    Ok(())
}

fn report(peers: &[Peer], recorded: usize) {
    for peer in peers {
        let (p50, p99, rate) = (peer.percentile(50), peer.percentile(99), peer.best / 1e6);
        println!("{:8} round trip p50 {p50:7.1} µs  p99 {p99:7.1} µs   {rate:6.3} M messages/s", peer.name);
    }
    let of = |name: &str| peers.iter().find(|peer| peer.name == name);
    if let (Some(direct), Some(tap)) = (of("direct"), of("tap")) {
        let added = |percent| tap.percentile(percent) - direct.percentile(percent);
        println!("added by the tap: p50 {:.1} µs, p99 {:.1} µs; {recorded} records", added(50), added(99));
        if let Some(peer) = of("HAProxy") {
            let ratio = |percent| tap.percentile(percent) / peer.percentile(percent).max(0.1);
            let messages = tap.best / peer.best.max(1.0);
            println!("ratio p50 {:.2} p99 {:.2} messages {messages:.3}", ratio(50), ratio(99));
        }
    }
}

/// Answers CONNECT and PINGREQ, and ignores the rest.
fn broker() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    Ok(address)
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 1 << 20];
    let mut kept = 0;
    loop {
        let read = stream.read(&mut buffer[kept..])?;
        if read == 0 {
            return Ok(());
        }
        kept += read;
        let mut at = 0;
        while let Some(size) = size(&buffer[at..kept]) {
            match buffer[at] >> 4 {
                1 => stream.write_all(CONNACK)?,
                12 => stream.write_all(PINGRESP)?,
                _ => {}
            }
            at += size;
        }
        buffer.copy_within(at..kept, 0);
        kept -= at;
    }
}

/// The size of the first packet, if it is complete. Its length has at most two bytes.
fn size(bytes: &[u8]) -> Option<usize> {
    let low = usize::from(*bytes.get(1)?);
    let size = if low < 0x80 { low + 2 } else { (low & 0x7f) + usize::from(*bytes.get(2)?) * 0x80 + 3 };
    (bytes.len() >= size).then_some(size)
}

fn start_tap(broker: SocketAddr, events: &Path) -> Result<(SocketAddr, Running)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["tap", &broker.to_string()]).arg(events);
    let mut child = Running(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    Ok((line.trim().parse()?, child))
}

fn start_haproxy(program: &str, broker: SocketAddr, folder: &Path) -> Result<(SocketAddr, Running)> {
    // HAProxy does not accept port 0: another program may take this port in between, and the bench fails.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let config: PathBuf = folder.join("haproxy.cfg");
    let text = format!(
        "global\n  maxconn 100\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         listen bench\n  bind {address}\n  server broker {broker}\n"
    );
    std::fs::write(&config, text)?;
    let child = Running(Command::new(program).arg("-db").arg("-f").arg(&config).stdin(Stdio::null()).spawn()?);
    let begin = Instant::now();
    while TcpStream::connect(address).is_err() {
        if begin.elapsed() > PATIENCE {
            return Err("HAProxy does not listen".into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok((address, child))
}
