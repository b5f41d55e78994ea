//! A client's session with a coordinator: its stream first, then calls over the same connection.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt as _;
use tonic::{Status, Streaming};

use crate::connection::{Connection, CoordinatorAddress};
use crate::messages::{
    self, ClientIn, ClientInKind, ClientOut, CreateReservation, Filter, Nothing, PlaceMatch, PlaceName, ReleasePlace,
    ReservationReply, Reservations, SetPlaceTags, Startup, Subscribe, SubscribeKind, Token,
};
use crate::problem::LabgridError;
use crate::reservation::Reservation;
use crate::view::View;

/// How long the coordinator may take to describe the lab, or to answer on the stream.
const DESCRIBES: Duration = Duration::from_secs(20);

/// A session: what the coordinator says about the lab, and what it is asked.
///
/// It ends when it is dropped. Places that it acquired stay acquired, as labgrid has it.
#[derive(Debug)]
pub struct Session {
    connection: Connection,
    name: String,
    says: mpsc::Sender<ClientIn>,
    heard: watch::Receiver<Heard>,
    syncs: std::sync::atomic::AtomicU64,
    listener: tokio::task::JoinHandle<()>,
}

/// What the stream has said so far.
#[derive(Debug, Clone, Default)]
struct Heard {
    view: View,
    /// The newest answer to a `Sync`.
    synced: u64,
    /// Why it ended, if it did.
    end: Option<Arc<Status>>,
}

impl Session {
    /// Begins a session under this name and reads the whole lab.
    ///
    /// # Errors
    /// If the coordinator can't be reached, does not answer within 20 s, or is none.
    pub async fn open(address: &CoordinatorAddress, name: &str) -> Result<Self, LabgridError> {
        let connection = Connection::open(address).await?;
        let (says, questions) = mpsc::channel(16);
        let version = format!("hil-{}", env!("CARGO_PKG_VERSION"));
        let begin = [
            ClientInKind::Startup(Startup { version, name: name.to_owned() }),
            ClientInKind::Subscribe(Subscribe { kind: Some(SubscribeKind::AllPlaces(true)) }),
            ClientInKind::Subscribe(Subscribe { kind: Some(SubscribeKind::AllResources(true)) }),
        ];
        for kind in begin {
            // There is room, and its reader is not gone yet.
            let _ = says.try_send(ClientIn { kind: Some(kind) });
        }
        let questions = tokio_stream::wrappers::ReceiverStream::new(questions);
        let stream = connection.stream("ClientStream", questions).await?;
        let (tell, heard) = watch::channel(Heard::default());
        let listener = tokio::spawn(listen(stream, tell));
        let syncs = std::sync::atomic::AtomicU64::new(0);
        let session = Self { connection, name: name.to_owned(), says, heard, syncs, listener };
        session.settle().await?;
        Ok(session)
    }

    /// The name of the session.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The lab as the coordinator has described it so far.
    #[must_use]
    pub fn view(&self) -> View {
        self.heard.borrow().view.clone()
    }

    /// Waits until the coordinator says something that is not in `seen`.
    ///
    /// # Errors
    /// When the session has ended.
    pub async fn changed(&self, seen: &View) -> Result<(), LabgridError> {
        self.until(|heard| heard.view != *seen).await
    }

    /// Waits until all that the coordinator has sent before this call is in the view.
    ///
    /// # Errors
    /// If it does not answer within 20 s, or the session has ended.
    pub async fn settle(&self) -> Result<(), LabgridError> {
        let id = self.syncs.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        let asked = self.says.send(ClientIn { kind: Some(ClientInKind::Sync(messages::Sync { id })) }).await;
        if asked.is_err() {
            return Err(self.end());
        }
        match tokio::time::timeout(DESCRIBES, self.until(|heard| heard.synced >= id)).await {
            Ok(result) => result,
            Err(_) => {
                let address = self.connection.address().to_string();
                Err(LabgridError::Slow { address, call: "ClientStream", within: DESCRIBES })
            }
        }
    }

    async fn until(&self, is_so: impl Fn(&Heard) -> bool) -> Result<(), LabgridError> {
        let mut heard = self.heard.clone();
        // The listener says why it ends before it drops its end.
        let reached = heard.wait_for(|heard| heard.end.is_some() || is_so(heard)).await;
        match reached {
            Ok(heard) if heard.end.is_none() => Ok(()),
            _ => Err(self.end()),
        }
    }

    fn end(&self) -> LabgridError {
        match &self.heard.borrow().end {
            Some(status) => self.connection.error("ClientStream", status),
            None => LabgridError::Gone {
                address: self.connection.address().to_string(),
                reason: "the stream ended".to_owned(),
            },
        }
    }

    async fn call<Q, R>(&self, call: &'static str, question: Q) -> Result<R, LabgridError>
    where
        Q: prost::Message + 'static,
        R: prost::Message + Default + 'static,
    {
        // A new connection would have no session.
        if self.heard.borrow().end.is_some() {
            return Err(self.end());
        }
        self.connection.call(call, question).await
    }

    /// Acquires a place for this session, with all resources that are there.
    ///
    /// # Errors
    /// If another session has it, or an exporter does not give a resource.
    pub async fn acquire(&self, place: &str) -> Result<(), LabgridError> {
        let Nothing {} = self.call("AcquirePlace", PlaceName { name: place.to_owned() }).await?;
        self.settle().await
    }

    /// Releases a place if this session has it.
    ///
    /// # Errors
    /// If there is no such place.
    pub async fn release(&self, place: &str) -> Result<(), LabgridError> {
        self.release_from(place, &self.name).await
    }

    /// Releases a place if that session has it.
    ///
    /// # Errors
    /// If there is no such place.
    pub async fn release_from(&self, place: &str, holder: &str) -> Result<(), LabgridError> {
        release(&self.connection, place, holder).await?;
        self.settle().await
    }

    /// Reserves a place that has these tags, each with exactly this value; `name` is the name of the place. Among waiting
    /// reservations, a higher priority comes first, then the older one.
    ///
    /// # Errors
    /// If a tag can't be one.
    pub async fn reserve(&self, tags: &BTreeMap<String, String>, priority: f64) -> Result<Reservation, LabgridError> {
        let tags: HashMap<_, _> = tags.clone().into_iter().collect();
        let question = CreateReservation { filters: HashMap::from([("main".to_owned(), Filter { tags })]), priority };
        let reply: ReservationReply = self.call("CreateReservation", question).await?;
        self.settle().await?;
        Ok(Reservation::from(reply.reservation.unwrap_or_default()))
    }

    /// Keeps a reservation for another 60 s; none if there is no such reservation any more.
    ///
    /// # Errors
    /// If the coordinator does not answer.
    pub async fn poll(&self, token: &str) -> Result<Option<Reservation>, LabgridError> {
        match self.call::<_, ReservationReply>("PollReservation", Token { token: token.to_owned() }).await {
            Ok(reply) => Ok(reply.reservation.map(Reservation::from)),
            Err(LabgridError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Cancels a reservation, if it is still there.
    ///
    /// # Errors
    /// If the coordinator does not answer.
    pub async fn cancel(&self, token: &str) -> Result<(), LabgridError> {
        cancel(&self.connection, token).await
    }

    /// All reservations.
    ///
    /// # Errors
    /// If the coordinator does not answer.
    pub async fn reservations(&self) -> Result<Vec<Reservation>, LabgridError> {
        let reply: Reservations = self.call("GetReservations", Nothing {}).await?;
        Ok(reply.reservations.into_iter().map(Reservation::from).collect())
    }

    pub(crate) async fn add_place(&self, name: &str) -> Result<(), LabgridError> {
        let Nothing {} = self.call("AddPlace", PlaceName { name: name.to_owned() }).await?;
        Ok(())
    }

    /// Deletes a place, even one that a session has.
    ///
    /// # Errors
    /// If there is no such place.
    pub async fn delete_place(&self, name: &str) -> Result<(), LabgridError> {
        let Nothing {} = self.call("DeletePlace", PlaceName { name: name.to_owned() }).await?;
        Ok(())
    }

    /// Sets tags; an empty value removes one.
    pub(crate) async fn set_tags(&self, place: &str, tags: &BTreeMap<String, String>) -> Result<(), LabgridError> {
        let tags = tags.clone().into_iter().collect();
        let Nothing {} = self.call("SetPlaceTags", SetPlaceTags { place: place.to_owned(), tags }).await?;
        Ok(())
    }

    pub(crate) async fn add_match(&self, place: &str, pattern: &str) -> Result<(), LabgridError> {
        let question = PlaceMatch { place: place.to_owned(), pattern: pattern.to_owned() };
        let Nothing {} = self.call("AddPlaceMatch", question).await?;
        Ok(())
    }

    pub(crate) async fn delete_match(&self, place: &str, pattern: &str) -> Result<(), LabgridError> {
        let question = PlaceMatch { place: place.to_owned(), pattern: pattern.to_owned() };
        let Nothing {} = self.call("DeletePlaceMatch", question).await?;
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// Releases a place if that session has it. Needs no session.
pub(crate) async fn release(connection: &Connection, place: &str, holder: &str) -> Result<(), LabgridError> {
    let question = ReleasePlace { place: place.to_owned(), from: Some(holder.to_owned()) };
    let Nothing {} = connection.call("ReleasePlace", question).await?;
    Ok(())
}

/// Cancels a reservation, if it is still there. Needs no session.
pub(crate) async fn cancel(connection: &Connection, token: &str) -> Result<(), LabgridError> {
    match connection.call::<_, Nothing>("CancelReservation", Token { token: token.to_owned() }).await {
        Ok(Nothing {}) | Err(LabgridError::Refused { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn listen(mut stream: Streaming<ClientOut>, tell: watch::Sender<Heard>) {
    loop {
        match stream.next().await {
            Some(Ok(message)) => tell.send_modify(|heard| {
                heard.synced = message.sync.map_or(heard.synced, |sync| sync.id);
                heard.view.apply(message);
            }),
            Some(Err(status)) => {
                tell.send_modify(|heard| heard.end = Some(Arc::new(status)));
                return;
            }
            None => {
                let status = Status::unavailable("the stream ended");
                tell.send_modify(|heard| heard.end = Some(Arc::new(status)));
                return;
            }
        }
    }
}
