//! One signed request and its answer.
//!
//! No retries here: they are the business of [`crate::Retrying`] and of the upload of a part. Every request waits for
//! its turn ([`crate::traffic`]), is bounded in time by its size, and an answer that says "slow down" reaches the
//! governor.

use super::answer::{self, Reply};
use super::sign::Signer;
use crate::traffic::{Kind, Traffic};
use crate::{MediaError, Op};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use object_store::ClientOptions;
use object_store::client::{HttpClient, HttpConnector, HttpRequest, HttpResponse, ReqwestConnector};
use std::sync::Arc;
use std::time::Duration;
use strandline_types::ErrorClass;

/// Until the connection stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Until the answer begins, and between two pieces of it, beside the time that the bytes take.
const PATIENCE: Duration = Duration::from_secs(15);
/// The same for what a store may have to work on.
const LONG_PATIENCE: Duration = Duration::from_secs(180);
/// The slowest line that still counts as one.
const BYTES_PER_SECOND_MIN: u64 = 256 << 10;

/// What is asked.
pub(crate) struct Ask<'a> {
    /// For messages.
    pub(crate) op: Op,
    /// For messages: the object relative to the destination.
    pub(crate) path: &'a str,
    pub(crate) kind: Kind,
    pub(crate) method: http::Method,
    /// Names and values, not yet encoded; an empty value stands without `=`.
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    /// The store may need minutes before it answers.
    pub(crate) is_long: bool,
}

impl<'a> Ask<'a> {
    pub(crate) fn new(op: Op, kind: Kind, method: http::Method, path: &'a str) -> Self {
        Self { op, path, kind, method, query: Vec::new(), headers: Vec::new(), body: Bytes::new(), is_long: false }
    }

    pub(crate) fn query(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    pub(crate) fn long(mut self) -> Self {
        self.is_long = true;
        self
    }

    pub(crate) fn body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }
}

/// The line to one bucket.
#[derive(Debug)]
pub(crate) struct Client {
    client: HttpClient,
    signer: Signer,
    traffic: Arc<Traffic>,
    /// The destination's name.
    pub(crate) uri: String,
    /// The bucket's URL without a `/` at its end.
    base: String,
    /// The original's number for an error of this kind of store (docs/oceanbase.md, 4.13).
    code: i32,
}

impl Client {
    pub(crate) fn new(
        uri: String,
        base: String,
        signer: Signer,
        traffic: Arc<Traffic>,
        code: i32,
    ) -> Result<Self, MediaError> {
        let client = traffic.client(connect);
        let client = client.map_err(|e| MediaError::new(ErrorClass::Invalid, Op::Open, &uri, "", e.to_string()))?;
        Ok(Self { client, signer, traffic, uri, base, code })
    }

    /// Sends a request about the object with this key (empty = the bucket) and waits for the whole answer, good or
    /// bad. An error is: no answer.
    pub(crate) async fn send(&self, key: &str, ask: Ask<'_>) -> Result<Reply, MediaError> {
        let patience = if ask.is_long { LONG_PATIENCE } else { PATIENCE };
        let patience = patience + Duration::from_secs(ask.body.len() as u64 / BYTES_PER_SECOND_MIN);
        self.traffic.admit(ask.kind, ask.body.len() as u64).await;
        let request = self.request(key, &ask)?;
        let (op, path) = (ask.op, ask.path);
        let silent = |what: &str| {
            let reason = format!("{what}: the store does not answer");
            MediaError::new(ErrorClass::Transient, op, &self.uri, path, reason).with_code(self.code)
        };
        let request = self.signer.sign(request, &self.uri).await?;
        let answer = match tokio::time::timeout(patience, self.client.execute(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(e)) => return Err(silent(&answer::causes(&e))),
            Err(_) => return Err(silent("no answer in time")),
        };
        let reply = read(answer).await.map_err(|reason| silent(&reason))?;
        self.traffic.received(reply.body.len() as u64);
        if reply.is_throttled() {
            self.traffic.complained(reply.retry_after());
        }
        Ok(reply)
    }

    /// The same, when any answer but a good one is an error.
    pub(crate) async fn done(&self, key: &str, ask: Ask<'_>) -> Result<Reply, MediaError> {
        let (op, path) = (ask.op, ask.path);
        let reply = self.send(key, ask).await?;
        if reply.is_good() { Ok(reply) } else { Err(self.refused(&reply, op, path)) }
    }

    /// What a bad answer means.
    pub(crate) fn refused(&self, reply: &Reply, op: Op, path: &str) -> MediaError {
        reply.error(op, &self.uri, path, self.code)
    }

    fn request(&self, key: &str, ask: &Ask<'_>) -> Result<HttpRequest, MediaError> {
        let mut url = format!("{}/{}", self.base, encode(key, true));
        for (n, (name, value)) in ask.query.iter().enumerate() {
            url.push(if n == 0 { '?' } else { '&' });
            url.push_str(name);
            if !value.is_empty() {
                url.push('=');
                url.push_str(&encode(value, false));
            }
        }
        let mut builder = http::Request::builder().method(ask.method.clone()).uri(url);
        for (name, value) in &ask.headers {
            builder = builder.header(*name, value);
        }
        if ask.method != http::Method::GET && ask.method != http::Method::HEAD {
            builder = builder.header("content-length", ask.body.len());
        }
        builder.body(ask.body.clone().into()).map_err(|e| {
            MediaError::new(ErrorClass::Invalid, ask.op, &self.uri, ask.path, format!("not a request: {e}"))
        })
    }
}

fn connect() -> Result<HttpClient, object_store::Error> {
    let options = ClientOptions::new()
        .with_allow_http(true)
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_timeout_disabled()
        .with_read_timeout_disabled();
    ReqwestConnector::default().connect(&options)
}

/// The answer with its whole body; pieces may come slowly, silence may not last.
async fn read(answer: HttpResponse) -> Result<Reply, String> {
    let (head, body) = answer.into_parts();
    let mut pieces = body.bytes_stream();
    let mut whole = BytesMut::new();
    loop {
        match tokio::time::timeout(PATIENCE, pieces.next()).await {
            Err(_) => return Err("the answer stopped in its middle".to_owned()),
            Ok(None) => return Ok(Reply { status: head.status.as_u16(), headers: head.headers, body: whole.freeze() }),
            Ok(Some(Ok(piece))) => whole.extend_from_slice(&piece),
            Ok(Some(Err(e))) => return Err(answer::causes(&e)),
        }
    }
}

/// Percent-encoding of RFC 3986, as every signature here demands it.
pub(crate) fn encode(text: &str, keep_slash: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            b'/' if keep_slash => out.push('/'),
            other => {
                out.push('%');
                for nibble in [other >> 4, other & 15] {
                    // A nibble is a hexadecimal digit.
                    out.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase());
                }
            }
        }
    }
    out
}
