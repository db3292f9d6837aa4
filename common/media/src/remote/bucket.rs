//! One bucket, below one prefix: names, our own requests, and what a failed one means.

use super::answer;
use super::failed::Failed;
use super::transport::{Conditional, Connected, Dialect, Transport};
use crate::traffic::Traffic;
use crate::{Destination, MediaError, Op};
use bytes::Bytes;
use http::Method;
use object_store::client::{HttpClient, HttpError, HttpRequest};
use object_store::path::Path;
use object_store::{BackoffConfig, RetryConfig};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use strandline_types::ErrorClass;

/// Percent-encoding of RFC 3986, as every signature here demands it.
const STRICT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const STRICT_KEY: AsciiSet = STRICT.remove(b'/');

/// A request of our own: what `object_store` has no call for.
pub(crate) struct Ask<'a> {
    /// For messages.
    op: Op,
    /// The object or directory, relative to the destination.
    path: &'a str,
    /// The bucket itself is asked, with the path in the query.
    is_of_bucket: bool,
    method: Method,
    /// Names and values, not yet encoded; an empty value stands without `=`.
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl<'a> Ask<'a> {
    pub(crate) fn new(op: Op, method: Method, path: &'a str) -> Self {
        let (query, headers) = (Vec::new(), Vec::new());
        Self { op, path, is_of_bucket: false, method, query, headers, body: Bytes::new() }
    }

    /// A question about the bucket; `dir` is for messages.
    pub(crate) fn bucket(dir: &'a str) -> Self {
        Self { is_of_bucket: true, ..Self::new(Op::List, Method::GET, dir) }
    }

    pub(crate) fn query(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    pub(crate) fn body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }
}

/// One bucket, below one prefix.
#[derive(Debug)]
pub(crate) struct Bucket {
    client: HttpClient,
    pub(crate) dialect: Arc<dyn Dialect>,
    /// The destination's name.
    pub(crate) uri: String,
    /// The bucket's URL without a `/` at its end.
    base: String,
    /// Where the destination begins in it, without `/` at its ends.
    pub(crate) prefix: String,
    /// The original's number for an error of this kind of store (docs/oceanbase.md, 4.13).
    code: i32,
}

impl Bucket {
    /// Nothing is sent.
    pub(crate) fn new(dest: &Destination, base: String, dialect: Arc<dyn Dialect>) -> Result<Self, MediaError> {
        let uri = dest.name();
        let client = Transport::open(Traffic::of(dest), Arc::clone(&dialect));
        let client = client.map_err(|e| MediaError::new(ErrorClass::Invalid, Op::Open, &uri, "", e.to_string()))?;
        let code = dest.scheme.error_code().unwrap_or(0);
        Ok(Self { client, dialect, uri, base, prefix: dest.path.clone(), code })
    }

    /// The HTTP service under it, for a store of `object_store`.
    pub(crate) fn connector(&self) -> Connected {
        Connected(self.client.clone())
    }

    /// The object's name in the bucket.
    pub(crate) fn key(&self, path: &str) -> String {
        let joint = if self.prefix.is_empty() || path.is_empty() { "" } else { "/" };
        format!("{}{joint}{path}", self.prefix)
    }

    /// What all names below a directory begin with.
    pub(crate) fn below(&self, dir: &str) -> String {
        let key = self.key(dir);
        if key.is_empty() { key } else { format!("{key}/") }
    }

    /// The same as `object_store` takes it: as it is, nothing in it is encoded.
    pub(crate) fn at(&self, op: Op, path: &str) -> Result<Path, MediaError> {
        Path::parse(self.key(path)).map_err(|e| self.error(ErrorClass::Invalid, op, path, e.to_string()))
    }

    /// A name in the bucket, relative to the destination.
    pub(crate) fn relative<'a>(&self, key: &'a str) -> &'a str {
        key.strip_prefix(&self.prefix).unwrap_or(key).trim_matches('/')
    }

    /// Sends a request of our own and waits for its answer.
    pub(crate) async fn done(&self, ask: Ask<'_>) -> Result<Bytes, MediaError> {
        let (op, path) = (ask.op, ask.path);
        self.send(ask).await?.map_err(|e| self.failed(op, path, &e))
    }

    /// The same for a request that needs an object to end at a certain length, or not to be there.
    pub(crate) async fn tried(&self, ask: Ask<'_>) -> Result<Conditional, MediaError> {
        let (op, path) = (ask.op, ask.path);
        match self.send(ask).await? {
            Ok(_) => Ok(Conditional::Done),
            Err(e) => self.verdict(op, path, &e),
        }
    }

    async fn send(&self, ask: Ask<'_>) -> Result<Result<Bytes, HttpError>, MediaError> {
        let request = self.request(ask)?;
        let answer = async { self.client.execute(request).await?.into_body().bytes().await };
        Ok(answer.await)
    }

    /// What a failed request says about a place that had to be free, or at a certain length.
    pub(crate) fn verdict(&self, op: Op, path: &str, error: &(dyn Error + 'static)) -> Result<Conditional, MediaError> {
        let refusal = Failed::behind(error).and_then(Failed::refusal);
        match refusal.and_then(|refusal| self.dialect.verdict(refusal)) {
            Some(verdict) => Ok(verdict),
            None => Err(self.failed(op, path, error)),
        }
    }

    /// What a failed request means.
    pub(crate) fn failed(&self, op: Op, path: &str, error: &(dyn Error + 'static)) -> MediaError {
        match Failed::behind(error) {
            Some(Failed::Refused(refusal)) => refusal.reply.error(op, &self.uri, path, self.code),
            Some(Failed::Unsigned(error)) => error.clone(),
            Some(silent @ Failed::Silent(_)) => {
                self.error(ErrorClass::Transient, op, path, silent.to_string()).with_code(self.code)
            }
            None => self.unreadable(op, path, answer::causes(error)),
        }
    }

    /// An answer that says nothing that can be used.
    pub(crate) fn unreadable(&self, op: Op, path: &str, reason: String) -> MediaError {
        self.error(ErrorClass::Transient, op, path, reason).with_code(self.code)
    }

    fn error(&self, class: ErrorClass, op: Op, path: &str, reason: String) -> MediaError {
        MediaError::new(class, op, &self.uri, path, reason)
    }

    fn request(&self, ask: Ask<'_>) -> Result<HttpRequest, MediaError> {
        let key = if ask.is_of_bucket { String::new() } else { self.key(ask.path) };
        let mut url = format!("{}/{}", self.base, encode_key(&key));
        for (n, (name, value)) in ask.query.iter().enumerate() {
            url.push(if n == 0 { '?' } else { '&' });
            url.push_str(name);
            if !value.is_empty() {
                url.push('=');
                url.push_str(&utf8_percent_encode(value, &STRICT).to_string());
            }
        }
        let has_body = ask.method != Method::GET && ask.method != Method::HEAD;
        let mut builder = http::Request::builder().method(ask.method).uri(url);
        for (name, value) in &ask.headers {
            builder = builder.header(*name, value);
        }
        if has_body {
            builder = builder.header("content-length", ask.body.len());
        }
        let request = builder.body(ask.body.into());
        request.map_err(|e| self.error(ErrorClass::Invalid, ask.op, ask.path, format!("not a request: {e}")))
    }
}

/// A name in a bucket as a URL has it.
pub(crate) fn encode_key(key: &str) -> String {
    utf8_percent_encode(key, &STRICT_KEY).to_string()
}

/// `object_store` repeats nothing: a repetition would pass the governor by, and the caller's deadline.
pub(crate) fn no_retries() -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: 0, retry_timeout: Duration::ZERO }
}
