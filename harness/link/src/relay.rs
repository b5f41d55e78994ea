//! Carries bytes between two sockets under a [`Control`].

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::control::{Conditions, Control, Ending, Way};
use crate::socket;

/// Sees every chunk just before it is forwarded.
pub trait Watch: Send + Sync {
    /// Bytes are about to be written to the receiving side.
    fn forwarding(&self, way: Way, bytes: &[u8]);

    /// The path ends; the other way may still have last words.
    fn ending(&self, ended: Ended) {
        let _ = ended;
    }
}

impl<F: Fn(Way, &[u8]) + Send + Sync> Watch for F {
    fn forwarding(&self, way: Way, bytes: &[u8]) {
        self(way, bytes);
    }
}

/// How a path came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// One side sent FIN; `Up` is the near side.
    Closed(Way),
    /// One side sent RST or its socket failed; `Up` is the near side.
    Broken(Way),
    /// The control ended it.
    Ordered(Ending),
}

/// Bytes in flight per way before the reading stops: what a slow receiver costs in memory.
const CHUNKS_IN_FLIGHT: usize = 64;
const CHUNK: usize = 16 * 1024;
/// After one side's FIN the other gets this long to say its last words; silence does not count.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How long a way whose source has died may take to deliver what was read from it.
const REMAINS: Duration = Duration::from_secs(1);

/// Carries bytes between `near` and `far` until either side ends it, or the control does.
///
/// Bytes are forwarded unchanged and in order; `watch` sees each chunk just before it is written. FIN and RST are
/// passed on as such. While a way is silent nothing of it is read, so that not even a FIN gets through.
pub async fn relay(near: TcpStream, far: TcpStream, control: &Control, watch: Arc<dyn Watch>) -> Ended {
    let (near, far) = (Arc::new(near), Arc::new(far));
    let mut conditions = control.subscribe();
    let endings_before = conditions.borrow().endings.0;
    // Small packets must not wait for each other: a harness measures milliseconds.
    let _ = near.set_nodelay(true);
    let _ = far.set_nodelay(true);
    let ended = {
        let up = carry(Way::Up, &near, &far, control, &*watch);
        let down = carry(Way::Down, &far, &near, control, &*watch);
        tokio::select! {
            ended = both(up, down, control, &*watch) => ended,
            ending = ordered(&mut conditions, endings_before) => {
                watch.ending(Ended::Ordered(ending));
                Ended::Ordered(ending)
            }
        }
    };
    let hard = matches!(ended, Ended::Broken(_) | Ended::Ordered(Ending::Reset));
    for stream in [near, far] {
        if let Ok(stream) = Arc::try_unwrap(stream)
            && hard
        {
            socket::reset(stream);
        }
    }
    ended
}

/// How one way ends, and which of its sockets ended it.
struct Cut {
    ended: Ended,
    /// Writing failed: the receiving side is gone.
    at_sink: bool,
}

/// The first end decides. A FIN lets the other way finish what it has to say; a receiving side that is gone lets it
/// deliver what was read before.
async fn both(
    up: impl Future<Output = Cut>,
    down: impl Future<Output = Cut>,
    control: &Control,
    watch: &dyn Watch,
) -> Ended {
    tokio::pin!(up, down);
    let (first, way) = tokio::select! {
        cut = &mut up => (cut, Way::Up),
        cut = &mut down => (cut, Way::Down),
    };
    watch.ending(first.ended);
    let rest = async {
        match way {
            Way::Up => down.await,
            Way::Down => up.await,
        }
    };
    let patience = async {
        if matches!(first.ended, Ended::Closed(_)) {
            control.audible().await;
            tokio::time::sleep(LAST_WORDS).await;
        } else if first.at_sink {
            tokio::time::sleep(REMAINS).await;
        }
    };
    tokio::select! {
        biased;
        _ = rest => {}
        () = patience => {}
    }
    first.ended
}

/// Waits for an ending beyond those that were ordered before.
async fn ordered(conditions: &mut watch::Receiver<Conditions>, before: u64) -> Ending {
    match conditions.wait_for(|conditions| conditions.endings.0 != before).await.map(|found| found.endings.1) {
        Ok(Some(ending)) => ending,
        // Nobody holds the control any more: nobody can end the path.
        _ => std::future::pending().await,
    }
}

enum Item {
    Bytes(Vec<u8>),
    Fin,
}

async fn carry(way: Way, from: &TcpStream, to: &TcpStream, control: &Control, watch: &dyn Watch) -> Cut {
    let (queue, queued) = mpsc::channel(CHUNKS_IN_FLIGHT);
    let reading = read(way, from, control.subscribe(), queue);
    let writing = write(way, to, control.subscribe(), queued, watch);
    tokio::pin!(reading, writing);
    let written = tokio::select! {
        // What was read before the source ended is still delivered.
        () = &mut reading => writing.await,
        written = &mut writing => written,
    };
    match written {
        Ok(ended) => Cut { ended, at_sink: false },
        Err(_) => Cut { ended: Ended::Broken(opposite(way)), at_sink: true },
    }
}

fn opposite(way: Way) -> Way {
    match way {
        Way::Up => Way::Down,
        Way::Down => Way::Up,
    }
}

/// Reads while the way is not silent, stamping each chunk with the moment at which it is due.
async fn read(
    way: Way,
    from: &TcpStream,
    mut conditions: watch::Receiver<Conditions>,
    queue: mpsc::Sender<(Instant, Item)>,
) {
    let mut buffer = vec![0; CHUNK];
    loop {
        if audible(way, &mut conditions).await.is_err() {
            return;
        }
        tokio::select! {
            ready = from.readable() => if ready.is_err() { return },
            _ = conditions.changed() => continue,
        }
        let condition = conditions.borrow_and_update().of(way);
        if condition.silent {
            continue;
        }
        let due = Instant::now() + condition.delay;
        let item = match from.try_read(&mut buffer) {
            Ok(0) => Item::Fin,
            Ok(length) => Item::Bytes(buffer[..length].to_vec()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => return,
        };
        let last = matches!(item, Item::Fin);
        if queue.send((due, item)).await.is_err() || last {
            return;
        }
    }
}

/// Writes what was read when it is due. `Ok` says how the way ended; `Err` that writing failed.
async fn write(
    way: Way,
    to: &TcpStream,
    mut conditions: watch::Receiver<Conditions>,
    mut queued: mpsc::Receiver<(Instant, Item)>,
    watch: &dyn Watch,
) -> io::Result<Ended> {
    while let Some((due, item)) = queued.recv().await {
        tokio::time::sleep_until(due).await;
        if audible(way, &mut conditions).await.is_err() {
            break;
        }
        match item {
            Item::Bytes(bytes) => {
                watch.forwarding(way, &bytes);
                write_all(to, &bytes).await?;
            }
            Item::Fin => {
                socket2::SockRef::from(to).shutdown(std::net::Shutdown::Write)?;
                return Ok(Ended::Closed(way));
            }
        }
    }
    Ok(Ended::Broken(way))
}

async fn audible(way: Way, conditions: &mut watch::Receiver<Conditions>) -> Result<(), watch::error::RecvError> {
    conditions.wait_for(|conditions| !conditions.of(way).silent).await.map(drop)
}

async fn write_all(to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        to.writable().await?;
        match to.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
