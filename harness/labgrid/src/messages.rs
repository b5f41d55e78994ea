//! The messages of labgrid's coordinator that `hil` sends and reads, with the numbers of their fields.
//!
//! Written by hand from what a coordinator says about itself by gRPC reflection. Protocol Buffers skips fields that a
//! reader does not know, so that what `hil` does not use is not here.

use std::collections::HashMap;

use prost::{Message, Oneof};

/// What a client says on its stream.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ClientIn {
    #[prost(oneof = "ClientInKind", tags = "1, 2, 3")]
    pub(crate) kind: Option<ClientInKind>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum ClientInKind {
    /// Answered after all that was sent before it.
    #[prost(message, tag = "1")]
    Sync(Sync),
    /// Begins the session.
    #[prost(message, tag = "2")]
    Startup(Startup),
    /// Asks for what there is, and for each change.
    #[prost(message, tag = "3")]
    Subscribe(Subscribe),
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Sync {
    #[prost(uint64, tag = "1")]
    pub(crate) id: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Startup {
    #[prost(string, tag = "1")]
    pub(crate) version: String,
    /// `HOST/USER`, with exactly one `/`: labgrid's own clients split it there.
    #[prost(string, tag = "2")]
    pub(crate) name: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Subscribe {
    #[prost(oneof = "SubscribeKind", tags = "2, 3")]
    pub(crate) kind: Option<SubscribeKind>,
}

#[derive(Clone, Copy, PartialEq, Oneof)]
pub(crate) enum SubscribeKind {
    #[prost(bool, tag = "2")]
    AllPlaces(bool),
    #[prost(bool, tag = "3")]
    AllResources(bool),
}

/// What the coordinator says on a client's stream.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ClientOut {
    #[prost(message, optional, tag = "1")]
    pub(crate) sync: Option<Sync>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) updates: Vec<Update>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Update {
    #[prost(oneof = "UpdateKind", tags = "1, 2, 3, 4")]
    pub(crate) kind: Option<UpdateKind>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum UpdateKind {
    #[prost(message, tag = "1")]
    Resource(Resource),
    #[prost(message, tag = "2")]
    DeletedResource(ResourcePath),
    #[prost(message, tag = "3")]
    Place(Place),
    #[prost(string, tag = "4")]
    DeletedPlace(String),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Resource {
    #[prost(message, optional, tag = "1")]
    pub(crate) path: Option<ResourcePath>,
    #[prost(string, tag = "2")]
    pub(crate) class: String,
    #[prost(map = "string, message", tag = "3")]
    pub(crate) params: HashMap<String, MapValue>,
    /// The place that has it; empty if it is free.
    #[prost(string, tag = "5")]
    pub(crate) acquired: String,
    #[prost(bool, tag = "6")]
    pub(crate) is_available: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ResourcePath {
    #[prost(string, optional, tag = "1")]
    pub(crate) exporter: Option<String>,
    #[prost(string, tag = "2")]
    pub(crate) group: String,
    #[prost(string, tag = "3")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MapValue {
    #[prost(oneof = "MapValueKind", tags = "1, 2, 3, 4, 5")]
    pub(crate) kind: Option<MapValueKind>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum MapValueKind {
    #[prost(bool, tag = "1")]
    Bool(bool),
    #[prost(int64, tag = "2")]
    Int(i64),
    #[prost(uint64, tag = "3")]
    Unsigned(u64),
    #[prost(double, tag = "4")]
    Float(f64),
    #[prost(string, tag = "5")]
    Text(String),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Place {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "3")]
    pub(crate) comment: String,
    #[prost(map = "string, string", tag = "4")]
    pub(crate) tags: HashMap<String, String>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) matches: Vec<ResourceMatch>,
    /// Who has it. There, but empty, if it is free.
    #[prost(string, optional, tag = "6")]
    pub(crate) acquired: Option<String>,
    /// `EXPORTER/GROUP/CLASS/NAME` of each.
    #[prost(string, repeated, tag = "7")]
    pub(crate) acquired_resources: Vec<String>,
    /// When it was acquired, released or described, in seconds since 1970 by the coordinator's clock.
    #[prost(double, tag = "10")]
    pub(crate) changed: f64,
    /// The token of the reservation that it is allocated to.
    #[prost(string, optional, tag = "11")]
    pub(crate) reservation: Option<String>,
}

/// Which resources belong to a place: patterns with `*`, `?` and `[…]`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct ResourceMatch {
    #[prost(string, tag = "1")]
    pub(crate) exporter: String,
    #[prost(string, tag = "2")]
    pub(crate) group: String,
    #[prost(string, tag = "3")]
    pub(crate) class: String,
    #[prost(string, optional, tag = "4")]
    pub(crate) name: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PlaceName {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SetPlaceTags {
    #[prost(string, tag = "1")]
    pub(crate) place: String,
    /// An empty value removes the tag.
    #[prost(map = "string, string", tag = "2")]
    pub(crate) tags: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PlaceMatch {
    #[prost(string, tag = "1")]
    pub(crate) place: String,
    /// `EXPORTER/GROUP/CLASS[/NAME]`.
    #[prost(string, tag = "2")]
    pub(crate) pattern: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ReleasePlace {
    #[prost(string, tag = "1")]
    pub(crate) place: String,
    /// Releases it only if this is who has it.
    #[prost(string, optional, tag = "2")]
    pub(crate) from: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct CreateReservation {
    #[prost(map = "string, message", tag = "1")]
    pub(crate) filters: HashMap<String, Filter>,
    #[prost(double, tag = "2")]
    pub(crate) priority: f64,
}

/// Tags that a place must have, with exactly these values.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Filter {
    #[prost(map = "string, string", tag = "1")]
    pub(crate) tags: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Reservation {
    /// The name of the session that created it.
    #[prost(string, tag = "1")]
    pub(crate) owner: String,
    #[prost(string, tag = "2")]
    pub(crate) token: String,
    #[prost(int32, tag = "3")]
    pub(crate) state: i32,
    #[prost(map = "string, message", tag = "5")]
    pub(crate) filters: HashMap<String, Filter>,
    #[prost(map = "string, string", tag = "6")]
    pub(crate) allocations: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ReservationReply {
    #[prost(message, optional, tag = "1")]
    pub(crate) reservation: Option<Reservation>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Reservations {
    #[prost(message, repeated, tag = "1")]
    pub(crate) reservations: Vec<Reservation>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Token {
    #[prost(string, tag = "1")]
    pub(crate) token: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Nothing {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_place_has_an_empty_holder() {
        // As a coordinator of labgrid 26.0.1 sends it: the name, one tag, a holder that is there and empty.
        let bytes = b"\x0a\x04lamp\x22\x11\x0a\x08hil_chip\x12\x05esp32\x32\x00";
        let place = Place::decode(bytes.as_slice()).expect("a place");
        assert_eq!((place.name.as_str(), place.acquired.as_deref()), ("lamp", Some("")));
        assert_eq!(place.tags["hil_chip"], "esp32");
    }
}
