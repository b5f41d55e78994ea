//! A host from its connection to open boards.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hil_timeline::{BoardInfo, Epoch, HostName};
use tokio::sync::mpsc;

use super::connection::{Connection, FromHost};
use super::error::{HostError, Why};
use super::spec::HostSpec;
use crate::clock::Offset;
use crate::project::Project;
use crate::protocol::{CHUNK, Finished, Fit, Hello, Opened, ToAgent, ToHead, Work};

/// What a user should know of a host at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The host waits for a board that another process uses.
    Waiting {
        /// The host.
        host: HostName,
        /// The board.
        board: String,
        /// Who uses it.
        holder: Option<String>,
    },
    /// The command or the agent printed a line.
    Said {
        /// The host.
        host: HostName,
        /// The line.
        line: String,
    },
}

/// Takes notices.
pub type Notices = Arc<dyn Fn(Notice) + Send + Sync>;

/// How hosts are connected to.
#[derive(Clone)]
pub struct Connecting {
    /// The command in place of `ssh`.
    pub ssh: Option<String>,
    /// Version of `hil`.
    pub version: String,
    /// The clock of the run.
    pub epoch: Epoch,
    /// What the user should know.
    pub notices: Notices,
}

/// A host whose agent has said hello.
pub struct Host {
    pub(super) connection: Connection,
    pub(super) hello: Hello,
    pub(super) fits: Vec<Fit>,
    /// The same, if all boards of its bench could be used.
    could_fit: Vec<Fit>,
    pub(super) opened: Option<Opened>,
    /// The place of its clock, from the first measurement.
    pub(super) offset: Option<Offset>,
    notices: Notices,
}

impl Host {
    /// Connects to a host; it holds nothing yet.
    ///
    /// # Errors
    /// When it can't be reached, or has no agent that this program understands.
    pub async fn connect(spec: HostSpec, how: &Connecting) -> Result<Self, HostError> {
        let opening = Connection::open(spec, how.ssh.as_deref(), &how.version, how.epoch);
        let (connection, hello) = opening.await?;
        let notices = Arc::clone(&how.notices);
        Ok(Self { connection, hello, fits: Vec::new(), could_fit: Vec::new(), opened: None, offset: None, notices })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &HostName {
        &self.connection.spec.name
    }

    /// What its agent said.
    #[must_use]
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Which scenarios its bench can run; empty before [`Host::prepare`].
    #[must_use]
    pub fn fits(&self) -> &[Fit] {
        &self.fits
    }

    /// Which scenarios its bench could run if all of its boards might be used: those that are missing may join.
    #[must_use]
    pub fn could_fit(&self) -> &[Fit] {
        &self.could_fit
    }

    /// Its boards as reports show them; empty before [`Host::open`].
    #[must_use]
    pub fn boards(&self) -> Vec<BoardInfo> {
        let boards = self.opened.iter().flat_map(|opened| &opened.boards).cloned();
        boards.map(|board| BoardInfo { host: Some(self.name().clone()), ..board }).collect()
    }

    /// The boards that may be used there.
    fn allows(&self, board: &str) -> bool {
        self.connection.spec.boards.as_ref().is_none_or(|boards| boards.contains(board))
    }

    /// Sends what is to run, and the files that the host lacks; asks which scenarios its bench can run.
    ///
    /// # Errors
    /// When the agent refuses, or the connection ends.
    pub async fn prepare(&mut self, work: Work, project: &Project) -> Result<(), HostError> {
        self.connection.send(ToAgent::Work(Box::new(work))).await;
        loop {
            match self.answer().await? {
                ToHead::Missing(hashes) => {
                    drop(tokio::spawn(send_files(self.connection.sender(), hashes, project.clone())))
                }
                ToHead::Checked(fits) => {
                    self.fits = fits.iter().map(|fit| self.restricted(fit.clone())).collect();
                    self.could_fit = fits;
                    return Ok(());
                }
                _ => {}
            }
        }
    }

    /// A scenario that names a board which may not be used does not fit.
    fn restricted(&self, mut fit: Fit) -> Fit {
        fit.roles.iter_mut().for_each(|role| role.boards.retain(|board| self.allows(board)));
        if let Some(role) = fit.roles.iter().find(|role| role.boards.is_empty()) {
            let host = self.name();
            fit.problems
                .push(format!("no board of host `{host}` that this run may use plays the role `{}`", role.role));
        }
        let refused = fit.boards.iter().find(|board| !self.allows(board));
        if let Some(board) = refused {
            fit.problems
                .push(format!("board `{board}` of host `{}` is not among those that this run may use", self.name()));
        }
        fit
    }

    /// Claims boards and opens them, and waits until the place of its clock is known.
    ///
    /// # Errors
    /// When a board can't be opened, or the connection ends.
    pub async fn open(&mut self, boards: BTreeSet<String>) -> Result<(), HostError> {
        self.connection.send(ToAgent::Open { boards }).await;
        while self.opened.is_none() || self.offset.is_none() {
            if let ToHead::Opened(opened) = self.answer().await? {
                self.opened = Some(opened);
            }
        }
        Ok(())
    }

    /// The next message; shows what users should know. Also returns when the clock was measured.
    async fn answer(&mut self) -> Result<ToHead, HostError> {
        match self.connection.next().await {
            FromHost::Message(ToHead::Refused(refusal)) => Err(self.error(Why::Refused(refusal))),
            FromHost::Message(ToHead::Waiting { board, holder }) => {
                (self.notices)(Notice::Waiting { host: self.name().clone(), board, holder });
                Ok(ToHead::Pong { n: 0, at: 0 })
            }
            FromHost::Message(message) => Ok(message),
            FromHost::Clock(offset) => {
                self.offset = self.offset.or(Some(offset));
                Ok(ToHead::Pong { n: 0, at: 0 })
            }
            FromHost::Said(line) => {
                self.says(line);
                Ok(ToHead::Pong { n: 0, at: 0 })
            }
            FromHost::Gone(gone) => Err(self.error(Why::Lost(gone.to_string()))),
        }
    }

    fn error(&self, why: Why) -> HostError {
        HostError { host: self.name().clone(), why, look: self.connection.spec.look() }
    }

    /// Passes a line on to the user.
    pub(super) fn says(&self, line: String) {
        (self.notices)(Notice::Said { host: self.name().clone(), line });
    }

    /// Ends the agent in order, whatever it does, and closes the connection.
    pub async fn leave(self) {
        /// An agent that holds boards makes them safe first.
        const PATIENCE: Duration = Duration::from_secs(10);
        self.connection.send(ToAgent::Abort).await;
        self.connection.close(PATIENCE).await;
    }
}

/// Sends the files with these hashes, in chunks.
async fn send_files(to: mpsc::Sender<ToAgent>, hashes: Vec<String>, project: Project) {
    for sha256 in hashes {
        // A hash that was not announced: the agent waits in vain, and the user ends it.
        let Some(bytes) = project.contents(&sha256) else { continue };
        let size = bytes.len() as u64;
        if to.send(ToAgent::File { sha256, size }).await.is_err() {
            return;
        }
        for chunk in bytes.chunks(CHUNK) {
            if to.send(ToAgent::Chunk(STANDARD.encode(chunk))).await.is_err() {
                return;
            }
        }
    }
}

/// How a host ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostEnd {
    /// In order.
    Finished(Finished),
    /// It was lost.
    Lost {
        /// Why.
        why: String,
        /// The boards that its agent could not make safe, and why, if it said so.
        unsafe_rails: Vec<(String, String)>,
    },
}

impl HostEnd {
    pub(super) fn lost(why: impl Into<String>) -> Self {
        Self::Lost { why: why.into(), unsafe_rails: Vec::new() }
    }

    /// The boards that could not be made safe, and why.
    #[must_use]
    pub fn unsafe_rails(&self) -> &[(String, String)] {
        match self {
            Self::Finished(finished) => &finished.unsafe_rails,
            Self::Lost { unsafe_rails, .. } => unsafe_rails,
        }
    }
}
