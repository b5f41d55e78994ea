//! The answer to a request (RFC 9110).

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HOST, IF_NONE_MATCH, IF_RANGE, LOCATION,
    RANGE,
};
use http::response::Builder;
use http::{HeaderName, Method, Request, Response, StatusCode};

use super::body::{FileBody, Finish};
use super::offer::{Act, Behaviour, Files, MOVED, Offer, Stop};
use super::range::Range;

/// How a board has reached the server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reached {
    pub(super) scheme: &'static str,
    pub(super) port: u16,
}

impl Reached {
    /// What comes before the path in a URL. Some clients, such as MicroPython's `requests`, leave the port out of `Host`.
    fn origin(self, host: &str) -> String {
        let Self { scheme, port } = self;
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        if has_port { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{port}") }
    }
}

/// Answers a request; `finish` is how the connection may end.
pub(super) fn answer<B>(
    files: &Files,
    request: &Request<B>,
    reached: Reached,
    finish: &Arc<Finish>,
) -> Response<FileBody> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return built(
            Response::builder().status(StatusCode::METHOD_NOT_ALLOWED).header(ALLOW, "GET, HEAD"),
            "",
            finish,
        );
    }
    let path = request.uri().path();
    let Some((offer, is_moved)) = files.at(path) else {
        return built(Response::builder().status(StatusCode::NOT_FOUND), "there is no such file\n", finish);
    };
    let _turn = offer.turn();
    let behaviour = offer.next_behaviour();
    let counts = request.method() == Method::GET;
    if let Some(status) = behaviour.status {
        happens(&offer, Act::Status, counts);
        return built(Response::builder().status(status), "the bench answers like this\n", finish);
    }
    if behaviour.redirect && !is_moved {
        happens(&offer, Act::Redirect, counts && behaviour.only_redirects());
        let host = header(request, &HOST).map_or(String::new(), |host| reached.origin(host));
        let to = Response::builder().status(StatusCode::FOUND).header(LOCATION, format!("{host}{MOVED}{path}"));
        return built(to, "", finish);
    }
    let etag = offer.etag();
    let known = header(request, &IF_NONE_MATCH);
    if known.is_some_and(|tags| tags.split(',').any(|tag| matches_tag(tag, &etag))) {
        return Response::builder()
            .status(StatusCode::NOT_MODIFIED)
            .header(ETAG, etag)
            .body(FileBody::default())
            .unwrap_or_default();
    }
    file(request, &offer, &behaviour, finish)
}

/// Something that was asked for happens, and maybe counts as one of `times`.
fn happens(offer: &Offer, act: Act, counts: bool) {
    offer.happens(act);
    if counts {
        offer.count();
    }
}

/// The file, or the part of it that is asked for.
fn file<B>(request: &Request<B>, offer: &Offer, behaviour: &Behaviour, finish: &Arc<Finish>) -> Response<FileBody> {
    let (size, etag) = (offer.size(), offer.etag());
    let is_get = request.method() == Method::GET;
    // A range of another version is not what the client wants (RFC 9110 §13.1.5).
    let is_same = header(request, &IF_RANGE).is_none_or(|tag| tag.trim() == etag);
    let range = header(request, &RANGE).filter(|_| is_same && is_get);
    let asked = range.filter(|_| behaviour.ranges);
    let mut head = Response::builder().header(CONTENT_TYPE, "application/octet-stream").header(ETAG, etag);
    if behaviour.ranges {
        head = head.header(ACCEPT_RANGES, "bytes");
    }
    let (first, last) = match Range::of(asked, size) {
        Range::Whole => (0, size),
        Range::Part(first, last) => {
            head =
                head.status(StatusCode::PARTIAL_CONTENT).header(CONTENT_RANGE, format!("bytes {first}-{last}/{size}"));
            (first, last + 1)
        }
        Range::Beyond => {
            let head = head.status(StatusCode::RANGE_NOT_SATISFIABLE).header(CONTENT_RANGE, format!("bytes */{size}"));
            return built(head, "", finish);
        }
    };
    if !behaviour.chunked {
        let length = (last - first).saturating_add_signed(behaviour.length_off);
        head = head.header(CONTENT_LENGTH, length);
    }
    let end = behaviour.stop.map_or(last, |(percent, _)| (size * u64::from(percent) / 100).clamp(first, last));
    let stop = behaviour.stop.filter(|_| end < last).map(|(_, stop)| stop);
    let altered = Some(offer.middle()).filter(|middle| behaviour.altered && (first..end).contains(middle));
    if is_get {
        let now = [
            (range.is_some() && !behaviour.ranges, Act::Ranges),
            (behaviour.chunked, Act::Chunked),
            (behaviour.length_off != 0 && !behaviour.chunked, Act::Length),
        ];
        let now: Vec<_> = now.into_iter().filter(|(happens, _)| *happens).collect();
        now.iter().for_each(|(_, act)| offer.happens(*act));
        if !now.is_empty() || stop.is_some() || altered.is_some() {
            offer.count();
        }
    }
    // More is announced than there is.
    let closes = stop.or((behaviour.length_off > 0 && !behaviour.chunked).then_some(Stop::Close));
    let content = offer.content(behaviour).slice(place(first)..place(end));
    let body = FileBody::new(content, closes, finish);
    // A client that asks only for the head gets none of it.
    let body = if is_get { body.of(offer, altered.map(|at| place(at - first)), stop.is_some()) } else { body };
    head.body(body).unwrap_or_default()
}

fn place(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// A response with a text.
fn built(head: Builder, text: &'static str, finish: &Arc<Finish>) -> Response<FileBody> {
    let head = head.header(CONTENT_TYPE, "text/plain").header(CONTENT_LENGTH, text.len());
    head.body(FileBody::new(Bytes::from_static(text.as_bytes()), None, finish)).unwrap_or_default()
}

fn header<'a, B>(request: &'a Request<B>, name: &HeaderName) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

/// Compared weakly (RFC 9110 §13.1.2).
fn matches_tag(tag: &str, etag: &str) -> bool {
    let tag = tag.trim();
    tag == "*" || tag.trim_start_matches("W/") == etag
}
