//! The promises of [`Medium`], kept with the steps of a [`Stored`].
//!
//! A write that finds something at its place reads it back: equal bytes are a success (a lost reply, a second writer
//! of the same bytes), other bytes are `Fenced`, and nothing is ever overwritten. Where a store has no condition, the
//! place is looked at before and the bytes are compared after the write.

use super::stored::Stored;
use super::transport::Conditional;
use super::upload::{Upload, same_objects};
use crate::medium::carry;
use crate::{
    Listed, LogForm, MediaError, Medium, ObjectWriter, Op, PutOutcome, Survey, Unfinished, check_path, no_append,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;
use strandline_types::ErrorClass;

/// One read when an append compares with what is there.
const COMPARE_BYTES: u64 = 8 << 20;
/// Appends tried at the place where the object really ends; a medium where others write all the time ends it.
const APPEND_TRIES: u32 = 4;

/// A destination in a store.
#[derive(Debug)]
pub(crate) struct RemoteMedium {
    uri: String,
    store: Arc<Stored>,
}

impl RemoteMedium {
    pub(crate) fn new(uri: String, store: Arc<Stored>) -> Self {
        Self { uri, store }
    }

    fn error(&self, class: ErrorClass, op: Op, path: &str, reason: &str) -> MediaError {
        MediaError::new(class, op, &self.uri, path, reason)
    }

    fn fenced(&self, op: Op, path: &str) -> MediaError {
        self.error(ErrorClass::Fenced, op, path, "an object with other bytes is there")
    }

    async fn there(&self, path: &str) -> Result<Option<Bytes>, MediaError> {
        match self.store.get(path, None).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    async fn put_once(&self, path: &str, data: Bytes, fill_empty: bool) -> Result<PutOutcome, MediaError> {
        check_path(Op::Put, &self.uri, path)?;
        let tried = match self.store.has_conditions() {
            true => self.store.put(path, data.clone(), true).await?,
            false => Conditional::Unknown,
        };
        if tried == Conditional::Done {
            return Ok(PutOutcome::Created);
        }
        match self.there(path).await? {
            Some(there) if there == data => return Ok(PutOutcome::AlreadyEqual),
            Some(there) if !(fill_empty && there.is_empty()) => return Err(self.fenced(Op::Put, path)),
            None if tried == Conditional::Refused => {
                let reason = "refused as if an object were there, yet none is";
                return Err(self.error(ErrorClass::Transient, Op::Put, path, reason));
            }
            _ => {}
        }
        self.store.put(path, data.clone(), false).await?;
        match self.there(path).await? {
            Some(there) if there == data => Ok(PutOutcome::Created),
            _ => Err(self.fenced(Op::Put, path)),
        }
    }

    /// Compares `data` with what the object holds at `at`; gives how many of its bytes are there already.
    async fn compare(&self, path: &str, at: u64, data: &Bytes) -> Result<usize, MediaError> {
        let len = match self.store.head(path).await {
            Ok(len) => len,
            Err(e) if e.is_not_found() => 0,
            Err(e) => return Err(e),
        };
        if len < at {
            let reason = format!("holds {len} bytes, an append at {at} would leave a hole");
            return Err(self.error(ErrorClass::Invalid, Op::Append, path, &reason));
        }
        let end = len.min(at + data.len() as u64);
        let mut from = at;
        while from < end {
            let to = end.min(from + COMPARE_BYTES);
            let there = self.get_range(path, from..to).await?;
            // Both offsets are inside `data`.
            let ours = &data[(from - at) as usize..(to - at) as usize];
            if let Some(i) = there.iter().zip(ours).position(|(a, b)| a != b) {
                let reason = format!("other bytes are there at offset {}", from + i as u64);
                return Err(self.error(ErrorClass::Fenced, Op::Append, path, &reason));
            }
            from = to;
        }
        Ok((end - at) as usize)
    }
}

#[async_trait]
impl Medium for RemoteMedium {
    fn log_form(&self) -> LogForm {
        self.store.own.log_form()
    }

    async fn put(&self, path: &str, data: Bytes) -> Result<(), MediaError> {
        self.put_once(path, data, true).await.map(|_| ())
    }

    async fn put_if_absent(&self, path: &str, data: Bytes) -> Result<PutOutcome, MediaError> {
        self.put_once(path, data, false).await
    }

    async fn get(&self, path: &str) -> Result<Bytes, MediaError> {
        check_path(Op::Get, &self.uri, path)?;
        self.store.get(path, None).await
    }

    async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, MediaError> {
        check_path(Op::Get, &self.uri, path)?;
        if range.start >= range.end {
            return Ok(Bytes::new());
        }
        let wanted = range.end - range.start;
        let found = self.store.get(path, Some(range.clone())).await?;
        if found.len() as u64 == wanted {
            return Ok(found);
        }
        let reason = format!("holds {} bytes from {} on, {wanted} are needed", found.len(), range.start);
        Err(self.error(ErrorClass::Corrupt, Op::Get, path, &reason))
    }

    async fn head(&self, path: &str) -> Result<u64, MediaError> {
        check_path(Op::Head, &self.uri, path)?;
        self.store.head(path).await
    }

    async fn list(&self, dir: &str) -> Result<Vec<Listed>, MediaError> {
        check_path(Op::List, &self.uri, dir)?;
        let mut found = self.store.list(dir, false).await?.objects;
        found.sort();
        Ok(found)
    }

    async fn survey(&self, dir: &str) -> Result<Survey, MediaError> {
        self.list(dir).await.map(Survey::from)
    }

    async fn list_dirs(&self, dir: &str) -> Result<Vec<String>, MediaError> {
        check_path(Op::List, &self.uri, dir)?;
        let mut found = self.store.list(dir, true).await?.dirs;
        found.sort();
        Ok(found)
    }

    async fn delete(&self, path: &str) -> Result<(), MediaError> {
        check_path(Op::Delete, &self.uri, path)?;
        if !self.store.deletes_by_tag() {
            return self.store.delete(path).await;
        }
        match self.store.own.tag(path).await {
            Err(e) if e.is_not_found() => Ok(()),
            outcome => outcome,
        }
    }

    async fn tag(&self, path: &str) -> Result<(), MediaError> {
        check_path(Op::Delete, &self.uri, path)?;
        self.store.own.tag(path).await
    }

    async fn append(&self, path: &str, at: u64, data: Bytes) -> Result<u64, MediaError> {
        check_path(Op::Append, &self.uri, path)?;
        if self.store.own.log_form() == LogForm::Parts {
            return Err(no_append(&self.uri, path));
        }
        let end = at + data.len() as u64;
        if data.is_empty() {
            let there = self.compare(path, at, &data).await;
            if there.is_err() || at > 0 {
                return there.map(|_| at).and(self.store.head(path).await);
            }
        }
        let mut done = 0;
        for _ in 0..APPEND_TRIES {
            let (from, rest) = (at + done as u64, data.slice(done..));
            if self.store.own.append(path, from, rest).await? == Conditional::Done {
                return Ok(end);
            }
            // It does not end there: a torn append, a lost reply, another writer, or a hole.
            done = self.compare(path, at, &data).await?;
            if done == data.len() {
                return Ok(self.store.head(path).await?.max(end));
            }
        }
        let reason = "the object does not take the bytes at its end: it was not written by appends";
        Err(self.error(ErrorClass::Fenced, Op::Append, path, reason))
    }

    async fn open_writer(&self, path: &str) -> Result<Box<dyn ObjectWriter>, MediaError> {
        check_path(Op::Write, &self.uri, path)?;
        Ok(Box::new(Upload::new(self.uri.clone(), Arc::clone(&self.store), path.to_owned())))
    }

    async fn copy(&self, from: &str, to: &str) -> Result<(), MediaError> {
        check_path(Op::Copy, &self.uri, from)?;
        check_path(Op::Copy, &self.uri, to)?;
        let mut copied = Conditional::Refused;
        if matches!(self.store.head(to).await, Err(e) if e.is_not_found()) {
            copied = self.store.copy(from, to).await?;
        }
        match copied {
            Conditional::Done => Ok(()),
            Conditional::Unknown => carry(self, from, to).await,
            Conditional::Refused if same_objects(&self.store, from, to).await? => Ok(()),
            Conditional::Refused => Err(self.fenced(Op::Copy, to)),
        }
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>, MediaError> {
        let mut found = self.store.own.uploads().await?;
        found.sort();
        Ok(found)
    }

    async fn abort(&self, unfinished: &Unfinished) -> Result<(), MediaError> {
        check_path(Op::Abort, &self.uri, &unfinished.path)?;
        self.store.abort(&unfinished.path, &unfinished.id).await
    }

    async fn keeps_versions(&self) -> Option<bool> {
        self.store.own.keeps_versions().await
    }

    fn uri(&self) -> String {
        self.uri.clone()
    }
}
