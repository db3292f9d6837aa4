//! An object store in memory that speaks the part of S3 and OSS that the drivers use, on a free port of the loopback.
//!
//! OSS requests are refused without a right signature; appends follow the vendor's rules: `position` must be the
//! length, a whole object is not appendable. On request it lies (`If-None-Match` is ignored silently), does not know
//! conditions (501), answers that it is too busy, takes requests and says nothing, or takes no body without a digest, as a
//! bucket that locks objects.

// An answer is an answer, good or bad; nothing here is fast.
#![allow(clippy::result_large_err)]

use super::oss_signature;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use http::{Method, Request, StatusCode};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// Its only key.
pub const KEY_ID: &str = "LTAItest";
/// The secret of that key.
pub const SECRET: &str = "very/secret+key=";
const PAGE: usize = 1000;
/// What a store may put into a token: everything that means something in a query.
const TOKEN_MARK: &str = "+/=&? %";

/// What the store makes of `If-None-Match` and `x-oss-forbid-overwrite`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conditions {
    /// They hold.
    Kept,
    /// A write is done whatever they say, and reported as done.
    Ignored,
    /// Answered 501.
    Unknown,
}

#[derive(Debug)]
struct Object {
    bytes: Vec<u8>,
    is_appendable: bool,
    tagged: bool,
}

#[derive(Debug)]
struct Inner {
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<String, (String, BTreeMap<u32, Bytes>)>,
    /// Uploads that were ever begun: an id is given once, also after others have ended.
    uploads_begun: u64,
}

/// The store; it serves one bucket, `b`.
#[derive(Debug)]
pub struct MiniStore {
    is_oss: bool,
    conditions: Conditions,
    /// So many next requests are answered 503 with `Retry-After: 0`.
    pub busy: AtomicU32,
    /// Requests so far.
    pub requests: AtomicU32,
    /// Names on one page of a listing.
    pub page: AtomicUsize,
    /// Requests whose address has this text in it are taken and neither done nor answered, until it is `None` again.
    pub silent: watch::Sender<Option<String>>,
    /// The bucket keeps what is deleted and replaced.
    pub has_versions: AtomicBool,
    /// The bucket locks objects: it refuses every body that comes without a digest of its own.
    pub locks: AtomicBool,
    /// Bodies that it has refused for that.
    pub without_digest: AtomicU32,
    /// A page of a listing that is not the last one does not say where the next one begins.
    pub loses_next: AtomicBool,
    inner: Mutex<Inner>,
    /// Where it listens, on the loopback.
    pub port: u16,
}

type Answer = Result<Response, Response>;

fn answer(status: u16, body: impl Into<Body>) -> Response {
    Response::builder().status(StatusCode::from_u16(status).unwrap()).body(body.into()).unwrap()
}

/// A body was taken.
fn written() -> Response {
    Response::builder().header("etag", "\"tag\"").body(Body::empty()).unwrap()
}

fn error(status: u16, code: &str) -> Response {
    answer(status, format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>because</Message></Error>"))
}

impl MiniStore {
    /// Starts serving; it ends with the test's runtime.
    pub async fn start(is_oss: bool, conditions: Conditions) -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let store = Arc::new(Self {
            is_oss,
            conditions,
            busy: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            page: AtomicUsize::new(PAGE),
            silent: watch::Sender::new(None),
            has_versions: AtomicBool::new(false),
            locks: AtomicBool::new(false),
            without_digest: AtomicU32::new(0),
            loses_next: AtomicBool::new(false),
            inner: Mutex::new(Inner { objects: BTreeMap::new(), uploads: BTreeMap::new(), uploads_begun: 0 }),
            port: listener.local_addr().unwrap().port(),
        });
        let app = Router::new().fallback(serve).with_state(Arc::clone(&store));
        tokio::spawn(async move { axum::serve(listener, app).await });
        store
    }

    /// A destination in its bucket `b`.
    #[must_use]
    pub fn uri(&self, path: &str, extra: &str) -> String {
        let scheme = if self.is_oss { "oss" } else { "s3" };
        let keys = format!("access_id={KEY_ID}&access_key={SECRET}");
        format!("{scheme}://b/{path}?host=http://127.0.0.1:{}&{keys}{extra}", self.port)
    }

    /// The object has the tag that says that it may be deleted.
    #[must_use]
    pub fn is_tagged(&self, key: &str) -> bool {
        self.inner.lock().unwrap().objects.get(key).is_some_and(|o| o.tagged)
    }

    /// Puts an object under any key, as others may.
    pub fn plant(&self, key: &str) {
        let object = Object { bytes: b"x".to_vec(), is_appendable: false, tagged: false };
        self.inner.lock().unwrap().objects.insert(key.to_owned(), object);
    }

    /// Every object, by its key.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.inner.lock().unwrap().objects.keys().cloned().collect()
    }

    /// The objects that unfinished uploads would become.
    #[must_use]
    pub fn uploads(&self) -> Vec<String> {
        self.inner.lock().unwrap().uploads.values().map(|(key, _)| key.clone()).collect()
    }

    fn page(&self) -> usize {
        self.page.load(Ordering::Relaxed)
    }

    fn versioning(&self) -> Response {
        let status = if self.has_versions.load(Ordering::Relaxed) { "<Status>Enabled</Status>" } else { "" };
        answer(200, format!("<VersioningConfiguration>{status}</VersioningConfiguration>"))
    }

    fn handle(&self, head: &Parts, body: Bytes) -> Answer {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if self.busy.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
            let mut busy = error(503, "SlowDown");
            busy.headers_mut().insert("retry-after", http::HeaderValue::from_static("0"));
            return Err(busy);
        }
        if self.is_oss && !oss_signature::is_good(head, KEY_ID, SECRET) {
            return Err(error(403, "SignatureDoesNotMatch"));
        }
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
        let path = decode(head.uri.path());
        let Some(key) = path.strip_prefix("/b/") else { return Err(error(404, "NoSuchBucket")) };
        let text = head.uri.query().unwrap_or("");
        let pairs = text.split('&').filter(|p| !p.is_empty()).map(|p| p.split_once('=').unwrap_or((p, "")));
        let query: BTreeMap<String, String> = pairs.map(|(n, v)| (n.to_owned(), decode(v))).collect();
        let mut inner = self.inner.lock().unwrap();
        match (&head.method, key) {
            (&Method::GET, "") if query.contains_key("versioning") => Ok(self.versioning()),
            (&Method::GET, "") if query.contains_key("uploads") => Ok(inner.list_uploads(&query, self.page())),
            (&Method::GET, "") => {
                Ok(inner.list(&query, self.is_oss, self.page(), self.loses_next.load(Ordering::Relaxed)))
            }
            (&Method::GET | &Method::HEAD, _) => inner.get(key, head),
            (&Method::DELETE, _) => {
                match query.get("uploadId") {
                    Some(id) => drop(inner.uploads.remove(id)),
                    None => drop(inner.objects.remove(key)),
                }
                Ok(answer(204, ""))
            }
            (&Method::POST, _) => self.post(&mut inner, key, head, &query, body),
            (&Method::PUT, _) => self.put(&mut inner, key, head, &query, body),
            _ => Err(error(405, "MethodNotAllowed")),
        }
    }

    /// As MinIO says it.
    fn check_digest(&self, head: &Parts) -> Result<(), Response> {
        // A copy within the store has no body.
        let is_copy = head.headers.contains_key("x-amz-copy-source");
        let has_digest =
            is_copy || head.headers.keys().any(|h| h == "content-md5" || h.as_str().starts_with("x-amz-checksum-"));
        if has_digest || !self.locks.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.without_digest.fetch_add(1, Ordering::Relaxed);
        let words = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters";
        let code = "MissingUploadObjectWithObjectLockHeaders";
        Err(answer(400, format!("<Error><Code>{code}</Code><Message>{words}</Message></Error>")))
    }

    fn may_write(&self, inner: &Inner, key: &str, head: &Parts) -> Result<(), Response> {
        let name = if self.is_oss { "x-oss-forbid-overwrite" } else { "if-none-match" };
        if !head.headers.contains_key(name) {
            return Ok(());
        }
        match self.conditions {
            Conditions::Ignored => Ok(()),
            Conditions::Unknown => Err(error(501, "NotImplemented")),
            Conditions::Kept if !inner.objects.contains_key(key) => Ok(()),
            Conditions::Kept if self.is_oss => Err(error(409, "FileAlreadyExists")),
            Conditions::Kept => Err(error(412, "PreconditionFailed")),
        }
    }

    fn post(
        &self,
        inner: &mut Inner,
        key: &str,
        head: &Parts,
        query: &BTreeMap<String, String>,
        body: Bytes,
    ) -> Answer {
        if query.contains_key("append") && self.is_oss {
            let position: usize = query["position"].parse().unwrap();
            let new = Object { bytes: Vec::new(), is_appendable: true, tagged: false };
            let len = inner.objects.get(key).map_or(0, |o| o.bytes.len());
            if len != position {
                return Err(error(409, "PositionNotEqualToLength"));
            }
            let object = inner.objects.entry(key.to_owned()).or_insert(new);
            if !object.is_appendable {
                return Err(error(409, "ObjectNotAppendable"));
            }
            object.bytes.extend_from_slice(&body);
            return Ok(answer(200, ""));
        }
        if query.contains_key("uploads") {
            inner.uploads_begun += 1;
            let id = format!("upload{}", inner.uploads_begun);
            inner.uploads.insert(id.clone(), (key.to_owned(), BTreeMap::new()));
            return Ok(answer(200, format!("<I><Bucket>b</Bucket><UploadId>{id}</UploadId></I>")));
        }
        let id = &query["uploadId"];
        if !inner.uploads.contains_key(id) {
            return Err(error(404, "NoSuchUpload"));
        }
        self.may_write(inner, key, head)?;
        let (_, parts) = inner.uploads.remove(id).unwrap();
        let bytes = parts.into_values().flatten().collect();
        inner.objects.insert(key.to_owned(), Object { bytes, is_appendable: false, tagged: false });
        Ok(answer(200, "<CompleteMultipartUploadResult><ETag>\"tag\"</ETag></CompleteMultipartUploadResult>"))
    }

    fn put(&self, inner: &mut Inner, key: &str, head: &Parts, query: &BTreeMap<String, String>, body: Bytes) -> Answer {
        if query.contains_key("tagging") {
            assert!(String::from_utf8_lossy(&body).contains("<Key>delete_mode</Key><Value>tagging</Value>"));
            inner.objects.get_mut(key).ok_or_else(|| error(404, "NoSuchKey"))?.tagged = true;
            return Ok(answer(200, ""));
        }
        self.check_digest(head)?;
        if let Some(id) = query.get("uploadId") {
            let (_, parts) = inner.uploads.get_mut(id).ok_or_else(|| error(404, "NoSuchUpload"))?;
            parts.insert(query["partNumber"].parse().unwrap(), body);
            return Ok(written());
        }
        self.may_write(inner, key, head)?;
        let bytes = match head.headers.get("x-amz-copy-source") {
            None => body.to_vec(),
            Some(from) => {
                let from = percent_encoding::percent_decode(from.as_bytes()).decode_utf8().unwrap();
                let from = inner.objects.get(from.trim_start_matches('/').trim_start_matches("b/"));
                from.ok_or_else(|| error(404, "NoSuchKey"))?.bytes.clone()
            }
        };
        inner.objects.insert(key.to_owned(), Object { bytes, is_appendable: false, tagged: false });
        Ok(written())
    }
}

impl Inner {
    fn get(&self, key: &str, head: &Parts) -> Answer {
        let bytes = &self.objects.get(key).ok_or_else(|| error(404, "NoSuchKey"))?.bytes;
        let Some(range) = head.headers.get("range").map(|r| r.to_str().unwrap().trim_start_matches("bytes=")) else {
            return Ok(answer(200, bytes.clone()));
        };
        let (from, to) = range.split_once('-').unwrap();
        let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
        if from >= bytes.len() {
            return Err(error(416, "InvalidRange"));
        }
        let end = bytes.len().min(to + 1);
        let mut part = answer(206, bytes[from..end].to_vec());
        let range = format!("bytes {from}-{}/{}", end - 1, bytes.len());
        part.headers_mut().insert("content-range", range.parse().unwrap());
        Ok(part)
    }

    fn list(&self, query: &BTreeMap<String, String>, is_oss: bool, page: usize, loses_next: bool) -> Response {
        let (prefix, after) =
            (query.get("prefix").map_or("", String::as_str), if is_oss { "marker" } else { "continuation-token" });
        let after = query.get(after).map_or("", String::as_str);
        let after = after.strip_prefix(TOKEN_MARK).unwrap_or(after);
        let mut text = String::from("<ListBucketResult>");
        let (mut shown, mut last, mut is_truncated) = (0, String::new(), false);
        for (key, object) in self.objects.iter().filter(|(k, _)| k.starts_with(prefix) && k.as_str() > after) {
            let name = match key[prefix.len()..].find('/') {
                Some(end) if query.contains_key("delimiter") => &key[..=prefix.len() + end],
                _ => key,
            };
            if name == last || (after.ends_with('/') && key.starts_with(after)) {
                continue;
            }
            if shown == page {
                is_truncated = true;
                break;
            }
            if name.ends_with('/') {
                text.push_str(&format!("<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>"));
            } else {
                text.push_str(&format!("<Contents><Key>{name}</Key><Size>{}</Size></Contents>", object.bytes.len()));
            }
            (shown, last) = (shown + 1, name.to_owned());
        }
        let next = if is_oss { "NextMarker" } else { "NextContinuationToken" };
        let mark = if is_oss { String::new() } else { quick_xml::escape::escape(TOKEN_MARK).into_owned() };
        let next = if is_truncated && !loses_next { format!("<{next}>{mark}{last}</{next}>") } else { String::new() };
        text.push_str(&format!("<IsTruncated>{is_truncated}</IsTruncated>{next}</ListBucketResult>"));
        answer(200, text)
    }

    fn list_uploads(&self, query: &BTreeMap<String, String>, page: usize) -> Response {
        let marker = |name: &str| query.get(name).cloned().unwrap_or_default();
        let after = (marker("key-marker"), marker("upload-id-marker"));
        let mut all: Vec<_> = self.uploads.iter().map(|(id, (key, _))| (key.clone(), id.clone())).collect();
        all.sort();
        all.retain(|one| *one > after);
        let is_truncated = all.len() > page;
        all.truncate(page);
        let next = all.last().filter(|_| is_truncated).map_or_else(String::new, |(key, id)| {
            format!("<NextKeyMarker>{key}</NextKeyMarker><NextUploadIdMarker>{id}</NextUploadIdMarker>")
        });
        let one = |(key, id): &(String, String)| {
            let time = "2026-01-02T03:04:05.000Z";
            format!("<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>{time}</Initiated></Upload>")
        };
        let uploads: String = all.iter().map(one).collect();
        answer(200, format!("<L><IsTruncated>{is_truncated}</IsTruncated>{next}{uploads}</L>"))
    }
}

async fn serve(State(store): State<Arc<MiniStore>>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let address = head.uri.to_string();
    // The sender lives as long as the store. A client that hangs up meanwhile takes its request back.
    let _ = store.silent.subscribe().wait_for(|part| part.as_ref().is_none_or(|part| !address.contains(part))).await;
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let is_head = head.method == Method::HEAD;
    let mut response = store.handle(&head, body).unwrap_or_else(|refusal| refusal);
    if is_head {
        let (mut parts, body) = response.into_parts();
        let len = axum::body::to_bytes(body, usize::MAX).await.unwrap().len();
        parts.headers.insert("content-length", len.into());
        response = Response::from_parts(parts, Body::empty());
    }
    response
}
