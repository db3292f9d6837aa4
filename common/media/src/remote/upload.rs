//! Streams one big object in parts: several are on their way at once, memory is bounded by them.
//!
//! A fast digest of everything that was written is kept: it tells the same bytes from others, it protects nothing. An
//! object that is there already, or that became visible while a reply was lost, is read and compared by it: the same
//! bytes are a success, other bytes are `Fenced`. A dropped writer aborts its upload if a runtime is at hand; else
//! [`crate::Medium::unfinished`] shows it.

use super::stored::Stored;
use super::transport::Conditional;
use crate::{MediaError, ObjectWriter, Op, RetryPolicy};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use strandline_types::ErrorClass;
use tokio::task::JoinSet;
use xxhash_rust::xxh3::Xxh3;

/// Parts of one object that are on their way.
const PARTS_IN_FLIGHT_MAX: usize = 4;
/// One read of a comparison.
const READ_BYTES: u64 = 8 << 20;
/// A part is the same bytes at the same number: repeating it is harmless.
const PART_RETRY: RetryPolicy =
    RetryPolicy { attempts: 6, first: std::time::Duration::from_millis(100), most: std::time::Duration::from_secs(5) };

type PartEnd = Result<(usize, String), MediaError>;

/// The writer of one object.
pub(crate) struct Upload {
    uri: String,
    store: Arc<Stored>,
    path: String,
    id: Option<String>,
    buffer: BytesMut,
    bytes: u64,
    digest: Box<Xxh3>,
    tokens: Vec<String>,
    under_way: JoinSet<PartEnd>,
    is_dead: bool,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload").field("path", &self.path).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Upload {
    pub(crate) fn new(uri: String, store: Arc<Stored>, path: String) -> Self {
        Self {
            uri,
            store,
            path,
            id: None,
            buffer: BytesMut::new(),
            bytes: 0,
            digest: Box::default(),
            tokens: Vec::new(),
            under_way: JoinSet::new(),
            is_dead: false,
        }
    }

    fn error(&self, class: ErrorClass, reason: &str) -> MediaError {
        MediaError::new(class, Op::Write, &self.uri, &self.path, reason)
    }

    async fn add(&mut self, mut data: Bytes) -> Result<(), MediaError> {
        while !data.is_empty() {
            let part_bytes = self.store.own.part_bytes(self.tokens.len() + 1);
            let room = part_bytes - self.buffer.len();
            let piece = data.split_to(room.min(data.len()));
            self.digest.update(&piece);
            self.bytes += piece.len() as u64;
            self.buffer.extend_from_slice(&piece);
            if self.buffer.len() == part_bytes {
                self.send_part().await?;
            }
        }
        Ok(())
    }

    async fn send_part(&mut self) -> Result<(), MediaError> {
        let id = match &self.id {
            Some(id) => id.clone(),
            None => {
                let id = again(|| self.store.begin(&self.path)).await?;
                self.id = Some(id.clone());
                id
            }
        };
        while self.under_way.len() >= PARTS_IN_FLIGHT_MAX {
            self.one_ended().await?;
        }
        self.tokens.push(String::new());
        let (number, data) = (self.tokens.len(), self.buffer.split().freeze());
        let (store, path) = (Arc::clone(&self.store), self.path.clone());
        self.under_way.spawn(async move {
            let token = again(|| store.part(&path, &id, number, data.clone())).await?;
            Ok((number, token))
        });
        Ok(())
    }

    async fn one_ended(&mut self) -> Result<(), MediaError> {
        match self.under_way.join_next().await {
            None => Ok(()),
            Some(Ok(Ok((number, token)))) => {
                // Numbers were given out by `send_part`, from 1.
                self.tokens[number - 1] = token;
                Ok(())
            }
            Some(Ok(Err(e))) => Err(e),
            Some(Err(e)) => Err(self.error(ErrorClass::Transient, &e.to_string())),
        }
    }

    async fn end(&mut self) -> Result<u64, MediaError> {
        if self.id.is_none() {
            let data = self.buffer.split().freeze();
            return self.put_small(data).await;
        }
        if !self.buffer.is_empty() {
            self.send_part().await?;
        }
        while !self.under_way.is_empty() {
            self.one_ended().await?;
        }
        let id = self.id.clone().unwrap_or_default();
        if matches!(again(|| self.store.head(&self.path)).await, Err(e) if e.is_not_found()) {
            let completed = again(|| self.store.complete(&self.path, &id, &self.tokens)).await?;
            if completed == Conditional::Done {
                self.id = None;
                return Ok(self.bytes);
            }
        }
        self.is_ours().await
    }

    async fn put_small(&mut self, data: Bytes) -> Result<u64, MediaError> {
        if self.store.has_conditions() {
            match again(|| self.store.put(&self.path, data.clone(), true)).await? {
                Conditional::Done => return Ok(self.bytes),
                Conditional::Refused => return self.is_ours().await,
                Conditional::Unknown => {}
            }
        }
        if matches!(again(|| self.store.head(&self.path)).await, Err(e) if e.is_not_found()) {
            again(|| self.store.put(&self.path, data.clone(), false)).await?;
        }
        self.is_ours().await
    }

    /// The object that is there holds what was written here.
    async fn is_ours(&self) -> Result<u64, MediaError> {
        let len = again(|| self.store.head(&self.path)).await?;
        if len == self.bytes && digest_of(&self.store, &self.path, len).await? == self.digest.digest128() {
            return Ok(len);
        }
        Err(self.error(ErrorClass::Fenced, "an object with other bytes is there"))
    }
}

#[async_trait]
impl ObjectWriter for Upload {
    async fn write(&mut self, data: Bytes) -> Result<(), MediaError> {
        if self.is_dead {
            return Err(self.error(ErrorClass::Invalid, "an earlier write failed"));
        }
        self.is_dead = true;
        self.add(data).await?;
        self.is_dead = false;
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<u64, MediaError> {
        if self.is_dead {
            return Err(self.error(ErrorClass::Invalid, "an earlier write failed"));
        }
        self.end().await
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        self.under_way.abort_all();
        let (store, path) = (Arc::clone(&self.store), std::mem::take(&mut self.path));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Best effort: what stays is shown by `unfinished`.
            drop(runtime.spawn(async move { store.abort(&path, &id).await }));
        }
    }
}

/// Tries again what may go away by itself.
async fn again<T, F: Future<Output = Result<T, MediaError>>>(call: impl Fn() -> F) -> Result<T, MediaError> {
    PART_RETRY.run(call).await
}

async fn digest_of(store: &Stored, path: &str, len: u64) -> Result<u128, MediaError> {
    let mut digest: Box<Xxh3> = Box::default();
    let mut at = 0;
    while at < len {
        let end = len.min(at + READ_BYTES);
        let piece = again(|| store.get(path, Some(at..end))).await?;
        digest.update(&piece);
        at = end;
    }
    Ok(digest.digest128())
}

/// Two objects hold the same bytes.
pub(crate) async fn same_objects(store: &Stored, a: &str, b: &str) -> Result<bool, MediaError> {
    let (len, other) = (store.head(a).await?, store.head(b).await?);
    Ok(len == other && digest_of(store, a, len).await? == digest_of(store, b, len).await?)
}
