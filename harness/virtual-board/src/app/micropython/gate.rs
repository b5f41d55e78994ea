//! Connects the scripts' sockets with the radio.
//!
//! The interpreter's own sockets would send FIN when its process is killed. So they lead to the board, which holds the
//! real ones in its radio: a power cut is silence.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener as StdListener};
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::radio::Radio;

/// How long joining a network takes; a real one takes seconds.
const JOINING: Duration = Duration::from_millis(100);
/// The longest address that a script may connect to.
const LONGEST: usize = 300;

/// Error numbers of the ESP32 port (ESP-IDF, newlib's `errno.h`).
const ECONNREFUSED: i32 = 111;
const ETIMEDOUT: i32 = 116;
const EHOSTUNREACH: i32 = 118;

/// The station: joined to a network or not.
#[derive(Debug, Default)]
pub(super) struct Station {
    joins_at: Cell<Option<Instant>>,
    /// How many times it left: older connections are silent.
    left: watch::Sender<u64>,
    /// The scripts' ends of silent connections.
    silent: RefCell<Vec<UnixStream>>,
}

impl Station {
    pub(super) fn join(&self) {
        if self.joins_at.get().is_none() {
            self.joins_at.set(Some(Instant::now() + JOINING));
        }
    }

    pub(super) fn leave(&self) {
        self.joins_at.set(None);
        self.left.send_modify(|left| *left += 1);
    }

    pub(super) fn state(&self) -> &'static str {
        match self.joins_at.get() {
            None => "left",
            Some(at) if at > Instant::now() => "joining",
            Some(_) => "joined",
        }
    }
}

/// Where the interpreter's sockets connect to.
#[derive(Debug)]
pub(super) struct Gate {
    name: String,
    listener: UnixListener,
    radio: Radio,
    pub(super) station: Rc<Station>,
}

impl Gate {
    pub(super) fn open(radio: Radio) -> io::Result<Self> {
        // Random, and without a file. The number identifies the interpreter that it was given to.
        let mut random = [0; 16];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
        let name = format!("hil-radio-{}-{:032x}", std::process::id(), u128::from_ne_bytes(random));
        let listener = StdListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        listener.set_nonblocking(true)?;
        Ok(Self { name, listener: UnixListener::from_std(listener)?, radio, station: Rc::default() })
    }

    /// Its name in the abstract namespace.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The next connection, to be forwarded.
    pub(super) async fn accept(&self) -> io::Result<impl Future<Output = ()> + use<>> {
        let (script, _) = self.listener.accept().await?;
        Ok(carry(script, self.radio.clone(), Rc::clone(&self.station)))
    }
}

/// Forwards one connection until both sides have ended it, or the station leaves the network.
async fn carry(mut script: UnixStream, radio: Radio, station: Rc<Station>) {
    let mut left = station.left.subscribe();
    let opened = match address(&mut script).await {
        Some((host, port)) if station.state() == "joined" => {
            radio.open(&host, port).await.map_err(|error| match error.kind() {
                io::ErrorKind::ConnectionRefused => ECONNREFUSED,
                io::ErrorKind::TimedOut => ETIMEDOUT,
                _ => EHOSTUNREACH,
            })
        }
        _ => Err(EHOSTUNREACH),
    };
    let (held, mut air) = match opened {
        Ok(opened) => opened,
        Err(number) => {
            // A script that has exited needs no answer.
            let _ = script.write_all(format!("err {number}\n").as_bytes()).await;
            return;
        }
    };
    if script.write_all(b"ok\n").await.is_ok() {
        tokio::select! {
            _ = left.changed() => {
                // The radio keeps the connection, silently.
                station.silent.borrow_mut().push(script);
                return;
            }
            // The connection has ended in any case.
            _ = tokio::io::copy_bidirectional(&mut script, &mut air) => {}
        }
    }
    drop(air);
    radio.hang_up(&held);
}

/// The destination of the script: `host port`.
async fn address(script: &mut UnixStream) -> Option<(String, u16)> {
    let mut line = Vec::new();
    loop {
        let byte = script.read_u8().await.ok()?;
        if byte == b'\n' {
            break;
        }
        line.push(byte);
        if line.len() > LONGEST {
            return None;
        }
    }
    let line = String::from_utf8(line).ok()?;
    let (host, port) = line.rsplit_once(' ')?;
    Some((host.to_owned(), port.parse().ok()?))
}
