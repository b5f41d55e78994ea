//! Writes the messages of an agent, in the order in which they come.
//!
//! Events are taken from the file that has them, not from memory: a head that reads slowly costs no memory, and what is
//! secret here is not sent. Standard output blocks, so a thread writes.

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hil_timeline::LineFollower;
use serde::Serialize;
use tokio::sync::{mpsc, watch};

use crate::lines;
use crate::protocol::{CHUNK, ToHead};

/// What is to be written.
#[derive(Debug)]
enum Out {
    /// A message.
    Line(String),
    /// A message after everything that is recorded so far.
    AfterRecord(String),
    /// The record and the capture, which are sent from now on.
    Record(LineFollower, PathBuf),
    /// Nothing more.
    End,
}

/// Takes messages for the head.
#[derive(Debug, Clone)]
pub(super) struct Outbox(mpsc::UnboundedSender<Out>);

/// The messages that an outbox took.
#[derive(Debug)]
pub(super) struct Kept(mpsc::UnboundedReceiver<Out>);

impl Outbox {
    pub(super) fn new() -> (Self, Kept) {
        let (send, kept) = mpsc::unbounded_channel();
        (Self(send), Kept(kept))
    }

    pub(super) fn send(&self, message: &impl Serialize) {
        // If the writer is gone, the session ends.
        let _ = self.0.send(Out::Line(lines::line(message)));
    }

    /// Sends a message after all events so far.
    pub(super) fn send_after_record(&self, message: &ToHead) {
        let _ = self.0.send(Out::AfterRecord(lines::line(message)));
    }

    /// Nothing more is sent after what was sent so far.
    pub(super) fn end(&self) {
        let _ = self.0.send(Out::End);
    }

    /// Sends events and the capture from now on.
    pub(super) fn follow(&self, record: LineFollower, capture: PathBuf) {
        let _ = self.0.send(Out::Record(record, capture));
    }
}

/// Writes until [`Outbox::end`]. `broken` turns true when the head can't be written to.
pub(super) async fn write(mut kept: Kept, to: Box<dyn Write + Send>, broken: watch::Sender<bool>) {
    let Ok((lines, written)) = thread(to) else {
        broken.send_replace(true);
        return;
    };
    let mut writer = Writer { lines, record: None };
    let mut follow = writer.follow(&mut kept).await;
    if follow.is_ok() {
        follow = writer.record_so_far().await;
    }
    drop(writer);
    if follow.is_err() || written.await.is_err() {
        broken.send_replace(true);
    }
}

/// The thread that writes, and what turns ready when it has written everything.
fn thread(
    mut to: Box<dyn Write + Send>,
) -> std::io::Result<(mpsc::Sender<String>, tokio::sync::oneshot::Receiver<()>)> {
    /// Few: the rest waits in the file.
    const WAITING: usize = 64;
    let (lines, mut waiting) = mpsc::channel::<String>(WAITING);
    let (done, written) = tokio::sync::oneshot::channel();
    let write = move || {
        while let Some(line) = waiting.blocking_recv() {
            if to.write_all(line.as_bytes()).and_then(|()| to.flush()).is_err() {
                return;
            }
        }
        let _ = done.send(());
    };
    std::thread::Builder::new().name("to head".to_owned()).spawn(write)?;
    Ok((lines, written))
}

/// The head does not read any more.
struct Broken;

struct Writer {
    lines: mpsc::Sender<String>,
    record: Option<Record>,
}

struct Record {
    events: LineFollower,
    capture: PathBuf,
    /// Opened when there is something to send.
    open: Option<File>,
}

impl Writer {
    async fn follow(&mut self, kept: &mut Kept) -> Result<(), Broken> {
        loop {
            let recorded = async {
                match &mut self.record {
                    Some(record) => record.events.recorded().await,
                    None => std::future::pending().await,
                }
            };
            let out = tokio::select! {
                biased;
                out = kept.0.recv() => out,
                () = recorded => {
                    self.events().await?;
                    continue;
                }
            };
            match out {
                None | Some(Out::End) => return Ok(()),
                Some(Out::Line(line)) => self.line(line).await?,
                Some(Out::AfterRecord(line)) => {
                    self.record_so_far().await?;
                    self.line(line).await?;
                }
                Some(Out::Record(events, capture)) => {
                    self.record = Some(Record { events, capture, open: None });
                    self.events().await?;
                }
            }
        }
    }

    async fn line(&self, line: String) -> Result<(), Broken> {
        self.lines.send(line).await.map_err(|_| Broken)
    }

    /// Sends the events that the file has by now.
    async fn events(&mut self) -> Result<(), Broken> {
        let Some(record) = &mut self.record else { return Ok(()) };
        // If the file can't be read, its end says so.
        while let Ok(Some(line)) = record.events.next_written() {
            self.lines.send(lines::event(&line)).await.map_err(|_| Broken)?;
        }
        Ok(())
    }

    /// Sends the events and the capture that the files have by now.
    async fn record_so_far(&mut self) -> Result<(), Broken> {
        self.events().await?;
        let Some(record) = &mut self.record else { return Ok(()) };
        if record.open.is_none() {
            record.open = hil_files::open(&record.capture, hil_files::Links::Refuse).ok();
        }
        let Some(capture) = &mut record.open else { return Ok(()) };
        let mut chunk = vec![0; CHUNK];
        while let Ok(length @ 1..) = capture.read(&mut chunk) {
            let message = ToHead::Capture(STANDARD.encode(&chunk[..length]));
            self.lines.send(lines::line(&message)).await.map_err(|_| Broken)?;
        }
        Ok(())
    }
}
