//! Accepts connections of boards and connects each to the broker.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hil_link::{Ending, Port, RelayConnection, Shortage, Watch, relay};
use hil_timeline::{ConnectionChange, What};
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::connection_recorder::ConnectionRecorder;
use super::layers::{self, BoardConnection, FirstBytes, TlsMode, Unconnected};
use super::state::{Route, TapState};
use crate::capture::Wire;
use crate::endpoint::{Endpoint, Transport};

/// Accepts connections.
pub(super) async fn accept(mut port: Port, state: Arc<TapState>) {
    // The latest error is recorded already.
    let mut recorded = false;
    loop {
        match port.accept().await {
            Ok((board, from)) => {
                recorded = false;
                tokio::spawn(serve(board, from, Arc::clone(&state)));
            }
            Err(error) => state.record_shortage(&error, &mut recorded),
        }
    }
}

async fn serve(near: TcpStream, from: SocketAddr, state: Arc<TapState>) {
    let mut route_now = state.route.subscribe();
    let Some(route) = route_now.borrow_and_update().clone() else {
        hil_link::reset(near);
        return;
    };
    if !state.peers.is_expected(from.ip()) {
        hil_link::reset(near);
        state.record_unexpected_peer(&route.recorder, from);
        return;
    }
    let connection = state.next_connection();
    let (board, peer) = (state.board.clone(), Some(from));
    let tell = |change| route.recorder.record(What::Connection { board: board.clone(), connection, peer, change });
    let opened = tell(ConnectionChange::Opened).at;
    // Libraries hide a shortage: it shows only as silence.
    let _ = Shortage::look();
    let handle = hil_link::ConnectionHandle::of(&near);
    let tls = state.tls();
    let path = tokio::select! {
        biased;
        // The scenario ended, or the broker was restarted: this is not a refusal.
        _ = route_now.changed() => {
            handle.close_with_reset();
            tell(ConnectionChange::Closed { how: "reset by the bench".to_owned() });
            return;
        }
        ending = state.control.next_ending() => {
            match ending {
                Ending::Reset => handle.close_with_reset(),
                Ending::Close => handle.close_in_order(),
                Ending::Abandon => {}
            }
            let how = if ending == Ending::Reset { "reset by the bench" } else { "closed by the bench" };
            tell(ConnectionChange::Closed { how: how.to_owned() });
            return;
        }
        path = connect_path(near, &route, &state, &tls) => path,
    };
    match path {
        Ok((near, far)) => {
            for layer in near.layers {
                tell(ConnectionChange::Upgraded { layer });
            }
            let opaque = matches!(tls, TlsMode::PassThrough) && near.transport == Transport::Tls;
            let wire = route.capture.as_ref();
            let wire = wire.map(|capture| Wire::new(capture, &state.board, (connection, from), opened, opaque));
            let watch =
                ConnectionRecorder::new(Arc::clone(&state), (connection, from), route.recorder.clone(), wire, opaque);
            let watch = Arc::new(watch);
            let ended = relay(near.connection, far, &state.control, Arc::clone(&watch) as Arc<dyn Watch>).await;
            watch.finish(ended);
        }
        Err(Unconnected { reason, alert }) => {
            tell(ConnectionChange::Refused { reason, alert });
            // A reset does not get through a silence.
            state.control.audible().await;
            handle.close_with_reset();
        }
    }
}

/// Opens both sides of a path. While the network is silent, not even the broker sees a new connection.
async fn connect_path(
    near: TcpStream,
    route: &Route,
    state: &TapState,
    tls: &TlsMode,
) -> Result<(BoardConnection, RelayConnection), Unconnected> {
    state.control.audible().await;
    let early = match &route.offers.boards[..] {
        // The broker sees the connection before its first byte.
        [only @ Endpoint { transport: Transport::Tcp, .. }] => Some((only, only.connect_tcp().await?)),
        _ => None,
    };
    let first = tokio::select! {
        biased;
        first = layers::sniff(&near) => first,
        // If the broker closes the connection or sends first, the board must see it at once.
        () = broker_speaks(early.as_ref().map(|(_, far)| far)) => FirstBytes::Mqtt,
    };
    let opaque = first == FirstBytes::Tls && matches!(tls, TlsMode::PassThrough);
    let must_show = state.requires_certificate.load(Ordering::Relaxed);
    let near = layers::accept(near, first, (tls, must_show), &state.control).await?;
    let endpoint = route.offers.for_boards(near.transport);
    let endpoint = endpoint.ok_or_else(|| "the broker has no endpoint for this transport".to_owned())?;
    if opaque {
        if endpoint.transport != Transport::Tls {
            return Err("the board starts TLS, but the broker has no TLS endpoint to pass it through to"
                .to_owned()
                .into());
        }
        return Ok((near, RelayConnection::plain(endpoint.connect_tcp().await?)));
    }
    if let Some((endpoint, far)) = early {
        return Ok((near, endpoint.plain(far)));
    }
    let identity = route.identity.clone().filter(|_| near.has_certificate);
    let far = endpoint.with_identity(identity).connect_board().await?;
    Ok((near, far))
}

/// Waits until a broker's connection has something to read, or has ended.
async fn broker_speaks(far: Option<&TcpStream>) {
    let Some(far) = far else { return std::future::pending().await };
    // The relay handles the end: reading a reset here would consume it.
    if far.ready(Interest::READABLE).await.is_ok_and(|ready| !ready.is_read_closed()) {
        let _ = far.peek(&mut [0]).await;
    }
}
