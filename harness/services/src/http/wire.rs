//! Reads requests and responses from the bytes of a connection, while they pass (RFC 9112).
//!
//! What is recorded is what was on the wire, not what the server meant to send.

use std::collections::VecDeque;

/// A request or a response that is not complete after this many bytes of its head is not read.
const LONGEST_HEAD: usize = 64 * 1024;
/// How many headers are looked at.
const MOST_HEADERS: usize = 64;

/// The head of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestHead {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) range: Option<String>,
}

/// The head of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResponseHead {
    pub(super) path: String,
    pub(super) status: u16,
    pub(super) length: Option<u64>,
    pub(super) content_range: Option<String>,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Read {
    Request(RequestHead),
    Response(ResponseHead),
    /// So many bytes of the body of the latest response, without those of its coding.
    Body(u64),
}

/// What comes next in a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Head,
    /// So many bytes.
    Body(u64),
    /// A line with the size of a chunk.
    ChunkSize,
    /// The rest of a chunk, and the end of line after it.
    Chunk(u64),
    ChunkEnd,
    /// Lines up to an empty one.
    Trailers,
    /// All bytes up to the end of the connection.
    Rest,
    /// It is not HTTP, or not readable.
    Unknown,
}

/// One direction of a connection.
#[derive(Debug)]
struct Stream {
    next: Next,
    /// Bytes of an incomplete head or line.
    held: Vec<u8>,
}

impl Default for Stream {
    fn default() -> Self {
        Self { next: Next::Head, held: Vec::new() }
    }
}

/// Both directions of a connection.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    up: Stream,
    down: Stream,
    /// Requests without a response: method and path.
    pending: VecDeque<(String, String)>,
}

impl Exchanges {
    /// Bytes that the board sends.
    pub(super) fn sent(&mut self, bytes: &[u8]) -> Vec<Read> {
        let (mut read, pending) = (Vec::new(), &mut self.pending);
        self.up.push(
            bytes,
            &mut |head| {
                let (request, next) = request_head(head)?;
                pending.push_back((request.method.clone(), request.path.clone()));
                Ok(Some((Read::Request(request), next)))
            },
            &mut read,
        );
        // The content of requests is not looked at.
        read.retain(|read| !matches!(read, Read::Body(_)));
        read
    }

    /// Bytes that the board gets.
    pub(super) fn received(&mut self, bytes: &[u8]) -> Vec<Read> {
        let (mut read, pending) = (Vec::new(), &mut self.pending);
        self.down.push(bytes, &mut |head| response_head(head, pending), &mut read);
        read
    }
}

/// What a head says, and what follows it; none for a head that is only on the way to another one.
type Head = Result<Option<(Read, Next)>, ()>;

impl Stream {
    fn push(&mut self, mut bytes: &[u8], head: &mut dyn FnMut(&[u8]) -> Head, read: &mut Vec<Read>) {
        while !bytes.is_empty() {
            match self.next {
                Next::Unknown => return,
                Next::Rest => {
                    read.push(Read::Body(bytes.len() as u64));
                    return;
                }
                Next::Body(left) => {
                    let taken = left.min(bytes.len() as u64);
                    bytes = self.take_body(bytes, taken, read);
                    self.next = if left == taken { Next::Head } else { Next::Body(left - taken) };
                }
                Next::Chunk(left) => {
                    let taken = left.min(bytes.len() as u64);
                    bytes = self.take_body(bytes, taken, read);
                    self.next = if left == taken { Next::ChunkEnd } else { Next::Chunk(left - taken) };
                }
                Next::Head => {
                    bytes = self.take_until(b"\r\n\r\n", bytes, |stream, text| match head(text) {
                        Ok(Some((what, next))) => {
                            read.push(what);
                            stream.next = next;
                        }
                        Ok(None) => {}
                        Err(()) => stream.next = Next::Unknown,
                    })
                }
                Next::ChunkSize => {
                    bytes = self.take_until(b"\r\n", bytes, |stream, line| {
                        stream.next = match chunk_size(line) {
                            Some(0) => Next::Trailers,
                            Some(size) => Next::Chunk(size),
                            None => Next::Unknown,
                        };
                    })
                }
                Next::ChunkEnd => bytes = self.take_until(b"\r\n", bytes, |stream, _| stream.next = Next::ChunkSize),
                Next::Trailers => {
                    bytes = self.take_until(b"\r\n", bytes, |stream, line| {
                        if line == b"\r\n" {
                            stream.next = Next::Head;
                        }
                    })
                }
            }
            if self.next == Next::Body(0) {
                self.next = Next::Head;
            }
        }
    }

    fn take_body<'a>(&self, bytes: &'a [u8], taken: u64, read: &mut Vec<Read>) -> &'a [u8] {
        if taken > 0 {
            read.push(Read::Body(taken));
        }
        bytes.get(usize::try_from(taken).unwrap_or(usize::MAX)..).unwrap_or_default()
    }

    /// Takes bytes up to and with `end`; what is incomplete is held.
    fn take_until<'a>(&mut self, end: &[u8], bytes: &'a [u8], act: impl FnOnce(&mut Self, &[u8])) -> &'a [u8] {
        let before = self.held.len();
        self.held.extend_from_slice(bytes);
        let from = before.saturating_sub(end.len() - 1);
        match self.held[from..].windows(end.len()).position(|window| window == end) {
            Some(at) => {
                let length = from + at + end.len();
                let mut text = std::mem::take(&mut self.held);
                text.truncate(length);
                act(self, &text);
                &bytes[length - before..]
            }
            None => {
                if self.held.len() > LONGEST_HEAD {
                    (self.next, self.held) = (Next::Unknown, Vec::new());
                }
                &[]
            }
        }
    }
}

fn request_head(head: &[u8]) -> Result<(RequestHead, Next), ()> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        _ => return Err(()),
    }
    let (Some(method), Some(path)) = (request.method, request.path) else { return Err(()) };
    let next = match (chunked(request.headers), length(request.headers)) {
        (true, _) => Next::ChunkSize,
        (false, length) => Next::Body(length.unwrap_or(0)),
    };
    let range = value(request.headers, "range");
    Ok((RequestHead { method: method.to_owned(), path: path.to_owned(), range }, next))
}

fn response_head(head: &[u8], pending: &mut VecDeque<(String, String)>) -> Head {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        _ => return Err(()),
    }
    let status = response.code.ok_or(())?;
    if (100..200).contains(&status) {
        return Ok(None);
    }
    let (method, path) = pending.pop_front().unwrap_or_default();
    let length = length(response.headers);
    let has_no_body = method == "HEAD" || matches!(status, 204 | 304);
    let next = match (has_no_body, chunked(response.headers), length) {
        (true, ..) => Next::Body(0),
        (_, true, _) => Next::ChunkSize,
        (.., Some(length)) => Next::Body(length),
        _ => Next::Rest,
    };
    let content_range = value(response.headers, "content-range");
    Ok(Some((Read::Response(ResponseHead { path, status, length, content_range }), next)))
}

fn value(headers: &[httparse::Header<'_>], name: &str) -> Option<String> {
    let found = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
    Some(String::from_utf8_lossy(found.value).trim().to_owned())
}

fn length(headers: &[httparse::Header<'_>]) -> Option<u64> {
    value(headers, "content-length")?.parse().ok()
}

fn chunked(headers: &[httparse::Header<'_>]) -> bool {
    value(headers, "transfer-encoding").is_some_and(|coding| coding.to_ascii_lowercase().ends_with("chunked"))
}

/// The size of a chunk (RFC 9112 §7.1), without its extensions.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line).ok()?;
    u64::from_str_radix(text.split([';', '\r']).next()?.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use hil_fuzz::{Corpus, Random, fuzz};

    use super::*;

    const REQUESTS: &[u8] = b"GET /a HTTP/1.1\r\nHost: h\r\nRange: bytes=0-9\r\n\r\n\
        POST /b HTTP/1.1\r\nContent-Length: 4\r\n\r\nbodyHEAD /c HTTP/1.1\r\n\r\nGET /d HTTP/1.1\r\n\r\n";
    const RESPONSES: &[u8] =
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\nContent-Range: bytes 0-2/9\r\n\r\nabc\
        HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n\
        HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\
        HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n";

    /// Bodies are joined: how they are cut depends on how the bytes came.
    fn joined(all: Vec<Read>) -> Vec<Read> {
        let mut joined: Vec<Read> = Vec::new();
        for read in all {
            match (joined.last_mut(), &read) {
                (Some(Read::Body(before)), Read::Body(more)) => *before += more,
                _ => joined.push(read),
            }
        }
        joined
    }

    fn in_pieces(bytes: &[u8], length: usize, mut push: impl FnMut(&[u8]) -> Vec<Read>) -> Vec<Read> {
        joined(bytes.chunks(length).flat_map(&mut push).collect())
    }

    #[test]
    fn requests_and_responses_are_read_however_they_are_cut() {
        for length in [1, 2, 7, 1000] {
            let mut exchanges = Exchanges::default();
            let requests = in_pieces(REQUESTS, length, |bytes| exchanges.sent(bytes));
            let request = |method: &str, path: &str, range: Option<&str>| {
                let (method, path) = (method.to_owned(), path.to_owned());
                Read::Request(RequestHead { method, path, range: range.map(str::to_owned) })
            };
            let expected = [
                request("GET", "/a", Some("bytes=0-9")),
                request("POST", "/b", None),
                request("HEAD", "/c", None),
                request("GET", "/d", None),
            ];
            assert_eq!(requests, expected, "{length}");
            let responses = in_pieces(RESPONSES, length, |bytes| exchanges.received(bytes));
            let response = |path: &str, status, length, range: Option<&str>| {
                let content_range = range.map(str::to_owned);
                Read::Response(ResponseHead { path: path.to_owned(), status, length, content_range })
            };
            let expected = [
                response("/a", 206, Some(3), Some("bytes 0-2/9")),
                Read::Body(3),
                response("/b", 405, Some(0), None),
                response("/c", 200, Some(9), None),
                response("/d", 200, None, None),
                Read::Body(5),
            ];
            assert_eq!(responses, expected, "{length}");
        }
    }

    #[test]
    fn what_is_not_http_is_left_alone() {
        let mut exchanges = Exchanges::default();
        assert_eq!(exchanges.sent(b"\x16\x03\x01 hello\r\n\r\nGET / HTTP/1.1\r\n\r\n"), []);
        assert_eq!(exchanges.sent(&vec![b'x'; 2 * LONGEST_HEAD]), []);
    }

    #[test]
    fn a_board_may_send_any_bytes() {
        let words: [&[u8]; 6] = [
            b"\r\n\r\n",
            b"Content-Length: 99999999999999999999",
            b"chunked",
            b"ffffffffffffffff\r\n",
            b"0\r\n\r\n",
            b"HTTP/1.1",
        ];
        let corpus = Corpus::new([REQUESTS.to_vec(), RESPONSES.to_vec()]).with_words(words);
        fuzz("http", &corpus, 10_000, |bytes| {
            let mut random = Random::new(bytes.len() as u64);
            let mut exchanges = Exchanges::default();
            let mut rest = bytes;
            let mut sum = 0;
            while !rest.is_empty() {
                let (part, later) = rest.split_at(1 + random.below(rest.len()));
                exchanges.sent(part);
                for read in exchanges.received(part) {
                    sum += if let Read::Body(length) = read { length } else { 0 };
                }
                rest = later;
            }
            assert!(sum <= bytes.len() as u64);
            crate::sntp::any_bytes(bytes);
            let _ = super::super::range::Range::of(std::str::from_utf8(bytes).ok(), 1000);
        });
    }
}
