//! Carries bytes between two sockets under a [`Control`].

use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::connection::RelayConnection;
use crate::control::{Conditions, Control, Ended, Ending, PathDirection};
use crate::piece::Watch;
use crate::queue::{Gauge, Item, Progress, Queued, Sender, WeakSender, queue};

const CHUNK: usize = 16 * 1024;
/// Most connections never need more.
const FIRST_CHUNK: usize = 2 * 1024;
/// How long the other side may send nothing after one side's FIN; silences do not count.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How long a receiver may read nothing of what is queued after one side's FIN. The system wakes a writer only when a
/// third of its socket's buffer is free: more than a megabyte, which a slow receiver may need this long to read.
const SLOW_RECEIVER: Duration = Duration::from_secs(60);
/// How long a receiver may read nothing of what is queued after its sender is gone.
const REMAINS: Duration = Duration::from_secs(1);

/// How long the closing handshake of TLS or WebSocket may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Carries bytes between `near` and `far` until either side or the control ends the path.
///
/// Bytes are forwarded unchanged and in order, unless the watcher changes them; it sees each chunk just before it is
/// written. FIN and RST are forwarded as such. While a direction is silent nothing gets through, not even a FIN.
pub async fn relay(near: RelayConnection, far: RelayConnection, control: &Control, watch: Arc<dyn Watch>) -> Ended {
    let mut conditions = control.subscribe();
    let endings_before = conditions.borrow().endings.0;
    let (near, near_handle) = near.split();
    let (far, far_handle) = far.split();
    let (mut near_from, mut near_to) = tokio::io::split(near);
    let (mut far_from, mut far_to) = tokio::io::split(far);
    let ended = {
        let ((up_queue, up_queued), (down_queue, down_queued)) = (queue(), queue());
        let progress = Progress::new();
        let rest = Rest { control, progress: &progress, up: up_queue.gauge(), down: down_queue.gauge() };
        // Each direction may reply on the other, as long as that one is open.
        let (to_up, to_down) = (up_queue.downgrade(), down_queue.downgrade());
        let up_queues = Queues { own: up_queue, other: to_down };
        let down_queues = Queues { own: down_queue, other: to_up };
        let seen = Seen { watch: &*watch, progress: &progress };
        let up = carry(PathDirection::Upstream, &mut near_from, &mut far_to, (up_queues, up_queued), control, seen);
        let down =
            carry(PathDirection::Downstream, &mut far_from, &mut near_to, (down_queues, down_queued), control, seen);
        tokio::select! {
            // A caller may order an end and then kill the near side: the order counts.
            biased;
            ending = ordered(&mut conditions, endings_before) => {
                if ending != Ending::Abandon {
                    watch.ending(Ended::Ordered(ending));
                }
                Ended::Ordered(ending)
            }
            ended = both(up, down, &rest, endings_before, &*watch) => ended,
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
        // Layers close with a handshake before FIN; a peer that does not answer is closed anyway.
        let closing = async { tokio::join!(near_to.shutdown(), far_to.shutdown()) };
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, closing).await;
    }
    if matches!(ended, Ended::Broken(_) | Ended::Ordered(Ending::Reset)) {
        near_handle.close_with_reset();
        far_handle.close_with_reset();
    }
    ended
}

/// Keeps the far side of an abandoned path open until the far side ends it, another end is ordered, or bytes arrive
/// after the near side's restart.
async fn abandoned(far: &mut (impl AsyncRead + Unpin), conditions: &mut watch::Receiver<Conditions>) -> Ended {
    let (mut endings, lives) = {
        let now = conditions.borrow_and_update();
        (now.endings.0, now.abandoned_in)
    };
    let mut buffer = vec![0; FIRST_CHUNK];
    loop {
        tokio::select! {
            read = far.read(&mut buffer) => match read {
                Ok(0) => return Ended::Closed(PathDirection::Downstream),
                Err(_) => return Ended::Broken(PathDirection::Downstream),
                Ok(_) if conditions.borrow().lives != lives => return Ended::Broken(PathDirection::Upstream),
                // No device is there to read it.
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

/// How one direction ends, and which of its sockets ended it.
struct Cut {
    ended: Ended,
    /// Writing failed: the receiving side is gone.
    at_sink: bool,
}

/// The first end decides. After a FIN the other direction may finish; if a receiver is gone, the other direction
/// delivers what was read before.
async fn both(
    up: impl Future<Output = Cut>,
    down: impl Future<Output = Cut>,
    after: &Rest<'_>,
    endings_before: u64,
    watch: &dyn Watch,
) -> Ended {
    tokio::pin!(up, down);
    let (first, direction) = tokio::select! {
        cut = &mut up => (cut, PathDirection::Upstream),
        cut = &mut down => (cut, PathDirection::Downstream),
    };
    if after.control.subscribe().borrow().endings.0 != endings_before {
        // An end was ordered meanwhile; that order decides.
        return std::future::pending().await;
    }
    watch.ending(first.ended);
    let rest = async {
        match direction {
            PathDirection::Upstream => down.await,
            PathDirection::Downstream => up.await,
        }
    };
    let stalled = async {
        match first.ended {
            Ended::Closed(_) => after.stalled(opposite(direction), LAST_WORDS, SLOW_RECEIVER).await,
            _ if first.at_sink => after.stalled(opposite(direction), REMAINS, REMAINS).await,
            _ => {}
        }
    };
    tokio::select! {
        biased;
        _ = rest => {}
        () = stalled => {}
    }
    first.ended
}

/// What happens after one direction has ended.
struct Rest<'a> {
    control: &'a Control,
    progress: &'a Progress,
    up: Gauge,
    down: Gauge,
}

impl Rest<'_> {
    /// Waits until nothing has moved for `quiet` if nothing waits to be written in this direction, or for `slow` if
    /// something does.
    async fn stalled(&self, direction: PathDirection, quiet: Duration, slow: Duration) {
        let gauge = match direction {
            PathDirection::Upstream => &self.up,
            PathDirection::Downstream => &self.down,
        };
        self.progress.moved();
        loop {
            if self.control.is_silent() {
                self.control.audible().await;
                self.progress.moved();
            }
            let last = self.progress.last();
            let patience = if gauge.is_waiting() { slow } else { quiet };
            let until = last + patience + self.control.slowness();
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

/// Waits for the next ordered end after those ordered before.
async fn ordered(conditions: &mut watch::Receiver<Conditions>, before: u64) -> Ending {
    match conditions.wait_for(|conditions| conditions.endings.0 != before).await.map(|found| found.endings.1) {
        Ok(Some(ending)) => ending,
        // The control is gone, so no end can be ordered.
        _ => std::future::pending().await,
    }
}

/// The queues of both directions.
struct Queues {
    own: Sender,
    /// Weak: it must not keep the other direction open.
    other: WeakSender,
}

/// The watcher and the progress of a path.
#[derive(Clone, Copy)]
struct Seen<'a> {
    watch: &'a dyn Watch,
    progress: &'a Progress,
}

async fn carry<F: AsyncRead + Unpin, T: AsyncWrite + Unpin>(
    direction: PathDirection,
    from: &mut F,
    to: &mut T,
    (queues, queued): (Queues, mpsc::Receiver<Queued>),
    control: &Control,
    seen: Seen<'_>,
) -> Cut {
    let reading = read(direction, from, control.subscribe(), queues, seen);
    let writing = write(direction, to, control.subscribe(), queued, seen);
    tokio::pin!(reading, writing);
    let written = tokio::select! {
        // What was read before the source ended is still delivered.
        () = &mut reading => writing.await,
        written = &mut writing => written,
    };
    match written {
        Ok(ended) => Cut { ended, at_sink: false },
        Err(_) => Cut { ended: Ended::Broken(opposite(direction)), at_sink: true },
    }
}

fn opposite(direction: PathDirection) -> PathDirection {
    match direction {
        PathDirection::Upstream => PathDirection::Downstream,
        PathDirection::Downstream => PathDirection::Upstream,
    }
}

/// Reads while the direction is not silent, and stamps each piece with the time at which it is due.
async fn read<F: AsyncRead + Unpin>(
    direction: PathDirection,
    from: &mut F,
    mut conditions: watch::Receiver<Conditions>,
    queues: Queues,
    Seen { watch, progress }: Seen<'_>,
) {
    let Queues { own: queue, other } = queues;
    let endings_before = conditions.borrow().endings.0;
    let mut buffer = vec![0; FIRST_CHUNK];
    loop {
        if audible(direction, &mut conditions).await.is_err() {
            return;
        }
        let read = tokio::select! {
            biased;
            _ = conditions.changed() => continue,
            read = from.read(&mut buffer) => read,
        };
        let (condition, was_ended) = {
            let now = conditions.borrow_and_update();
            (now.of(direction), now.endings.0 != endings_before)
        };
        // A caller may order an end and then kill the near side: the order counts.
        if was_ended && !matches!(read, Ok(1..)) {
            return std::future::pending().await;
        }
        let due = Instant::now() + condition.delayed_by();
        match read {
            Ok(0) => {
                finish(direction, watch, &queue, due).await;
                return;
            }
            Ok(length) => {
                progress.moved();
                for piece in watch.read(direction, buffer[..length].to_vec()) {
                    if piece.reply {
                        // If the other direction is closed, the reply can't be delivered.
                        if let Some(other) = other.upgrade() {
                            let _ = other.send(due, Item::Bytes(piece)).await;
                        }
                        continue;
                    }
                    if queue.send(due, Item::Bytes(piece)).await.is_err() {
                        return;
                    }
                }
                if length == buffer.len() {
                    buffer.resize(CHUNK, 0);
                }
            }
            // The peer of a TLS or WebSocket layer closed without its closing handshake: for TCP that is an ordinary
            // FIN.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                finish(direction, watch, &queue, due).await;
                return;
            }
            Err(_) => {
                for piece in watch.flush(direction) {
                    let _ = queue.send(due, Item::Bytes(piece)).await;
                }
                // A reset is as late as bytes, and does not get through a silence either.
                until(due).await;
                let _ = audible(direction, &mut conditions).await;
                return;
            }
        }
    }
}

/// Queues what was held back, and FIN. This direction has ended even if the receiver is gone.
async fn finish(direction: PathDirection, watch: &dyn Watch, queue: &Sender, due: Instant) {
    for piece in watch.flush(direction) {
        let _ = queue.send(due, Item::Bytes(piece)).await;
    }
    let _ = queue.send(due, Item::Fin).await;
}

/// Writes what was read when it is due. `Ok` is how the direction ended; `Err` that writing failed.
async fn write<T: AsyncWrite + Unpin>(
    direction: PathDirection,
    to: &mut T,
    mut conditions: watch::Receiver<Conditions>,
    mut queued: mpsc::Receiver<Queued>,
    Seen { watch, progress }: Seen<'_>,
) -> io::Result<Ended> {
    // When the bandwidth limit allows the next bytes.
    let mut free = Instant::now();
    while let Some(Queued { due, item, room: _room }) = queued.recv().await {
        let late = if let Item::Bytes(piece) = &item { piece.late } else { Duration::ZERO };
        until(due + late).await;
        if audible(direction, &mut conditions).await.is_err() {
            break;
        }
        match item {
            Item::Bytes(piece) => {
                let mut rest = &piece.bytes[..];
                if piece.tag != 0 || piece.dropped {
                    watch.forwarding(direction, rest, piece.tag);
                }
                if piece.dropped {
                    continue;
                }
                while !rest.is_empty() {
                    let slice;
                    (slice, rest) = rest.split_at(portion(rest.len(), &conditions, direction));
                    until(free).await;
                    audible(direction, &mut conditions).await.map_err(io::Error::other)?;
                    if piece.tag == 0 {
                        watch.forwarding(direction, slice, 0);
                    }
                    write_out(to, slice, progress).await?;
                    if let Some(rate) = conditions.borrow().of(direction).bandwidth {
                        free = free.max(Instant::now() - TICK) + transfer_time(slice.len(), rate);
                    }
                }
                if piece.closes {
                    return Ok(Ended::Ordered(Ending::Close));
                }
            }
            Item::Fin => {
                to.shutdown().await?;
                return Ok(Ended::Closed(direction));
            }
        }
    }
    Ok(Ended::Broken(direction))
}

/// Writes all bytes; each part that the receiver takes counts as progress.
async fn write_out<T: AsyncWrite + Unpin>(to: &mut T, mut bytes: &[u8], progress: &Progress) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = to.write(bytes).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        progress.moved();
        bytes = &bytes[written..];
    }
    to.flush().await
}

/// tokio's timer may fire this much late: it counts whole milliseconds, and rounds up. Without credit for it, a limited
/// direction would carry small packets at a fraction of its rate.
const TICK: Duration = Duration::from_millis(2);

/// Waits until then. Does not use the timer for what is due already: even an expired timer fires at the next
/// millisecond.
async fn until(due: Instant) {
    if due > Instant::now() {
        tokio::time::sleep_until(due).await;
    }
}

/// How many bytes to write at once in a limited direction.
fn portion(length: usize, conditions: &watch::Receiver<Conditions>, direction: PathDirection) -> usize {
    /// So many pieces per second look like a slow line, not like bursts.
    const A_SECOND: u64 = 20;
    let Some(rate) = conditions.borrow().of(direction).bandwidth else { return length };
    let portion = usize::try_from(rate.get() / A_SECOND).unwrap_or(usize::MAX);
    length.min(portion.max(1))
}

fn transfer_time(bytes: usize, rate: NonZeroU64) -> Duration {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    Duration::from_secs(1).mul_f64(f64::from(bytes) / rate.get() as f64)
}

async fn audible(
    direction: PathDirection,
    conditions: &mut watch::Receiver<Conditions>,
) -> Result<(), watch::error::RecvError> {
    conditions.wait_for(|conditions| !conditions.of(direction).is_silent()).await.map(drop)
}
