//! The HTTP service under one bucket: every request passes here, those of `object_store` and our own.
//!
//! A request waits for its turn ([`crate::traffic`]), gets the headers and the signature of its kind of store
//! ([`Dialect`]), is bounded in time by its size, and is counted. An answer that is no success becomes a [`Failed`].
//! No retries here: they are the business of [`crate::Retrying`] and of the upload of a part. A request is sent twice
//! only when the answer says how it has to be sent. No key may reach a message.

use super::answer::{self, Reply};
use super::failed::{Failed, Refusal};
use crate::MediaError;
use crate::traffic::{Kind, Traffic};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::header::{CONTENT_LENGTH, HeaderName};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpResponseBody, HttpService, ReqwestConnector,
};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// Until the connection stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Until the answer begins, and between two pieces of it, beside the time that the bytes take.
const PATIENCE: Duration = Duration::from_secs(15);
/// The same for what a store may have to work on.
const LONG_PATIENCE: Duration = Duration::from_secs(180);
/// A slower connection counts as none.
const BYTES_PER_SECOND_MIN: u64 = 256 << 10;

/// What became of a write that needs the place to be free, or at a certain length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conditional {
    /// It is done.
    Done,
    /// The condition did not hold; nothing was written.
    Refused,
    /// The store has no such condition, or does not know the upload; nothing was written.
    Unknown,
}

/// What one kind of store wants of its requests, and what its refusals mean.
#[async_trait]
pub(crate) trait Dialect: Debug + Send + Sync + 'static {
    /// Adds the headers that belong to a request before it is signed: conditions, digests of the body.
    fn prepare(&self, request: &mut HttpRequest, body: &Bytes);

    /// Signs. Keys are looked up at every request, so that a rotated key serves at once.
    async fn sign(&self, request: HttpRequest) -> Result<HttpRequest, MediaError>;

    /// The store may need minutes before it answers.
    fn is_long(&self, request: &HttpRequest) -> bool;

    /// False when conditional writes are known to mean nothing here.
    fn has_conditions(&self) -> bool;

    /// Remembers what a refusal tells about the store; true when the request, prepared anew, may be taken now.
    /// `sent` is the request before it was signed.
    fn learns(&self, sent: &HttpRequest, reply: &Reply) -> bool {
        let _ = (sent, reply);
        false
    }

    /// What a refusal says about a place that had to be free, or at a certain length; `None` = it is an error.
    fn verdict(&self, refusal: &Refusal) -> Option<Conditional>;
}

/// The HTTP service under one bucket.
#[derive(Debug)]
pub(crate) struct Transport {
    client: HttpClient,
    traffic: Arc<Traffic>,
    dialect: Arc<dyn Dialect>,
}

impl Transport {
    pub(crate) fn open(traffic: Arc<Traffic>, dialect: Arc<dyn Dialect>) -> Result<HttpClient, object_store::Error> {
        let client = traffic.client(connect)?;
        Ok(HttpClient::new(Self { client, traffic, dialect }))
    }

    async fn exchange(&self, request: HttpRequest) -> Result<Reply, Failed> {
        let (head, body) = request.into_parts();
        // The body of a request can be that of an answer, which collects its pieces.
        let body = HttpResponseBody::new(body).bytes().await.map_err(|e| Failed::Silent(answer::causes(&e)))?;
        loop {
            let mut request = HttpRequest::from_parts(head.clone(), body.clone().into());
            self.dialect.prepare(&mut request, &body);
            let sent = request.clone();
            let kind = kind_of(&request);
            let reply = self.send(request, kind, body.len() as u64).await?;
            // A completed upload and a copy may be answered 200 with an error in the body.
            if reply.is_good() && (kind != Kind::Write || reply.code().is_empty()) {
                return Ok(reply);
            }
            if !self.dialect.learns(&sent, &reply) {
                return Err(Failed::Refused(Box::new(Refusal { reply, is_conditional: is_conditional(&sent) })));
            }
        }
    }

    async fn send(&self, request: HttpRequest, kind: Kind, bytes: u64) -> Result<Reply, Failed> {
        let patience = if self.dialect.is_long(&request) { LONG_PATIENCE } else { PATIENCE };
        let patience = patience + Duration::from_secs(bytes / BYTES_PER_SECOND_MIN);
        self.traffic.admit(kind, bytes).await;
        let request = self.dialect.sign(request).await.map_err(Failed::Unsigned)?;
        let answer = match tokio::time::timeout(patience, self.client.execute(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(e)) => return Err(Failed::Silent(answer::causes(&e))),
            Err(_) => return Err(Failed::Silent("no answer in time".to_owned())),
        };
        let reply = read(answer).await.map_err(Failed::Silent)?;
        self.traffic.received(reply.body.len() as u64);
        if reply.is_throttled() {
            self.traffic.complained(reply.retry_after());
        }
        Ok(reply)
    }
}

#[async_trait]
impl HttpService for Transport {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let has_body = request.method() != Method::HEAD;
        let reply = self.exchange(request).await.map_err(Failed::into_http)?;
        let len = reply.body.len();
        let mut response = HttpResponse::new(reply.body.into());
        // It came as a status.
        *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
        *response.headers_mut() = reply.headers;
        if has_body {
            // An answer in chunks does not say it.
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(len));
        }
        Ok(response)
    }
}

/// Gives `object_store` a client that is there already.
#[derive(Debug)]
pub(crate) struct Connected(pub(crate) HttpClient);

impl HttpConnector for Connected {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.0.clone())
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

/// As vendors bill it. Objects are read without a query; what is asked of a bucket has one.
fn kind_of(request: &HttpRequest) -> Kind {
    match *request.method() {
        Method::GET if request.uri().query().is_some() => Kind::List,
        Method::GET | Method::HEAD => Kind::Read,
        Method::DELETE => Kind::Delete,
        _ => Kind::Write,
    }
}

/// True when the request named a condition.
pub(crate) fn is_conditional(sent: &HttpRequest) -> bool {
    const CONDITIONS: [&str; 2] = ["if-none-match", "x-oss-forbid-overwrite"];
    CONDITIONS.iter().any(|name| sent.headers().contains_key(*name))
}

/// True when the query has a parameter of this name.
pub(crate) fn has_query(request: &HttpRequest, name: &str) -> bool {
    let query = request.uri().query().unwrap_or("");
    query.split('&').any(|pair| pair.split_once('=').map_or(pair, |(name, _)| name) == name)
}

/// Sets a header. The value may hold a key: it is not repeated where it is none.
pub(crate) fn set(headers: &mut HeaderMap, name: &'static str, value: &str) -> Result<(), String> {
    let value = HeaderValue::from_str(value).map_err(|_| format!("{name}: a key with characters no key has"))?;
    headers.insert(HeaderName::from_static(name), value);
    Ok(())
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
