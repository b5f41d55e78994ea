//! The boards of a run while it runs: the side that asks.

use tokio::sync::{mpsc, oneshot};

use crate::connection::CoordinatorAddress;
use crate::engine::Engine;
use crate::lease::{Command, LabEvent, Want};
use crate::owner::Owner;
use crate::problem::LabgridError;

/// Holds the boards of a run. Gives all of them back when it is dropped, if the runtime is still there by then; call
/// [`Leases::end`] to wait for that.
#[derive(Debug)]
pub struct Leases {
    commands: mpsc::UnboundedSender<Command>,
}

impl Leases {
    /// Begins a session and asks for boards. Events follow from now on.
    ///
    /// # Errors
    /// If the coordinator can't be reached, or the lab has fewer boards than the run needs.
    pub async fn begin(
        address: &CoordinatorAddress,
        owner: &Owner,
        want: Want,
    ) -> Result<(Self, mpsc::UnboundedReceiver<LabEvent>), LabgridError> {
        let (tell, events) = mpsc::unbounded_channel();
        let (commands, asked) = mpsc::unbounded_channel();
        let engine = Engine::open(address.clone(), owner.clone(), want, tell).await?;
        tokio::spawn(engine.run(asked));
        Ok((Self { commands }, events))
    }

    /// Gives a place back that the run does not need any more; it is not asked for again.
    pub fn give_back(&self, place: &str) {
        self.ask(Command::GiveBack(place.to_owned()));
    }

    /// Gives a place back that can't be used on its host, such as a board that a person uses there. Another one is tried.
    pub fn refuse(&self, place: &str, why: &str) {
        self.ask(Command::Refuse(place.to_owned(), why.to_owned()));
    }

    /// Gives everything back. Takes up to 20 s if the coordinator does not answer.
    pub async fn end(self) {
        let (done, is_done) = oneshot::channel();
        self.ask(Command::End(done));
        // An engine that has ended has given everything back.
        let _ = is_done.await;
    }

    fn ask(&self, command: Command) {
        // An engine that has ended has nothing any more.
        let _ = self.commands.send(command);
    }
}
