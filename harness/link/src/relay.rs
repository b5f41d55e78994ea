//! Carries bytes between two sockets under a [`Control`].

use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::control::{Conditions, Control, Ending, Way};
use crate::leg::Leg;

/// Bytes on their way from one side to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What is written.
    pub bytes: Vec<u8>,
    /// How much later than usual; what comes after it waits as well.
    pub late: Duration,
    /// A mark of the watcher's own; 0 where it has none.
    pub tag: u8,
    /// It is shown to the watcher, and not written.
    pub swallowed: bool,
    /// It goes back to whoever sent what was read.
    pub turned: bool,
    /// The path is closed once this is written.
    pub last: bool,
}

impl From<Vec<u8>> for Piece {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, late: Duration::ZERO, tag: 0, swallowed: false, turned: false, last: false }
    }
}

/// Sees every chunk, and may decide what becomes of it.
pub trait Watch: Send + Sync {
    /// Bytes were read from one side: what shall be written to the other. They are passed on as they are unless a
    /// watcher says otherwise.
    fn read(&self, way: Way, bytes: Vec<u8>) -> Vec<Piece> {
        let _ = way;
        vec![Piece::from(bytes)]
    }

    /// No more bytes come from that side: what was kept back until now.
    fn last(&self, way: Way) -> Vec<Piece> {
        let _ = way;
        Vec::new()
    }

    /// Bytes of a piece with this tag are about to be written to the receiving side.
    fn forwarding(&self, way: Way, bytes: &[u8], tag: u8);

    /// The path ends; the other way may still have last words.
    fn ending(&self, ended: Ended) {
        let _ = ended;
    }
}

impl<F: Fn(Way, &[u8]) + Send + Sync> Watch for F {
    fn forwarding(&self, way: Way, bytes: &[u8], _: u8) {
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
/// Most connections never need more.
const FIRST_CHUNK: usize = 2 * 1024;
/// After one side's FIN the other gets this long to say its last words; silence does not count.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How long a way whose source has died may take to deliver what was read from it.
const REMAINS: Duration = Duration::from_secs(1);

/// How long a good-bye of TLS or WebSocket may take.
const GOOD_BYE: Duration = Duration::from_secs(1);

/// Carries bytes between `near` and `far` until either side ends it, or the control does.
///
/// Bytes are forwarded unchanged and in order, unless the watcher changes them; it sees each chunk just before it is
/// written. FIN and RST are passed on as such. While a way is silent nothing of it gets through, not even a FIN.
pub async fn relay(near: Leg, far: Leg, control: &Control, watch: Arc<dyn Watch>) -> Ended {
    let mut conditions = control.subscribe();
    let endings_before = conditions.borrow().endings.0;
    let (near, near_grip) = near.split();
    let (far, far_grip) = far.split();
    let (mut near_from, mut near_to) = tokio::io::split(near);
    let (mut far_from, mut far_to) = tokio::io::split(far);
    let ended = {
        let (up_queue, up_queued) = mpsc::channel(CHUNKS_IN_FLIGHT);
        let (down_queue, down_queued) = mpsc::channel(CHUNKS_IN_FLIGHT);
        // Each way may answer on the other, as long as that one is read.
        let (to_up, to_down) = (up_queue.downgrade(), down_queue.downgrade());
        let up_queues = Queues { own: up_queue, other: to_down };
        let down_queues = Queues { own: down_queue, other: to_up };
        let up = carry(Way::Up, &mut near_from, &mut far_to, (up_queues, up_queued), control, &*watch);
        let down = carry(Way::Down, &mut far_from, &mut near_to, (down_queues, down_queued), control, &*watch);
        tokio::select! {
            // Whoever orders an end and kills the near side then must not see it end by itself.
            biased;
            ending = ordered(&mut conditions, endings_before) => {
                if ending != Ending::Abandon {
                    watch.ending(Ended::Ordered(ending));
                }
                Ended::Ordered(ending)
            }
            ended = both(up, down, control, endings_before, &*watch) => ended,
        }
    };
    let ended = match ended {
        Ended::Ordered(Ending::Abandon) => {
            let ended = abandoned(&mut far_from, &mut conditions).await;
            watch.ending(ended);
            ended
        }
        ended => ended,
    };
    if ended == Ended::Ordered(Ending::Close) {
        // Layers say good-bye before FIN; whoever does not listen is left all the same.
        let good_byes = async { tokio::join!(near_to.shutdown(), far_to.shutdown()) };
        let _ = tokio::time::timeout(GOOD_BYE, good_byes).await;
    }
    if matches!(ended, Ended::Broken(_) | Ended::Ordered(Ending::Reset)) {
        near_grip.make_hard();
        far_grip.make_hard();
    }
    ended
}

/// Keeps the far side of a path whose near side is gone without a word, until the far side gives it up, somebody else
/// does, or the near side's next life is asked about it.
async fn abandoned(far: &mut (impl AsyncRead + Unpin), conditions: &mut watch::Receiver<Conditions>) -> Ended {
    let (mut endings, lives) = {
        let now = conditions.borrow_and_update();
        (now.endings.0, now.abandoned_in)
    };
    let mut buffer = vec![0; FIRST_CHUNK];
    loop {
        tokio::select! {
            read = far.read(&mut buffer) => match read {
                Ok(0) => return Ended::Closed(Way::Down),
                Err(_) => return Ended::Broken(Way::Down),
                Ok(_) if conditions.borrow().lives != lives => return Ended::Broken(Way::Up),
                // Nobody is there to take it.
                Ok(_) => {}
            },
            ending = ordered(conditions, endings) => match ending {
                // It is abandoned already.
                Ending::Abandon => endings = conditions.borrow().endings.0,
                ending => return Ended::Ordered(ending),
            },
        }
    }
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
    endings_before: u64,
    watch: &dyn Watch,
) -> Ended {
    tokio::pin!(up, down);
    let (first, way) = tokio::select! {
        cut = &mut up => (cut, Way::Up),
        cut = &mut down => (cut, Way::Down),
    };
    if control.subscribe().borrow().endings.0 != endings_before {
        // An end was ordered meanwhile, and it is that one.
        return std::future::pending().await;
    }
    watch.ending(first.ended);
    let rest = async {
        match way {
            Way::Up => down.await,
            Way::Down => up.await,
        }
    };
    let patience = async {
        let usual = match first.ended {
            Ended::Closed(_) => LAST_WORDS,
            _ if first.at_sink => REMAINS,
            _ => return,
        };
        loop {
            control.audible().await;
            tokio::time::sleep(usual + control.slowness()).await;
            // Silence that came meanwhile does not count.
            if !control.is_silent() {
                return;
            }
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
    Bytes(Piece),
    Fin,
}

/// Where what was read goes.
struct Queues {
    own: mpsc::Sender<(Instant, Item)>,
    /// Weak: it must not keep the other way going.
    other: mpsc::WeakSender<(Instant, Item)>,
}

async fn carry<F: AsyncRead + Unpin, T: AsyncWrite + Unpin>(
    way: Way,
    from: &mut F,
    to: &mut T,
    (queues, queued): (Queues, mpsc::Receiver<(Instant, Item)>),
    control: &Control,
    watch: &dyn Watch,
) -> Cut {
    let reading = read(way, from, control.subscribe(), queues, watch);
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

/// Reads while the way is not silent, stamping each piece with the moment at which it is due.
async fn read<F: AsyncRead + Unpin>(
    way: Way,
    from: &mut F,
    mut conditions: watch::Receiver<Conditions>,
    queues: Queues,
    watch: &dyn Watch,
) {
    let Queues { own: queue, other } = queues;
    let endings_before = conditions.borrow().endings.0;
    let mut buffer = vec![0; FIRST_CHUNK];
    loop {
        if audible(way, &mut conditions).await.is_err() {
            return;
        }
        let read = tokio::select! {
            biased;
            _ = conditions.changed() => continue,
            read = from.read(&mut buffer) => read,
        };
        let (condition, was_ended) = {
            let now = conditions.borrow_and_update();
            (now.of(way), now.endings.0 != endings_before)
        };
        // A caller that orders an end and kills the near side then must not see it end by itself: the order counts.
        if was_ended && !matches!(read, Ok(1..)) {
            return std::future::pending().await;
        }
        let due = Instant::now() + jittered(condition.delay, condition.jitter);
        match read {
            Ok(0) => {
                finish(way, watch, &queue, due).await;
                return;
            }
            Ok(length) => {
                for piece in watch.read(way, buffer[..length].to_vec()) {
                    if piece.turned {
                        // A way that is not read any more has nobody to be answered.
                        if let Some(other) = other.upgrade() {
                            let _ = other.send((due, Item::Bytes(piece))).await;
                        }
                        continue;
                    }
                    if queue.send((due, Item::Bytes(piece))).await.is_err() {
                        return;
                    }
                }
                if length == buffer.len() {
                    buffer.resize(CHUNK, 0);
                }
            }
            // A layer above TCP whose peer left without its good-bye: for TCP that is a FIN like any other.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                finish(way, watch, &queue, due).await;
                return;
            }
            Err(_) => {
                for piece in watch.last(way) {
                    let _ = queue.send((due, Item::Bytes(piece))).await;
                }
                // Not even a reset gets through silence.
                let _ = audible(way, &mut conditions).await;
                return;
            }
        }
    }
}

/// Passes on what was kept back, and FIN. Whether or not anybody still listens, this way has ended.
async fn finish(way: Way, watch: &dyn Watch, queue: &mpsc::Sender<(Instant, Item)>, due: Instant) {
    for piece in watch.last(way) {
        let _ = queue.send((due, Item::Bytes(piece))).await;
    }
    let _ = queue.send((due, Item::Fin)).await;
}

/// A delay, give or take.
fn jittered(delay: Duration, jitter: Duration) -> Duration {
    if jitter.is_zero() {
        return delay;
    }
    (delay + jitter.mul_f64(2.0 * fastrand::f64())).saturating_sub(jitter)
}

/// Writes what was read when it is due. `Ok` says how the way ended; `Err` that writing failed.
async fn write<T: AsyncWrite + Unpin>(
    way: Way,
    to: &mut T,
    mut conditions: watch::Receiver<Conditions>,
    mut queued: mpsc::Receiver<(Instant, Item)>,
    watch: &dyn Watch,
) -> io::Result<Ended> {
    // When the way is free again where its bandwidth is limited.
    let mut free = Instant::now();
    while let Some((due, item)) = queued.recv().await {
        let late = if let Item::Bytes(piece) = &item { piece.late } else { Duration::ZERO };
        until(due + late).await;
        if audible(way, &mut conditions).await.is_err() {
            break;
        }
        match item {
            Item::Bytes(piece) => {
                let mut rest = &piece.bytes[..];
                if piece.tag != 0 || piece.swallowed {
                    watch.forwarding(way, rest, piece.tag);
                }
                if piece.swallowed {
                    continue;
                }
                while !rest.is_empty() {
                    let slice;
                    (slice, rest) = rest.split_at(portion(rest.len(), &conditions, way));
                    until(free).await;
                    audible(way, &mut conditions).await.map_err(io::Error::other)?;
                    if piece.tag == 0 {
                        watch.forwarding(way, slice, 0);
                    }
                    to.write_all(slice).await?;
                    to.flush().await?;
                    if let Some(rate) = conditions.borrow().of(way).bandwidth {
                        free = free.max(Instant::now() - TICK) + transfer_time(slice.len(), rate);
                    }
                }
                if piece.last {
                    return Ok(Ended::Ordered(Ending::Close));
                }
            }
            Item::Fin => {
                to.shutdown().await?;
                return Ok(Ended::Closed(way));
            }
        }
    }
    Ok(Ended::Broken(way))
}

/// tokio's timer may fire this much late: it counts whole milliseconds, and rounds up. A narrow way that gave no credit
/// for it would carry single packets at a fraction of its rate.
const TICK: Duration = Duration::from_millis(2);

/// Waits until then. What is due already waits for no timer: even one that has passed fires at the next millisecond.
async fn until(due: Instant) {
    if due > Instant::now() {
        tokio::time::sleep_until(due).await;
    }
}

/// How much of so many bytes goes in one go: a limited way trickles.
fn portion(length: usize, conditions: &watch::Receiver<Conditions>, way: Way) -> usize {
    /// Pieces of this many a second look like a slow wire, not like bursts.
    const A_SECOND: u64 = 20;
    let Some(rate) = conditions.borrow().of(way).bandwidth else { return length };
    let portion = usize::try_from(rate.get() / A_SECOND).unwrap_or(usize::MAX);
    length.min(portion.max(1))
}

fn transfer_time(bytes: usize, rate: NonZeroU64) -> Duration {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    Duration::from_secs(1).mul_f64(f64::from(bytes) / rate.get() as f64)
}

async fn audible(way: Way, conditions: &mut watch::Receiver<Conditions>) -> Result<(), watch::error::RecvError> {
    conditions.wait_for(|conditions| !conditions.of(way).is_silent()).await.map(drop)
}
