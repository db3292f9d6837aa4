//! The steps of one destination: `object_store` does them, and what it has no call for, or would lose something in, is
//! [`Own`] (ADR 0035). [`super::medium`] makes the promises out of these steps. No step retries.

use super::bucket::{Ask, Bucket};
use super::failed::{Failed, Refusal};
use super::transport::Conditional;
use crate::{DeleteMode, Listed, LogForm, MediaError, Op, Options, Unfinished};
use async_trait::async_trait;
use bytes::Bytes;
use object_store::multipart::{MultipartStore, PartId};
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode};
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

/// A store of `object_store`.
pub(crate) trait Backend: ObjectStore + MultipartStore {}
impl<T: ObjectStore + MultipartStore> Backend for T {}

/// One page of a listing.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) objects: Vec<Listed>,
    pub(crate) dirs: Vec<String>,
    /// Asks for the next page; `None` = this is the last one.
    pub(crate) next: Option<String>,
}

/// The requests that are ours, by kind of store. Paths are relative to the destination.
#[async_trait]
pub(crate) trait Own: Debug + Send + Sync {
    fn log_form(&self) -> LogForm;

    /// Bytes of one part of a streamed object; numbers count from 1.
    fn part_bytes(&self, number: usize) -> usize;

    /// The store copies objects by itself, as they are.
    fn copies(&self) -> bool;

    /// One page of what lies below `dir`, `after` the one before it.
    async fn page(&self, dir: &str, one_level: bool, after: &str) -> Result<Page, MediaError>;

    /// A deletion, where that of `object_store` does not serve.
    fn deletion<'a>(&self, path: &'a str) -> Option<Ask<'a>> {
        let _ = path;
        None
    }

    async fn tag(&self, path: &str) -> Result<(), MediaError>;

    /// Appends at exactly `at`; `Refused` when the object does not end there or is no log file.
    async fn append(&self, path: &str, at: u64, data: Bytes) -> Result<Conditional, MediaError>;

    async fn uploads(&self) -> Result<Vec<Unfinished>, MediaError>;

    /// See [`crate::Medium::keeps_versions`].
    async fn keeps_versions(&self) -> Option<bool> {
        None
    }
}

/// The steps of one destination.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) bucket: Arc<Bucket>,
    pub(crate) own: Box<dyn Own>,
    store: Box<dyn Backend>,
    options: Options,
}

impl Stored {
    pub(crate) fn new(bucket: Arc<Bucket>, store: impl Backend, own: impl Own + 'static, options: Options) -> Self {
        Self { bucket, own: Box::new(own), store: Box::new(store), options }
    }

    /// False when conditional writes are known to mean nothing here.
    pub(crate) fn has_conditions(&self) -> bool {
        self.bucket.dialect.has_conditions()
    }

    /// True when a deletion only marks.
    pub(crate) fn deletes_by_tag(&self) -> bool {
        self.options.delete_mode == DeleteMode::Tagging
    }

    /// Writes a whole object.
    pub(crate) async fn put(&self, path: &str, data: Bytes, only_if_absent: bool) -> Result<Conditional, MediaError> {
        let at = self.bucket.at(Op::Put, path)?;
        let mode = if only_if_absent { PutMode::Create } else { PutMode::Overwrite };
        let outcome = self.store.put_opts(&at, data.into(), mode.into()).await;
        self.verdict(Op::Put, path, outcome)
    }

    /// Bytes of an object; `None` = all. May be shorter than the range.
    pub(crate) async fn get(&self, path: &str, range: Option<Range<u64>>) -> Result<Bytes, MediaError> {
        let at = self.bucket.at(Op::Get, path)?;
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let read = async { self.store.get_opts(&at, options).await?.bytes().await };
        match read.await {
            Err(e) if refusal(&e).is_some_and(|r| r.reply.status == 416) => Ok(Bytes::new()),
            outcome => self.meant(Op::Get, path, outcome),
        }
    }

    pub(crate) async fn head(&self, path: &str) -> Result<u64, MediaError> {
        let at = self.bucket.at(Op::Head, path)?;
        let outcome = self.store.head(&at).await;
        self.meant(Op::Head, path, outcome).map(|meta| meta.size)
    }

    /// All pages of a listing.
    pub(crate) async fn list(&self, dir: &str, one_level: bool) -> Result<Page, MediaError> {
        let mut found = Page::default();
        let mut after = String::new();
        loop {
            let page = self.own.page(dir, one_level, &after).await?;
            found.objects.extend(page.objects);
            found.dirs.extend(page.dirs);
            match page.next {
                None => return Ok(found),
                Some(next) if next != after => after = next,
                Some(_) => {
                    let reason = "a listing that goes on and gives the same page again".to_owned();
                    return Err(self.bucket.unreadable(Op::List, dir, reason));
                }
            }
        }
    }

    /// A missing object is a success, and one that is locked where the destination says that objects are.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), MediaError> {
        let outcome = match self.own.deletion(path) {
            Some(ask) => self.bucket.done(ask).await.map(|_| ()),
            None => {
                let at = self.bucket.at(Op::Delete, path)?;
                let outcome = self.store.delete(&at).await;
                self.meant(Op::Delete, path, outcome)
            }
        };
        match outcome {
            Err(e) if e.is_not_found() || (self.options.worm && e.is_locked()) => Ok(()),
            outcome => outcome,
        }
    }

    /// Copies on the server's side; `Unknown` where it cannot.
    pub(crate) async fn copy(&self, from: &str, to: &str) -> Result<Conditional, MediaError> {
        if !self.own.copies() {
            return Ok(Conditional::Unknown);
        }
        let (source, at) = (self.bucket.at(Op::Copy, from)?, self.bucket.at(Op::Copy, to)?);
        match self.store.copy(&source, &at).await {
            // Too large for one copy, or a store without it.
            Err(e) if refusal(&e).is_some_and(|r| matches!(r.reply.status, 400 | 501)) => Ok(Conditional::Unknown),
            outcome => self.verdict(Op::Copy, to, outcome),
        }
    }

    /// Begins a streamed object and gives its upload's name.
    pub(crate) async fn begin(&self, path: &str) -> Result<String, MediaError> {
        let at = self.bucket.at(Op::Write, path)?;
        let outcome = self.store.create_multipart(&at).await;
        self.meant(Op::Write, path, outcome)
    }

    /// Sends part `number` (from 1) and gives the token that [`Stored::complete`] needs.
    pub(crate) async fn part(&self, path: &str, id: &str, number: usize, data: Bytes) -> Result<String, MediaError> {
        let at = self.bucket.at(Op::Write, path)?;
        let outcome = self.store.put_part(&at, &id.to_owned(), number - 1, data.into()).await;
        self.meant(Op::Write, path, outcome).map(|part| part.content_id)
    }

    /// Makes the object visible; never over another one where the store has conditions. `Unknown`: the upload is not
    /// known any more.
    pub(crate) async fn complete(&self, path: &str, id: &str, parts: &[String]) -> Result<Conditional, MediaError> {
        let at = self.bucket.at(Op::Write, path)?;
        let parts = parts.iter().map(|token| PartId { content_id: token.clone() }).collect();
        let outcome = self.store.complete_multipart(&at, &id.to_owned(), parts).await;
        self.verdict(Op::Write, path, outcome)
    }

    /// A missing upload is a success.
    pub(crate) async fn abort(&self, path: &str, id: &str) -> Result<(), MediaError> {
        let at = self.bucket.at(Op::Abort, path)?;
        match self.store.abort_multipart(&at, &id.to_owned()).await {
            Err(e) if refusal(&e).is_some_and(|r| r.reply.code() == "NoSuchUpload") => Ok(()),
            outcome => self.meant(Op::Abort, path, outcome),
        }
    }

    fn meant<T>(&self, op: Op, path: &str, outcome: object_store::Result<T>) -> Result<T, MediaError> {
        outcome.map_err(|e| self.bucket.failed(op, path, &e))
    }

    fn verdict<T>(&self, op: Op, path: &str, outcome: object_store::Result<T>) -> Result<Conditional, MediaError> {
        let Err(error) = outcome else { return Ok(Conditional::Done) };
        self.bucket.verdict(op, path, &error)
    }
}

fn refusal(error: &object_store::Error) -> Option<&Refusal> {
    Failed::behind(error).and_then(Failed::refusal)
}
