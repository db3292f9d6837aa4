//! Azure Blob: block blobs for whole objects, append blobs for log files.
//!
//! A place is kept from being overwritten by `If-None-Match: *`; an append names its position
//! (`x-ms-blob-condition-appendpos`), so that two writers cannot interleave. Blocks that were never committed are
//! removed by Azure itself after a week, and cannot be listed without showing them as blobs: there is nothing
//! unfinished to report.

use super::answer::Reply;
use super::client::{Ask, Client};
use super::sign::{Signer, Way};
use super::store::{Conditional, Listing, Store};
use super::xml;
use crate::access::KeySource;
use crate::traffic::{Kind, Traffic};
use crate::{Checksum, DeleteMode, Destination, Listed, LogForm, MediaError, Op, Options, Unfinished};
use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::Method;
use md5::{Digest, Md5};
use object_store::azure::MicrosoftAzureBuilder;
use std::ops::Range;
use std::sync::Arc;
use strandline_types::ErrorClass;

/// The original's driver reports every error of Azure as one of its object storage.
const CODE: i32 = -9105;
/// One block of an append blob; 50 000 of them fit. Every API version takes this size.
const APPEND_BLOCK_BYTES: usize = 4 << 20;
const PART_BYTES: usize = 8 << 20;

/// One container, below one prefix.
#[derive(Debug)]
pub(crate) struct Azure {
    client: Client,
    options: Options,
    prefix: String,
}

impl Azure {
    /// Nothing is sent.
    pub(crate) fn new(dest: &Destination, keys: KeySource) -> Result<Self, MediaError> {
        let invalid = |reason: String| MediaError::new(ErrorClass::Invalid, Op::Open, &dest.name(), "", reason);
        let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        let account = match (dest.attribute("account"), &keys) {
            (Some(account), _) => Some(account.to_owned()),
            (None, KeySource::Fixed(keys)) => Some(keys.id.clone()),
            (None, KeySource::Environment) => {
                variable("AZURE_STORAGE_ACCOUNT_NAME").or_else(|| variable("AZURE_STORAGE_ACCOUNT"))
            }
            (None, KeySource::File(_)) => None,
        };
        let host = match (&dest.host, &account) {
            (Some(host), _) => host.clone(),
            (None, Some(account)) => format!("{account}.blob.core.windows.net"),
            (None, None) => return Err(invalid("an azblob destination needs host= or account=".to_owned())),
        };
        let environment = match (&keys, &account) {
            (KeySource::Environment, Some(account)) => {
                let builder = MicrosoftAzureBuilder::from_env().with_account(account);
                let azure = builder.with_container_name(&dest.bucket).build().map_err(|e| invalid(e.to_string()))?;
                Some(Arc::clone(azure.credentials()))
            }
            _ => None,
        };
        let (protocol, host) = host.split_once("://").unwrap_or(("https", &host));
        let base = format!("{protocol}://{}/{}", host.trim_end_matches('/'), dest.bucket);
        let signer = Signer { keys, way: Way::Azure { account, environment } };
        Ok(Self {
            client: Client::new(dest.name(), base, signer, Traffic::of(dest), CODE)?,
            options: dest.options.clone(),
            prefix: dest.path.clone(),
        })
    }

    fn key(&self, path: &str) -> String {
        let joint = if self.prefix.is_empty() || path.is_empty() { "" } else { "/" };
        format!("{}{joint}{path}", self.prefix)
    }

    fn relative<'a>(&self, key: &'a str) -> &'a str {
        key.strip_prefix(&self.prefix).unwrap_or(key).trim_matches('/')
    }

    fn checked<'a>(&self, ask: Ask<'a>, body: Bytes) -> Ask<'a> {
        let ask = match self.options.checksum {
            Checksum::Off => ask,
            Checksum::Auto | Checksum::Md5 | Checksum::Crc32 => {
                ask.header("content-md5", BASE64_STANDARD.encode(Md5::digest(&body)))
            }
        };
        ask.body(body)
    }

    fn outcome(&self, reply: &Reply, op: Op, path: &str) -> Result<Conditional, MediaError> {
        if reply.is_good() {
            return Ok(Conditional::Done);
        }
        match reply.code().as_str() {
            "BlobAlreadyExists" | "ConditionNotMet" | "AppendPositionConditionNotMet" | "InvalidBlobType" => {
                Ok(Conditional::Refused)
            }
            "InvalidBlockList" | "InvalidBlobOrBlock" => Ok(Conditional::Unknown),
            _ => Err(self.client.refused(reply, op, path)),
        }
    }

    async fn create_log(&self, path: &str) -> Result<Conditional, MediaError> {
        let ask = Ask::new(Op::Append, Kind::Write, Method::PUT, path).header("x-ms-blob-type", "AppendBlob");
        let reply = self.client.send(&self.key(path), ask.header("if-none-match", "*")).await?;
        self.outcome(&reply, Op::Append, path)
    }

    async fn append_block(&self, path: &str, at: u64, data: Bytes) -> Result<Conditional, MediaError> {
        for _ in 0..2 {
            let ask = Ask::new(Op::Append, Kind::Write, Method::PUT, path).query("comp", "appendblock");
            let ask = self.checked(ask.header("x-ms-blob-condition-appendpos", at), data.clone());
            let reply = self.client.send(&self.key(path), ask).await?;
            if reply.status == 404 && reply.code() == "BlobNotFound" {
                if at > 0 {
                    return Ok(Conditional::Refused);
                }
                self.create_log(path).await?;
                continue;
            }
            return self.outcome(&reply, Op::Append, path);
        }
        let reason = "the blob was made and is not there";
        Err(MediaError::new(ErrorClass::Transient, Op::Append, &self.client.uri, path, reason))
    }
}

#[async_trait]
impl Store for Azure {
    fn log_form(&self) -> LogForm {
        // A log file in a container that locks objects could not grow.
        if self.options.worm { LogForm::Parts } else { LogForm::Plain }
    }

    fn has_conditions(&self) -> bool {
        self.options.conditional_put
    }

    fn deletes_by_tag(&self) -> bool {
        self.options.delete_mode == DeleteMode::Tagging
    }

    fn part_bytes(&self, _number: usize) -> usize {
        PART_BYTES
    }

    async fn put(&self, path: &str, data: Bytes, only_if_absent: bool) -> Result<Conditional, MediaError> {
        let ask = Ask::new(Op::Put, Kind::Write, Method::PUT, path).header("x-ms-blob-type", "BlockBlob");
        let mut ask = self.checked(ask, data);
        if only_if_absent {
            ask = ask.header("if-none-match", "*");
        }
        let reply = self.client.send(&self.key(path), ask).await?;
        self.outcome(&reply, Op::Put, path)
    }

    async fn get(&self, path: &str, range: Option<Range<u64>>) -> Result<Bytes, MediaError> {
        let mut ask = Ask::new(Op::Get, Kind::Read, Method::GET, path);
        if let Some(range) = range {
            ask = ask.header("x-ms-range", format!("bytes={}-{}", range.start, range.end - 1));
        }
        let reply = self.client.send(&self.key(path), ask).await?;
        match reply.status {
            416 => Ok(Bytes::new()),
            _ if reply.is_good() => Ok(reply.body),
            _ => Err(self.client.refused(&reply, Op::Get, path)),
        }
    }

    async fn head(&self, path: &str) -> Result<u64, MediaError> {
        let reply = self.client.done(&self.key(path), Ask::new(Op::Head, Kind::Read, Method::HEAD, path)).await?;
        reply.number("content-length").ok_or_else(|| {
            let reason = "an answer without a length";
            MediaError::new(ErrorClass::Transient, Op::Head, &self.client.uri, path, reason)
        })
    }

    async fn list(&self, dir: &str, one_level: bool) -> Result<Listing, MediaError> {
        let mut prefix = self.key(dir);
        if !prefix.is_empty() {
            prefix.push('/');
        }
        let mut found = Listing::default();
        let mut marker = String::new();
        loop {
            let ask = Ask::new(Op::List, Kind::List, Method::GET, dir).query("restype", "container");
            let mut ask = ask.query("comp", "list");
            if !prefix.is_empty() {
                ask = ask.query("prefix", &prefix);
            }
            if one_level {
                ask = ask.query("delimiter", "/");
            }
            if !marker.is_empty() {
                ask = ask.query("marker", &marker);
            }
            let reply = self.client.done("", ask).await?;
            let page: xml::ListBlobs = xml::read(&reply.body)
                .map_err(|e| MediaError::new(ErrorClass::Transient, Op::List, &self.client.uri, dir, e))?;
            found.objects.extend(
                page.blobs
                    .blobs
                    .into_iter()
                    .map(|b| Listed { path: self.relative(&b.name).to_owned(), bytes: b.properties.bytes }),
            );
            found.dirs.extend(page.blobs.prefixes.into_iter().map(|p| self.relative(&p.name).to_owned()));
            match page.next_marker {
                Some(next) if !next.is_empty() && next != marker => marker = next,
                _ => return Ok(found),
            }
        }
    }

    async fn delete(&self, path: &str) -> Result<(), MediaError> {
        let reply = self.client.send(&self.key(path), Ask::new(Op::Delete, Kind::Delete, Method::DELETE, path)).await?;
        if reply.is_good() || reply.code() == "BlobNotFound" {
            return Ok(());
        }
        let error = self.client.refused(&reply, Op::Delete, path);
        if self.options.worm && error.reason.contains("LOCKED_BY_WORM") { Ok(()) } else { Err(error) }
    }

    async fn tag(&self, path: &str) -> Result<(), MediaError> {
        let body = "<?xml version=\"1.0\" encoding=\"utf-8\"?><Tags><TagSet><Tag><Key>delete_mode</Key>\
                    <Value>tagging</Value></Tag></TagSet></Tags>";
        let ask = Ask::new(Op::Delete, Kind::Write, Method::PUT, path).query("comp", "tags");
        let ask = ask.header("content-type", "application/xml; charset=UTF-8");
        let ask = self.checked(ask, Bytes::from_static(body.as_bytes()));
        self.client.done(&self.key(path), ask).await.map(|_| ())
    }

    async fn append(&self, path: &str, at: u64, data: Bytes) -> Result<Conditional, MediaError> {
        if data.is_empty() {
            return self.create_log(path).await;
        }
        let mut done = 0;
        while done < data.len() {
            let end = data.len().min(done + APPEND_BLOCK_BYTES);
            let outcome = self.append_block(path, at + done as u64, data.slice(done..end)).await?;
            if outcome != Conditional::Done {
                return Ok(Conditional::Refused);
            }
            done = end;
        }
        Ok(Conditional::Done)
    }

    async fn begin(&self, _path: &str) -> Result<String, MediaError> {
        Ok(format!("{:016x}", rand::random::<u64>()))
    }

    async fn part(&self, path: &str, upload: &str, number: usize, data: Bytes) -> Result<String, MediaError> {
        // All ids of one blob have one length.
        let id = BASE64_STANDARD.encode(format!("{upload}{number:08}"));
        let ask = Ask::new(Op::Write, Kind::Write, Method::PUT, path).query("comp", "block").query("blockid", &id);
        self.client.done(&self.key(path), self.checked(ask, data)).await?;
        Ok(id)
    }

    async fn complete(&self, path: &str, _upload: &str, parts: &[String]) -> Result<Conditional, MediaError> {
        let mut body = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
        for id in parts {
            body.push_str(&format!("<Latest>{id}</Latest>"));
        }
        body.push_str("</BlockList>");
        let ask = Ask::new(Op::Write, Kind::Write, Method::PUT, path).query("comp", "blocklist");
        let ask = ask.header("if-none-match", "*").header("content-type", "text/plain; charset=UTF-8");
        let reply = self.client.send(&self.key(path), ask.body(body.into()).long()).await?;
        self.outcome(&reply, Op::Write, path)
    }

    async fn abort(&self, _path: &str, _upload: &str) -> Result<(), MediaError> {
        Ok(())
    }

    async fn uploads(&self) -> Result<Vec<Unfinished>, MediaError> {
        Ok(Vec::new())
    }

    async fn copy(&self, _from: &str, _to: &str) -> Result<Conditional, MediaError> {
        // A copy of a log file would have to be appended to again: it is carried through this process.
        Ok(Conditional::Unknown)
    }
}
