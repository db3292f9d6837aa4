//! One request to the store behind the proxy, and the forms in which its answer may come back.

use bytes::Bytes;
use futures::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;

/// Pieces of a slow answer, and the pause between them.
const SLOW_PIECES: usize = 8;
const SLOW_PAUSE: Duration = Duration::from_millis(150);

/// The body of an answer.
pub(super) type Body = BoxBody<Bytes, io::Error>;

/// The connection ends here.
#[derive(Debug, thiserror::Error)]
#[error("the connection was ended on purpose")]
pub(super) struct Broken;

/// A whole answer of the store.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// Sends a request over a connection of its own.
pub(super) async fn forward(port: u16, request: Request<Bytes>) -> Result<Reply, Broken> {
    let store = TcpStream::connect(("127.0.0.1", port)).await.map_err(|_| Broken)?;
    let _ = store.set_nodelay(true);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(store)).await.map_err(|_| Broken)?;
    let connection = tokio::spawn(connection);
    let reply = sender.send_request(request.map(Full::new)).await.map_err(|_| Broken)?;
    let (head, body) = reply.into_parts();
    let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
    connection.abort();
    let mut headers = head.headers;
    headers.remove(CONNECTION);
    headers.remove(TRANSFER_ENCODING);
    Ok(Reply { status: head.status, headers, body })
}

/// Sends a copy of a request later; its answer is dropped.
pub(super) fn late_copy(port: u16, request: &Request<Bytes>, after: Duration) {
    let copy = request.clone();
    tokio::spawn(async move {
        tokio::time::sleep(after).await;
        forward(port, copy).await
    });
}

impl Reply {
    /// What a store says that is overloaded or broken: three ways in turn.
    pub(super) fn refusal(turn: u64) -> Self {
        let (status, code) = match turn % 3 {
            0 => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
            1 => (StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
            _ => (StatusCode::TOO_MANY_REQUESTS, "TooManyRequests"),
        };
        Self::error(status, code)
    }

    /// The object is not there.
    pub(super) fn missing() -> Self {
        Self::error(StatusCode::NOT_FOUND, "NoSuchKey")
    }

    fn error(status: StatusCode, code: &str) -> Self {
        let body = format!("<Error><Code>{code}</Code><Message>it was planned so</Message></Error>");
        Self { status, headers: HeaderMap::new(), body: body.into() }
    }

    /// As it came. The answer to HEAD has the length of what it does not carry.
    pub(super) fn whole(mut self, is_head: bool) -> Response<Body> {
        if is_head {
            self.body = Bytes::new();
        } else {
            self.headers.insert(CONTENT_LENGTH, self.body.len().into());
        }
        let body = Full::new(self.body.clone()).map_err(|e: Infallible| match e {}).boxed();
        self.with(body)
    }

    /// Half of it, and then the connection ends.
    pub(super) fn cut(mut self) -> Response<Body> {
        self.headers.insert(CONTENT_LENGTH, self.body.len().into());
        let half = self.body.slice(..self.body.len() / 2);
        let end = io::Error::new(io::ErrorKind::ConnectionReset, Broken);
        let body = BodyExt::boxed(StreamBody::new(stream::iter([Ok(Frame::data(half)), Err(end)])));
        self.with(body)
    }

    /// Half of it, as if that were all.
    pub(super) fn short(mut self) -> Self {
        self.body.truncate(self.body.len() / 2);
        self
    }

    /// With another bit.
    pub(super) fn flipped(mut self, bit: u64) -> Self {
        let mut bytes = self.body.to_vec();
        if let Some(at) = (bit / 8).checked_rem(bytes.len() as u64) {
            // Below the length.
            bytes[at as usize] ^= 1 << (bit % 8);
        }
        self.body = bytes.into();
        self
    }

    /// A small piece at a time.
    pub(super) fn slow(mut self) -> Response<Body> {
        self.headers.insert(CONTENT_LENGTH, self.body.len().into());
        let bytes = self.body.len().div_ceil(SLOW_PIECES).max(1);
        let pieces: Vec<Bytes> = (0..self.body.len())
            .step_by(bytes)
            .map(|at| self.body.slice(at..self.body.len().min(at + bytes)))
            .collect();
        let body = stream::unfold(pieces.into_iter(), |mut pieces| async {
            let piece = pieces.next()?;
            tokio::time::sleep(SLOW_PAUSE).await;
            Some((Ok(Frame::data(piece)), pieces))
        });
        let body = StreamBody::new(body);
        self.with(BodyExt::boxed(body))
    }

    fn with(self, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}
