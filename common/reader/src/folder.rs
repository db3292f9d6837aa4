//! A folder of a destination as a destination of its own, for reading: a set's `complement_log/` is an archive.
//!
//! It never writes: every writing call is refused.

use async_trait::async_trait;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;
use strandline_media::{Listed, LogForm, MediaError, Medium, ObjectWriter, Op, PutOutcome, Stray, Survey, Unfinished};
use strandline_types::ErrorClass;

/// The folder `dir` of `inner`.
#[derive(Clone, Debug)]
pub struct Folder {
    inner: Arc<dyn Medium>,
    dir: String,
}

impl Folder {
    /// `dir` is relative to the root of `inner`, without a `/` at its end.
    #[must_use]
    pub fn new(inner: Arc<dyn Medium>, dir: impl Into<String>) -> Self {
        Self { inner, dir: dir.into() }
    }

    fn path(&self, path: &str) -> String {
        if path.is_empty() { self.dir.clone() } else { format!("{}/{path}", self.dir) }
    }

    fn local(&self, path: &str) -> String {
        path.strip_prefix(&self.dir).map_or(path, |p| p.trim_start_matches('/')).to_owned()
    }

    fn refuse(&self, op: Op, path: &str) -> MediaError {
        MediaError::new(ErrorClass::Invalid, op, &self.uri(), path, "a folder of a destination is only read")
    }
}

#[async_trait]
impl Medium for Folder {
    fn log_form(&self) -> LogForm {
        self.inner.log_form()
    }

    async fn put(&self, path: &str, _: Bytes) -> Result<(), MediaError> {
        Err(self.refuse(Op::Put, path))
    }

    async fn put_if_absent(&self, path: &str, _: Bytes) -> Result<PutOutcome, MediaError> {
        Err(self.refuse(Op::Put, path))
    }

    async fn get(&self, path: &str) -> Result<Bytes, MediaError> {
        self.inner.get(&self.path(path)).await
    }

    async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, MediaError> {
        self.inner.get_range(&self.path(path), range).await
    }

    async fn head(&self, path: &str) -> Result<u64, MediaError> {
        self.inner.head(&self.path(path)).await
    }

    async fn list(&self, dir: &str) -> Result<Vec<Listed>, MediaError> {
        let listed = self.inner.list(&self.path(dir)).await?;
        Ok(listed.into_iter().map(|o| Listed { path: self.local(&o.path), bytes: o.bytes }).collect())
    }

    async fn survey(&self, dir: &str) -> Result<Survey, MediaError> {
        let Survey { objects, strays } = self.inner.survey(&self.path(dir)).await?;
        let objects = objects.into_iter().map(|o| Listed { path: self.local(&o.path), ..o }).collect();
        Ok(Survey { objects, strays: strays.into_iter().map(|s| Stray { path: self.local(&s.path), ..s }).collect() })
    }

    async fn list_dirs(&self, dir: &str) -> Result<Vec<String>, MediaError> {
        let dirs = self.inner.list_dirs(&self.path(dir)).await?;
        Ok(dirs.iter().map(|d| self.local(d)).collect())
    }

    async fn delete(&self, path: &str) -> Result<(), MediaError> {
        Err(self.refuse(Op::Delete, path))
    }

    async fn append(&self, path: &str, _: u64, _: Bytes) -> Result<u64, MediaError> {
        Err(self.refuse(Op::Append, path))
    }

    async fn open_writer(&self, path: &str) -> Result<Box<dyn ObjectWriter>, MediaError> {
        Err(self.refuse(Op::Write, path))
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>, MediaError> {
        Ok(Vec::new())
    }

    async fn abort(&self, unfinished: &Unfinished) -> Result<(), MediaError> {
        Err(self.refuse(Op::Delete, &unfinished.path))
    }

    fn uri(&self) -> String {
        crate::object_name(&self.inner.uri(), &self.dir)
    }
}
