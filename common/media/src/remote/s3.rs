//! S3 and what speaks like it, and OSS: nearly the same requests, other headers and signatures.
//!
//! Log files are parts on S3, which cannot append; OSS appends natively (`POST ?append&position=`). A place is kept
//! from being overwritten by `If-None-Match: *` or `x-oss-forbid-overwrite: true`. Listings of OSS use the older form
//! with a marker: its parameters are in no signature, so both signature versions serve it.

use super::answer::Reply;
use super::client::{Ask, Client, encode};
use super::sign::{Signer, Way};
use super::store::{Conditional, Listing, Store};
use super::xml;
use crate::access::KeySource;
use crate::traffic::{Kind, Traffic};
use crate::{Addressing, Checksum, DeleteMode, Destination, Listed, LogForm, MediaError, Op, Options, Unfinished};
use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::Method;
use md5::{Digest, Md5};
use object_store::aws::AmazonS3Builder;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use strandline_types::{ErrorClass, Scheme};

/// The original's numbers for errors of OSS and S3 (docs/oceanbase.md, 4.13).
const CODE_OSS: i32 = -9003;
const CODE_S3: i32 = -9105;
/// Parts of a streamed object: this size for the first thousand, then larger, so that 10 000 parts hold 300 GB.
const PART_BYTES: usize = 8 << 20;
const PART_BYTES_LATER: usize = 32 << 20;
const PARTS_OF_FIRST_SIZE: usize = 1000;

/// One bucket, below one prefix.
#[derive(Debug)]
pub(crate) struct S3 {
    client: Client,
    options: Options,
    is_oss: bool,
    bucket: String,
    prefix: String,
    /// The digest of every body is part of its request's signature.
    signs_bodies: bool,
    /// Cleared when the store says that it knows no conditions.
    has_conditions: AtomicBool,
    /// The bucket takes no body without a digest of its own, whatever the signature covers: one that locks objects.
    wants_digest: AtomicBool,
}

impl S3 {
    /// Nothing is sent.
    pub(crate) fn new(dest: &Destination, keys: KeySource) -> Result<Self, MediaError> {
        let is_oss = dest.scheme == Scheme::Oss;
        let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        let region = dest.attribute("s3_region").map(str::to_owned).or_else(|| variable("AWS_REGION"));
        let region = region.unwrap_or_else(|| "us-east-1".to_owned());
        let host = dest.host.clone().unwrap_or_else(|| format!("s3.{region}.amazonaws.com"));
        let (protocol, host) = host.split_once("://").unwrap_or(("https", &host));
        let host = host.trim_end_matches('/');
        let base = match dest.options.addressing {
            Addressing::Path => format!("{protocol}://{host}/{}", dest.bucket),
            Addressing::VirtualHosted => format!("{protocol}://{}.{host}", dest.bucket),
        };
        // Only TLS may do without: nothing else protects a body on its way.
        let signs_bodies = !is_oss && (protocol == "http" || dest.options.checksum == Checksum::Off);
        let way = if is_oss {
            Way::Oss { bucket: dest.bucket.clone(), region: oss_region(dest, host) }
        } else {
            let environment = matches!(keys, KeySource::Environment)
                .then(|| AmazonS3Builder::from_env().with_bucket_name(&dest.bucket).with_region(&region).build())
                .transpose()
                .map_err(|e| MediaError::new(ErrorClass::Invalid, Op::Open, &dest.name(), "", e.to_string()))?
                .map(|s3| Arc::clone(s3.credentials()));
            Way::Aws { region, sign_body: signs_bodies, environment }
        };
        let code = if is_oss { CODE_OSS } else { CODE_S3 };
        let signer = Signer { keys, way };
        Ok(Self {
            client: Client::new(dest.name(), base, signer, Traffic::of(dest), code)?,
            has_conditions: AtomicBool::new(dest.options.conditional_put),
            wants_digest: AtomicBool::new(dest.options.worm),
            options: dest.options.clone(),
            is_oss,
            bucket: dest.bucket.clone(),
            prefix: dest.path.clone(),
            signs_bodies,
        })
    }

    fn key(&self, path: &str) -> String {
        let joint = if self.prefix.is_empty() || path.is_empty() { "" } else { "/" };
        format!("{}{joint}{path}", self.prefix)
    }

    fn relative<'a>(&self, key: &'a str) -> &'a str {
        key.strip_prefix(&self.prefix).unwrap_or(key).trim_matches('/')
    }

    /// The body with what lets the store notice that it was damaged on its way. Where CRC was asked for, parts carry
    /// MD5: the CRC of a part would have to be announced when its upload begins.
    fn checked<'a>(&self, ask: Ask<'a>, body: Bytes, is_part: bool) -> Ask<'a> {
        let ask = match self.options.checksum {
            Checksum::Off if !self.wants_digest() => ask,
            // One digest is enough: MD5 costs more than all the rest of a request.
            Checksum::Auto if self.signs_bodies && !self.wants_digest() => ask,
            Checksum::Crc32 if !is_part => {
                let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, &body);
                // A CRC-32 is the low half.
                let crc = (crc as u32).to_be_bytes();
                ask.header("x-amz-checksum-crc32", BASE64_STANDARD.encode(crc))
            }
            Checksum::Auto | Checksum::Crc32 | Checksum::Md5 | Checksum::Off => {
                ask.header("content-md5", BASE64_STANDARD.encode(Md5::digest(&body)))
            }
        };
        ask.body(body)
    }

    fn wants_digest(&self) -> bool {
        self.wants_digest.load(Ordering::Relaxed)
    }

    /// Sends a body; once more with a digest where the bucket says that it takes none without. From then on every body has
    /// one. `ask` makes the same request again.
    async fn send_body<'a>(
        &self,
        path: &str,
        body: &Bytes,
        is_part: bool,
        ask: impl Fn() -> Ask<'a> + Send + Sync,
    ) -> Result<Reply, MediaError> {
        let had_digest = self.wants_digest();
        let reply = self.client.send(&self.key(path), self.checked(ask(), body.clone(), is_part)).await?;
        if had_digest || reply.is_good() || !reply.asks_for_digest() {
            return Ok(reply);
        }
        self.wants_digest.store(true, Ordering::Relaxed);
        self.client.send(&self.key(path), self.checked(ask(), body.clone(), is_part)).await
    }

    fn only_if_absent<'a>(&self, ask: Ask<'a>) -> Ask<'a> {
        if self.is_oss { ask.header("x-oss-forbid-overwrite", "true") } else { ask.header("if-none-match", "*") }
    }

    /// What an answer to a conditional write says.
    fn outcome(&self, reply: &Reply, op: Op, path: &str, conditional: bool) -> Result<Conditional, MediaError> {
        // A completed upload and a copy may be answered 200 with an error in the body.
        let code = reply.code();
        if reply.is_good() && code.is_empty() {
            return Ok(Conditional::Done);
        }
        if conditional
            && matches!((reply.status, code.as_str()), (_, "FileAlreadyExists" | "PreconditionFailed") | (412, _))
        {
            return Ok(Conditional::Refused);
        }
        if conditional && reply.status == 501 {
            self.has_conditions.store(false, Ordering::Relaxed);
            return Ok(Conditional::Unknown);
        }
        let mut error = self.client.refused(reply, op, path);
        if reply.is_good() {
            error.class = ErrorClass::Transient;
        }
        Err(error)
    }

    fn unreadable(&self, op: Op, path: &str, reason: String) -> MediaError {
        MediaError::new(ErrorClass::Transient, op, &self.client.uri, path, reason)
    }

    /// One page of a listing and the text that asks for the next one.
    async fn page(&self, dir: &str, prefix: &str, one_level: bool, after: &str) -> Result<xml::ListBucket, MediaError> {
        let mut ask = Ask::new(Op::List, Kind::List, Method::GET, dir);
        if !self.is_oss {
            ask = ask.query("list-type", 2);
        }
        ask = ask.query("prefix", prefix);
        if one_level {
            ask = ask.query("delimiter", "/");
        }
        if !after.is_empty() {
            ask = ask.query(if self.is_oss { "marker" } else { "continuation-token" }, after);
        }
        let reply = self.client.done("", ask).await?;
        xml::read(&reply.body).map_err(|e| self.unreadable(Op::List, dir, e))
    }
}

/// Version 4 needs the region: given, or in the host's name (`oss-cn-hangzhou-internal.aliyuncs.com`).
fn oss_region(dest: &Destination, host: &str) -> Option<String> {
    if dest.attribute("signature") == Some("v1") {
        return None;
    }
    let of_host = || {
        let name = host.strip_prefix("oss-")?.split('.').next()?;
        host.ends_with(".aliyuncs.com").then(|| name.trim_end_matches("-internal").to_owned())
    };
    dest.attribute("oss_region").map(str::to_owned).or_else(of_host)
}

#[async_trait]
impl Store for S3 {
    fn log_form(&self) -> LogForm {
        // A log file in a bucket that locks objects could not grow.
        if self.is_oss && !self.options.worm { LogForm::Plain } else { LogForm::Parts }
    }

    fn has_conditions(&self) -> bool {
        self.has_conditions.load(Ordering::Relaxed)
    }

    fn deletes_by_tag(&self) -> bool {
        self.options.delete_mode == DeleteMode::Tagging
    }

    fn part_bytes(&self, number: usize) -> usize {
        if number <= PARTS_OF_FIRST_SIZE { PART_BYTES } else { PART_BYTES_LATER }
    }

    async fn put(&self, path: &str, data: Bytes, only_if_absent: bool) -> Result<Conditional, MediaError> {
        let ask = || {
            let ask = Ask::new(Op::Put, Kind::Write, Method::PUT, path);
            if only_if_absent { self.only_if_absent(ask) } else { ask }
        };
        let reply = self.send_body(path, &data, false, ask).await?;
        self.outcome(&reply, Op::Put, path, only_if_absent)
    }

    async fn get(&self, path: &str, range: Option<Range<u64>>) -> Result<Bytes, MediaError> {
        let mut ask = Ask::new(Op::Get, Kind::Read, Method::GET, path);
        if let Some(range) = range {
            ask = ask.header("range", format!("bytes={}-{}", range.start, range.end - 1));
        }
        let reply = self.client.send(&self.key(path), ask).await?;
        match reply.status {
            416 => Ok(Bytes::new()),
            _ if reply.is_good() => Ok(reply.body),
            _ => Err(self.client.refused(&reply, Op::Get, path)),
        }
    }

    async fn head(&self, path: &str) -> Result<u64, MediaError> {
        let ask = Ask::new(Op::Head, Kind::Read, Method::HEAD, path);
        let reply = self.client.done(&self.key(path), ask).await?;
        let len = reply.number("content-length");
        len.ok_or_else(|| self.unreadable(Op::Head, path, "an answer without a length".to_owned()))
    }

    async fn list(&self, dir: &str, one_level: bool) -> Result<Listing, MediaError> {
        let mut prefix = self.key(dir);
        if !prefix.is_empty() {
            prefix.push('/');
        }
        let mut found = Listing::default();
        let mut after = String::new();
        loop {
            let page = self.page(dir, &prefix, one_level, &after).await?;
            let next = if self.is_oss { page.next_marker } else { page.next_continuation_token };
            // A name that ends in '/' is what some browsers make for a directory.
            found.objects.extend(
                page.contents
                    .into_iter()
                    .filter(|c| !c.key.ends_with('/'))
                    .map(|c| Listed { path: self.relative(&c.key).to_owned(), bytes: c.size }),
            );
            found.dirs.extend(page.common_prefixes.into_iter().map(|p| self.relative(&p.prefix).to_owned()));
            match (page.is_truncated, next) {
                (false, _) => return Ok(found),
                (true, Some(next)) if !next.is_empty() && next != after => after = next,
                (true, _) => {
                    let reason = "a listing that goes on and does not say where".to_owned();
                    return Err(self.unreadable(Op::List, dir, reason));
                }
            }
        }
    }

    async fn delete(&self, path: &str) -> Result<(), MediaError> {
        let reply = self.client.send(&self.key(path), Ask::new(Op::Delete, Kind::Delete, Method::DELETE, path)).await?;
        if reply.is_good() || (reply.status == 404 && reply.code() != "NoSuchBucket") {
            return Ok(());
        }
        let error = self.client.refused(&reply, Op::Delete, path);
        if self.options.worm && error.class == ErrorClass::Permission && error.reason.contains("LOCKED_BY_WORM") {
            return Ok(());
        }
        Err(error)
    }

    async fn tag(&self, path: &str) -> Result<(), MediaError> {
        let body = "<Tagging><TagSet><Tag><Key>delete_mode</Key><Value>tagging</Value></Tag></TagSet></Tagging>";
        let body = Bytes::from_static(body.as_bytes());
        let md5 = BASE64_STANDARD.encode(Md5::digest(&body));
        let ask = Ask::new(Op::Delete, Kind::Write, Method::PUT, path).query("tagging", "");
        let ask = ask.header("content-md5", md5).body(body);
        self.client.done(&self.key(path), ask).await.map(|_| ())
    }

    async fn append(&self, path: &str, at: u64, data: Bytes) -> Result<Conditional, MediaError> {
        let ask = Ask::new(Op::Append, Kind::Write, Method::POST, path).query("append", "").query("position", at);
        let reply = self.client.send(&self.key(path), self.checked(ask, data, false)).await?;
        match reply.code().as_str() {
            "PositionNotEqualToLength" | "ObjectNotAppendable" => Ok(Conditional::Refused),
            _ => self.outcome(&reply, Op::Append, path, false),
        }
    }

    async fn begin(&self, path: &str) -> Result<String, MediaError> {
        let ask = Ask::new(Op::Write, Kind::Write, Method::POST, path).query("uploads", "");
        let reply = self.client.done(&self.key(path), ask).await?;
        let begun: xml::UploadBegun = xml::read(&reply.body).map_err(|e| self.unreadable(Op::Write, path, e))?;
        Ok(begun.upload_id)
    }

    async fn part(&self, path: &str, upload: &str, number: usize, data: Bytes) -> Result<String, MediaError> {
        let ask = || {
            let ask = Ask::new(Op::Write, Kind::Write, Method::PUT, path);
            ask.query("partNumber", number).query("uploadId", upload)
        };
        let reply = self.send_body(path, &data, true, ask).await?;
        if !reply.is_good() {
            return Err(self.client.refused(&reply, Op::Write, path));
        }
        let tag = reply.header("etag").map(str::to_owned);
        tag.ok_or_else(|| self.unreadable(Op::Write, path, "a part without an ETag".to_owned()))
    }

    async fn complete(&self, path: &str, upload: &str, parts: &[String]) -> Result<Conditional, MediaError> {
        let mut body = String::from("<CompleteMultipartUpload>");
        for (n, tag) in parts.iter().enumerate() {
            let tag = xml::escape(tag);
            body.push_str(&format!("<Part><PartNumber>{}</PartNumber><ETag>{tag}</ETag></Part>", n + 1));
        }
        body.push_str("</CompleteMultipartUpload>");
        let mut ask = Ask::new(Op::Write, Kind::Write, Method::POST, path).query("uploadId", upload);
        ask = ask.body(body.into()).long();
        let conditional = self.has_conditions();
        if conditional {
            ask = self.only_if_absent(ask);
        }
        let reply = self.client.send(&self.key(path), ask).await?;
        if reply.code() == "NoSuchUpload" {
            return Ok(Conditional::Unknown);
        }
        self.outcome(&reply, Op::Write, path, conditional)
    }

    async fn abort(&self, path: &str, upload: &str) -> Result<(), MediaError> {
        let ask = Ask::new(Op::Abort, Kind::Delete, Method::DELETE, path).query("uploadId", upload);
        let reply = self.client.send(&self.key(path), ask).await?;
        if reply.is_good() || reply.code() == "NoSuchUpload" {
            return Ok(());
        }
        Err(self.client.refused(&reply, Op::Abort, path))
    }

    async fn uploads(&self) -> Result<Vec<Unfinished>, MediaError> {
        let mut found = Vec::new();
        let mut after = (String::new(), String::new());
        loop {
            let mut ask = Ask::new(Op::List, Kind::List, Method::GET, "").query("uploads", "");
            if !self.prefix.is_empty() {
                ask = ask.query("prefix", format!("{}/", self.prefix));
            }
            if !after.0.is_empty() {
                ask = ask.query("key-marker", &after.0).query("upload-id-marker", &after.1);
            }
            let reply = self.client.done("", ask).await?;
            let page: xml::ListUploads = xml::read(&reply.body).map_err(|e| self.unreadable(Op::List, "", e))?;
            found.extend(page.uploads.into_iter().map(|u| Unfinished {
                path: self.relative(&u.key).to_owned(),
                id: u.upload_id,
                started_ms: millis(&u.initiated),
            }));
            let next = (page.next_key_marker.unwrap_or_default(), page.next_upload_id_marker.unwrap_or_default());
            if !page.is_truncated {
                return Ok(found);
            }
            if next.0.is_empty() || next == after {
                let reason = "a listing of uploads that goes on and does not say where".to_owned();
                return Err(self.unreadable(Op::List, "", reason));
            }
            after = next;
        }
    }

    async fn keeps_versions(&self) -> Option<bool> {
        let ask = Ask::new(Op::List, Kind::List, Method::GET, "").query("versioning", "");
        // A key that may not ask and a store that does not know say nothing about it.
        let reply = self.client.done("", ask).await.ok()?;
        xml::read::<xml::Versioning>(&reply.body).ok().map(|v| v.is_on())
    }

    async fn copy(&self, from: &str, to: &str) -> Result<Conditional, MediaError> {
        if self.is_oss {
            // OSS does not copy appendable objects, and log files are such.
            return Ok(Conditional::Unknown);
        }
        let source = format!("/{}/{}", self.bucket, encode(&self.key(from), true));
        let mut ask = Ask::new(Op::Copy, Kind::Write, Method::PUT, to).header("x-amz-copy-source", source).long();
        let conditional = self.has_conditions();
        if conditional {
            ask = self.only_if_absent(ask);
        }
        let reply = self.client.send(&self.key(to), ask).await?;
        if matches!(reply.status, 400 | 501) {
            // Too large for one copy, or a store without it.
            return Ok(Conditional::Unknown);
        }
        self.outcome(&reply, Op::Copy, to, conditional)
    }
}

/// A time as stores write it, in milliseconds since 1970; 0 when it cannot be read, which is very old.
fn millis(text: &str) -> u64 {
    let time = chrono::DateTime::parse_from_rfc3339(text);
    time.ok().and_then(|t| u64::try_from(t.timestamp_millis()).ok()).unwrap_or(0)
}
