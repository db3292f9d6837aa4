//! Azure Blob: block blobs for whole objects, append blobs for log files.
//!
//! A place is kept from being overwritten by `If-None-Match: *`; an append names its position
//! (`x-ms-blob-condition-appendpos`), so that two writers cannot interleave. Blocks that were never committed are
//! removed by Azure itself after a week, and cannot be listed without showing them as blobs: there is nothing
//! unfinished to report. `object_store` writes, reads and commits blobs; appends, listings, deletions and tags are ours
//! (ADR 0035).

use super::azure_dialect::AzureDialect;
use super::bucket::{Ask, Bucket, no_retries};
use super::stored::{Own, Page, Stored};
use super::transport::Conditional;
use super::xml;
use crate::access::KeySource;
use crate::{Destination, Listed, LogForm, MediaError, Op, Unfinished};
use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use object_store::azure::{AzureCredentialProvider, MicrosoftAzureBuilder};
use std::sync::Arc;
use strandline_types::ErrorClass;

/// One block of an append blob; 50 000 of them fit. Every API version takes this size.
const APPEND_BLOCK_BYTES: usize = 4 << 20;
const PART_BYTES: usize = 8 << 20;

/// Opens a destination in a container. Nothing is sent.
pub(crate) fn open(dest: &Destination, keys: KeySource) -> Result<Stored, MediaError> {
    let account = account(dest, &keys);
    let host = match (&dest.host, &account) {
        (Some(host), _) => host.clone(),
        (None, Some(account)) => dest.scheme.host_of_account(account).unwrap_or_default(),
        (None, None) => return Err(invalid(dest, "an azblob destination needs host= or account=".to_owned())),
    };
    let environment = match (&keys, &account) {
        (KeySource::Environment, Some(account)) => Some(environment(dest, account)?),
        _ => None,
    };
    let (protocol, host) = host.split_once("://").unwrap_or(("https", &host));
    let service = format!("{protocol}://{}", host.trim_end_matches('/'));
    let base = format!("{service}/{}", dest.bucket);
    let store = MicrosoftAzureBuilder::new()
        .with_account(account.clone().unwrap_or_default())
        .with_container_name(&dest.bucket)
        .with_endpoint(service)
        .with_skip_signature(true)
        .with_retry(no_retries());
    let dialect = AzureDialect::new(dest, keys, account, environment);
    let bucket = Arc::new(Bucket::new(dest, base, Arc::new(dialect))?);
    let store = store.with_http_connector(bucket.connector()).build().map_err(|e| invalid(dest, e.to_string()))?;
    let own = Azure { bucket: Arc::clone(&bucket), worm: dest.options.worm };
    Ok(Stored::new(bucket, store, own, dest.options.clone()))
}

fn invalid(dest: &Destination, reason: String) -> MediaError {
    MediaError::new(ErrorClass::Invalid, Op::Open, &dest.name(), "", reason)
}

fn account(dest: &Destination, keys: &KeySource) -> Option<String> {
    let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    match (dest.attribute("account"), keys) {
        (Some(account), _) => Some(account.to_owned()),
        (None, KeySource::Fixed(keys)) => Some(keys.id.clone()),
        (None, KeySource::Environment) => {
            variable("AZURE_STORAGE_ACCOUNT_NAME").or_else(|| variable("AZURE_STORAGE_ACCOUNT"))
        }
        (None, KeySource::File(_)) => None,
    }
}

fn environment(dest: &Destination, account: &str) -> Result<AzureCredentialProvider, MediaError> {
    let builder = MicrosoftAzureBuilder::from_env().with_account(account).with_container_name(&dest.bucket);
    let azure = builder.build().map_err(|e| invalid(dest, e.to_string()))?;
    Ok(Arc::clone(azure.credentials()))
}

/// The requests of our own.
#[derive(Debug)]
struct Azure {
    bucket: Arc<Bucket>,
    /// The container locks objects.
    worm: bool,
}

impl Azure {
    async fn create_log(&self, path: &str) -> Result<Conditional, MediaError> {
        let ask = Ask::new(Op::Append, Method::PUT, path).header("x-ms-blob-type", "AppendBlob");
        self.bucket.tried(ask.header("if-none-match", "*")).await
    }

    async fn append_block(&self, path: &str, at: u64, data: Bytes) -> Result<Conditional, MediaError> {
        for _ in 0..2 {
            let ask = Ask::new(Op::Append, Method::PUT, path).query("comp", "appendblock");
            let ask = ask.header("x-ms-blob-condition-appendpos", at).body(data.clone());
            match self.bucket.tried(ask).await {
                Err(e) if e.is_not_found() && at > 0 => return Ok(Conditional::Refused),
                Err(e) if e.is_not_found() => self.create_log(path).await?,
                outcome => return outcome,
            };
        }
        Err(self.bucket.unreadable(Op::Append, path, "the blob was made and is not there".to_owned()))
    }
}

#[async_trait]
impl Own for Azure {
    fn log_form(&self) -> LogForm {
        // A log file in a container that locks objects could not grow.
        if self.worm { LogForm::Parts } else { LogForm::Plain }
    }

    fn part_bytes(&self, _number: usize) -> usize {
        PART_BYTES
    }

    fn copies(&self) -> bool {
        // A copy of a log file would have to be appended to again: it is carried through this process.
        false
    }

    async fn page(&self, dir: &str, one_level: bool, after: &str) -> Result<Page, MediaError> {
        let mut ask = Ask::bucket(dir).query("restype", "container").query("comp", "list");
        let prefix = self.bucket.below(dir);
        if !prefix.is_empty() {
            ask = ask.query("prefix", prefix);
        }
        if one_level {
            ask = ask.query("delimiter", "/");
        }
        if !after.is_empty() {
            ask = ask.query("marker", after);
        }
        let answer = self.bucket.done(ask).await?;
        let page: xml::ListBlobs = xml::read(&answer).map_err(|e| self.bucket.unreadable(Op::List, dir, e))?;
        let path = |name: &str| self.bucket.relative(name).to_owned();
        let objects = page.blobs.blobs.iter().map(|b| Listed { path: path(&b.name), bytes: b.properties.bytes });
        let dirs = page.blobs.prefixes.iter().map(|p| path(&p.name));
        let next = page.next_marker.filter(|next| !next.is_empty());
        Ok(Page { objects: objects.collect(), dirs: dirs.collect(), next })
    }

    fn deletion<'a>(&self, path: &'a str) -> Option<Ask<'a>> {
        Some(Ask::new(Op::Delete, Method::DELETE, path))
    }

    async fn tag(&self, path: &str) -> Result<(), MediaError> {
        let body = "<?xml version=\"1.0\" encoding=\"utf-8\"?><Tags><TagSet><Tag><Key>delete_mode</Key>\
                    <Value>tagging</Value></Tag></TagSet></Tags>";
        let ask = Ask::new(Op::Delete, Method::PUT, path).query("comp", "tags");
        let ask = ask.header("content-type", "application/xml; charset=UTF-8");
        self.bucket.done(ask.body(Bytes::from_static(body.as_bytes()))).await.map(|_| ())
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

    async fn uploads(&self) -> Result<Vec<Unfinished>, MediaError> {
        Ok(Vec::new())
    }
}
