//! Loads a file by HTTP/1.1 (RFC 9112).

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use embassy_time::{Duration, with_timeout};

use super::fault::{Fault, lost};
use super::stream::Stream;
use super::url::Url;

/// How long a server may be silent.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// The longest head of a response.
const HEAD: usize = 2048;
/// Bytes that are read at once.
const PIECE: usize = 1460;

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// So many bytes are left.
    Length(u64),
    /// So many bytes of a chunk are left; none: its size comes next.
    Chunked(Option<u64>),
    /// The server closes the connection.
    Close,
    /// There is nothing more.
    Ended,
}

/// What the head of a response says.
#[derive(Debug, PartialEq, Eq)]
enum Head {
    Body(Framing),
    Moved(String),
}

/// What a server answers.
pub(super) enum Answer<'a, S> {
    Body(Body<'a, S>),
    /// The file is somewhere else.
    Moved(String),
}

/// A body that is being received.
pub(super) struct Body<'a, S> {
    stream: &'a mut S,
    framing: Framing,
    /// Received, and not taken yet.
    rest: Vec<u8>,
}

/// Asks for a file.
pub(super) async fn get<'a, S: Stream>(stream: &'a mut S, url: &Url) -> Result<Answer<'a, S>, Fault> {
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}:{}\r\nAccept: application/octet-stream\r\nConnection: close\r\n\r\n",
        url.path, url.host, url.port
    );
    match with_timeout(PATIENCE, stream.send(request.as_bytes())).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => return lost("the connection was reset"),
        Err(_) => return lost("the server takes no request"),
    }
    let mut bytes = Vec::new();
    loop {
        if receive(stream, &mut bytes).await? == 0 {
            return lost("the server closed the connection before it answered");
        }
        if let Some((head, length)) = head(&bytes)? {
            bytes.drain(..length);
            return Ok(match head {
                Head::Body(framing) => Answer::Body(Body { stream, framing, rest: bytes }),
                Head::Moved(to) => Answer::Moved(to),
            });
        }
        if bytes.len() > HEAD {
            return Err(Fault::Refused(format!("the head of the answer has more than {HEAD} bytes")));
        }
    }
}

/// Reads a head, once it is whole, and how long it is.
fn head(bytes: &[u8]) -> Result<Option<(Head, usize)>, Fault> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(Fault::Refused(format!("the answer is not HTTP: {error}"))),
    };
    let header = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        core::str::from_utf8(found.value).ok().map(str::trim)
    };
    let head = match response.code.unwrap_or(0) {
        200 if header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) => {
            Head::Body(Framing::Chunked(None))
        }
        200 => match header("content-length") {
            None => Head::Body(Framing::Close),
            Some(text) => {
                let length = text.parse().map_err(|_| Fault::Refused(format!("a content length of `{text}`")))?;
                Head::Body(Framing::Length(length))
            }
        },
        301 | 302 | 303 | 307 | 308 => match header("location") {
            Some(to) => Head::Moved(to.into()),
            None => return Err(Fault::Refused("a redirection without a place".into())),
        },
        code @ 400..=499 => return Err(Fault::Refused(format!("the server answered {code}"))),
        code => return Err(Fault::Lost(format!("the server answered {code}"))),
    };
    Ok(Some((head, length)))
}

/// Receives some bytes; 0 at the end.
async fn receive<S: Stream>(stream: &mut S, into: &mut Vec<u8>) -> Result<usize, Fault> {
    let mut buffer = vec![0; PIECE];
    match with_timeout(PATIENCE, stream.read(&mut buffer)).await {
        Ok(Ok(length)) => {
            into.extend_from_slice(&buffer[..length]);
            Ok(length)
        }
        Ok(Err(_)) => lost("the connection was reset"),
        Err(_) => Err(Fault::Lost(format!("the server is silent for {} s", PATIENCE.as_secs()))),
    }
}

impl<S: Stream> Body<'_, S> {
    /// How long the body is, if the server says so.
    pub(super) fn length(&self) -> Option<u64> {
        match self.framing {
            Framing::Length(length) => Some(length),
            _ => None,
        }
    }

    /// Fills as much as there is; less only at the end.
    pub(super) async fn fill(&mut self, into: &mut [u8]) -> Result<usize, Fault> {
        let mut filled = 0;
        while filled < into.len() {
            self.next_chunk().await?;
            if self.framing == Framing::Ended {
                break;
            }
            if self.rest.is_empty() && receive(self.stream, &mut self.rest).await? == 0 {
                match self.framing {
                    Framing::Close => self.framing = Framing::Ended,
                    _ => return lost("the server closed the connection too early"),
                }
                break;
            }
            filled += self.take(&mut into[filled..]);
        }
        Ok(filled)
    }

    /// Moves received bytes of the body.
    fn take(&mut self, into: &mut [u8]) -> usize {
        let most = match self.framing {
            Framing::Length(left) | Framing::Chunked(Some(left)) => usize::try_from(left).unwrap_or(usize::MAX),
            Framing::Close => usize::MAX,
            Framing::Chunked(None) | Framing::Ended => 0,
        };
        let length = most.min(into.len()).min(self.rest.len());
        into[..length].copy_from_slice(&self.rest[..length]);
        self.rest.drain(..length);
        match &mut self.framing {
            Framing::Length(left) | Framing::Chunked(Some(left)) => *left -= length as u64,
            _ => {}
        }
        if self.framing == Framing::Length(0) {
            self.framing = Framing::Ended;
        }
        length
    }

    /// Reads the size of the next chunk, if it comes next.
    async fn next_chunk(&mut self) -> Result<(), Fault> {
        if self.framing == Framing::Length(0) {
            self.framing = Framing::Ended;
        }
        while matches!(self.framing, Framing::Chunked(None | Some(0))) {
            // The line break after a chunk is a part of it.
            let after = if self.framing == Framing::Chunked(Some(0)) { 2 } else { 0 };
            let size = self.rest.get(after..).map_or(Ok(httparse::Status::Partial), httparse::parse_chunk_size);
            match size {
                Ok(httparse::Status::Complete((_, 0))) => self.framing = Framing::Ended,
                Ok(httparse::Status::Complete((length, size))) => {
                    self.rest.drain(..after + length);
                    self.framing = Framing::Chunked(Some(size));
                }
                Ok(httparse::Status::Partial) if self.rest.len() < HEAD => {
                    if receive(self.stream, &mut self.rest).await? == 0 {
                        return lost("the server closed the connection too early");
                    }
                }
                _ => return Err(Fault::Refused("a chunk without a size".into())),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<(Head, usize)>, Fault> {
        head(text.as_bytes())
    }

    #[test]
    fn a_head_says_how_the_body_ends() {
        let body = |text: &str| match read(text) {
            Ok(Some((Head::Body(framing), length))) if length == text.len() => Some(framing),
            _ => None,
        };
        assert_eq!(body("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n"), Some(Framing::Length(12)));
        assert_eq!(body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), Some(Framing::Chunked(None)));
        assert_eq!(body("HTTP/1.0 200 OK\r\n\r\n"), Some(Framing::Close));
        assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Le"), Ok(None));
    }

    #[test]
    fn answers_without_a_file_say_what_the_server_said() {
        assert_eq!(read("HTTP/1.1 404 No\r\n\r\n"), Err(Fault::Refused("the server answered 404".into())));
        assert_eq!(read("HTTP/1.1 503 No\r\n\r\n"), Err(Fault::Lost("the server answered 503".into())));
        assert!(matches!(read("SSH-2.0-x\r\n\r\n"), Err(Fault::Refused(why)) if why.contains("not HTTP")));
        let moved = read("HTTP/1.1 302 Found\r\nLocation: /b\r\n\r\n").map(|head| head.map(|(head, _)| head));
        assert_eq!(moved, Ok(Some(Head::Moved("/b".into()))));
    }
}
