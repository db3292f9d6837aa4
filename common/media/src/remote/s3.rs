//! S3 and what speaks like it, and OSS: nearly the same requests, other headers and signatures.
//!
//! Log files are parts on S3, which cannot append; OSS appends natively (`POST ?append&position=`). A place is kept
//! from being overwritten by `If-None-Match: *`, which OSS calls `x-oss-forbid-overwrite: true`. Objects are written, read
//! and put together by `object_store`. Listings are ours (ADR 0035); those of OSS use the older form with a marker: its
//! parameters are in no signature, so both signature versions serve it.

use super::bucket::{Ask, Bucket, no_retries};
use super::s3_dialect::{S3Dialect, Signing, content_md5};
use super::stored::{Own, Page, Stored};
use super::transport::Conditional;
use super::xml;
use crate::access::KeySource;
use crate::{Addressing, Destination, Listed, LogForm, MediaError, Op, Unfinished};
use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use object_store::aws::AmazonS3Builder;
use std::sync::Arc;
use strandline_types::{ErrorClass, Scheme};

/// Parts of a streamed object: this size for the first thousand, then larger, so that 10 000 parts hold 300 GB.
const PART_BYTES: usize = 8 << 20;
const PART_BYTES_LATER: usize = 32 << 20;
const PARTS_OF_FIRST_SIZE: usize = 1000;

/// Opens a destination in a bucket of S3 or OSS. Nothing is sent.
pub(crate) fn open(dest: &Destination, keys: KeySource) -> Result<Stored, MediaError> {
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
    let signing = if is_oss {
        Signing::Oss { bucket: dest.bucket.clone(), region: oss_region(dest, host) }
    } else {
        aws_signing(dest, &keys, &region)?
    };
    let dialect = S3Dialect::new(dest, keys, signing, protocol == "http");
    let bucket = Arc::new(Bucket::new(dest, base.clone(), Arc::new(dialect))?);
    let store = AmazonS3Builder::new()
        .with_bucket_name(&dest.bucket)
        .with_region(region)
        // The bucket stands in it, in either style.
        .with_endpoint(base)
        .with_virtual_hosted_style_request(true)
        .with_skip_signature(true)
        .with_disable_bulk_delete(true)
        .with_retry(no_retries())
        .with_http_connector(bucket.connector())
        .build()
        .map_err(|e| invalid(dest, &e))?;
    let own = S3 { bucket: Arc::clone(&bucket), worm: dest.options.worm, is_oss };
    Ok(Stored::new(bucket, store, own, dest.options.clone()))
}

fn invalid(dest: &Destination, error: &object_store::Error) -> MediaError {
    MediaError::new(ErrorClass::Invalid, Op::Open, &dest.name(), "", error.to_string())
}

fn aws_signing(dest: &Destination, keys: &KeySource, region: &str) -> Result<Signing, MediaError> {
    let environment = matches!(keys, KeySource::Environment)
        .then(|| AmazonS3Builder::from_env().with_bucket_name(&dest.bucket).with_region(region).build())
        .transpose()
        .map_err(|e| invalid(dest, &e))?
        .map(|s3| Arc::clone(s3.credentials()));
    Ok(Signing::Aws { region: region.to_owned(), environment })
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

/// The requests of our own.
#[derive(Debug)]
struct S3 {
    bucket: Arc<Bucket>,
    /// The bucket locks objects.
    worm: bool,
    is_oss: bool,
}

impl S3 {
    /// One page of the uploads that are not complete.
    async fn page_of_uploads(&self, after: &(String, String)) -> Result<xml::ListUploads, MediaError> {
        let mut ask = Ask::bucket("").query("uploads", "");
        if !self.bucket.prefix.is_empty() {
            ask = ask.query("prefix", self.bucket.below(""));
        }
        if !after.0.is_empty() {
            ask = ask.query("key-marker", &after.0).query("upload-id-marker", &after.1);
        }
        let answer = self.bucket.done(ask).await?;
        xml::read(&answer).map_err(|e| self.bucket.unreadable(Op::List, "", e))
    }

    fn endless(&self, dir: &str) -> MediaError {
        self.bucket.unreadable(Op::List, dir, "a listing that goes on and does not say where".to_owned())
    }
}

#[async_trait]
impl Own for S3 {
    fn log_form(&self) -> LogForm {
        // A log file in a bucket that locks objects could not grow.
        if self.is_oss && !self.worm { LogForm::Plain } else { LogForm::Parts }
    }

    fn part_bytes(&self, number: usize) -> usize {
        if number <= PARTS_OF_FIRST_SIZE { PART_BYTES } else { PART_BYTES_LATER }
    }

    fn copies(&self) -> bool {
        // OSS does not copy appendable objects, and log files are such.
        !self.is_oss
    }

    async fn page(&self, dir: &str, one_level: bool, after: &str) -> Result<Page, MediaError> {
        let mut ask = Ask::bucket(dir);
        if !self.is_oss {
            ask = ask.query("list-type", 2);
        }
        ask = ask.query("prefix", self.bucket.below(dir));
        if one_level {
            ask = ask.query("delimiter", "/");
        }
        if !after.is_empty() {
            ask = ask.query(if self.is_oss { "marker" } else { "continuation-token" }, after);
        }
        let answer = self.bucket.done(ask).await?;
        let page: xml::ListBucket = xml::read(&answer).map_err(|e| self.bucket.unreadable(Op::List, dir, e))?;
        let next = if self.is_oss { page.next_marker } else { page.next_continuation_token };
        let next = next.filter(|next| page.is_truncated && !next.is_empty());
        if page.is_truncated && next.is_none() {
            return Err(self.endless(dir));
        }
        // A name that ends in '/' is what some browsers make for a directory.
        let objects = page.contents.into_iter().filter(|c| !c.key.ends_with('/'));
        let objects = objects.map(|c| Listed { path: self.bucket.relative(&c.key).to_owned(), bytes: c.size });
        let dirs = page.common_prefixes.iter().map(|p| self.bucket.relative(&p.prefix).to_owned());
        Ok(Page { objects: objects.collect(), dirs: dirs.collect(), next })
    }

    async fn tag(&self, path: &str) -> Result<(), MediaError> {
        let body = "<Tagging><TagSet><Tag><Key>delete_mode</Key><Value>tagging</Value></Tag></TagSet></Tagging>";
        let body = Bytes::from_static(body.as_bytes());
        let ask = Ask::new(Op::Delete, Method::PUT, path).query("tagging", "");
        self.bucket.done(ask.header("content-md5", content_md5(&body)).body(body)).await.map(|_| ())
    }

    async fn append(&self, path: &str, at: u64, data: Bytes) -> Result<Conditional, MediaError> {
        let ask = Ask::new(Op::Append, Method::POST, path).query("append", "").query("position", at);
        self.bucket.tried(ask.body(data)).await
    }

    async fn uploads(&self) -> Result<Vec<Unfinished>, MediaError> {
        let mut found = Vec::new();
        let mut after = (String::new(), String::new());
        loop {
            let page = self.page_of_uploads(&after).await?;
            found.extend(page.uploads.into_iter().map(|u| Unfinished {
                path: self.bucket.relative(&u.key).to_owned(),
                id: u.upload_id,
                started_ms: millis(&u.initiated),
            }));
            let next = (page.next_key_marker.unwrap_or_default(), page.next_upload_id_marker.unwrap_or_default());
            if !page.is_truncated {
                return Ok(found);
            }
            if next.0.is_empty() || next == after {
                return Err(self.endless(""));
            }
            after = next;
        }
    }

    async fn keeps_versions(&self) -> Option<bool> {
        // A key that may not ask and a store that does not know say nothing about it.
        let answer = self.bucket.done(Ask::bucket("").query("versioning", "")).await.ok()?;
        xml::read::<xml::Versioning>(&answer).ok().map(|v| v.is_on())
    }
}

/// A time as stores write it, in milliseconds since 1970; 0 when it cannot be read, which is very old.
fn millis(text: &str) -> u64 {
    let time = chrono::DateTime::parse_from_rfc3339(text);
    time.ok().and_then(|t| u64::try_from(t.timestamp_millis()).ok()).unwrap_or(0)
}
