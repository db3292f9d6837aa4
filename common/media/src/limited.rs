//! Limits and counters of a medium that is not reached by requests: each call is one.
//!
//! It must never change an outcome; a call only waits for its turn.

use crate::traffic::{Kind, Traffic};
use crate::{Listed, LogForm, MediaError, Medium, ObjectWriter, PutOutcome, Survey, Unfinished};
use async_trait::async_trait;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// A medium whose calls are counted and spaced out.
#[derive(Debug)]
pub(crate) struct Limited<M> {
    inner: M,
    traffic: Arc<Traffic>,
}

impl<M: Medium> Limited<M> {
    pub(crate) fn new(inner: M, traffic: Arc<Traffic>) -> Self {
        Self { inner, traffic }
    }

    fn received(&self, bytes: Result<Bytes, MediaError>) -> Result<Bytes, MediaError> {
        if let Ok(bytes) = &bytes {
            self.traffic.received(bytes.len() as u64);
        }
        bytes
    }
}

#[async_trait]
impl<M: Medium> Medium for Limited<M> {
    fn log_form(&self) -> LogForm {
        self.inner.log_form()
    }

    async fn put(&self, path: &str, data: Bytes) -> Result<(), MediaError> {
        self.traffic.admit(Kind::Write, data.len() as u64).await;
        self.inner.put(path, data).await
    }

    async fn put_if_absent(&self, path: &str, data: Bytes) -> Result<PutOutcome, MediaError> {
        self.traffic.admit(Kind::Write, data.len() as u64).await;
        self.inner.put_if_absent(path, data).await
    }

    async fn get(&self, path: &str) -> Result<Bytes, MediaError> {
        self.traffic.admit(Kind::Read, 0).await;
        self.received(self.inner.get(path).await)
    }

    async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, MediaError> {
        self.traffic.admit(Kind::Read, 0).await;
        self.received(self.inner.get_range(path, range).await)
    }

    async fn head(&self, path: &str) -> Result<u64, MediaError> {
        self.traffic.admit(Kind::Read, 0).await;
        self.inner.head(path).await
    }

    async fn list(&self, dir: &str) -> Result<Vec<Listed>, MediaError> {
        self.traffic.admit(Kind::List, 0).await;
        self.inner.list(dir).await
    }

    async fn survey(&self, dir: &str) -> Result<Survey, MediaError> {
        self.traffic.admit(Kind::List, 0).await;
        self.inner.survey(dir).await
    }

    async fn list_dirs(&self, dir: &str) -> Result<Vec<String>, MediaError> {
        self.traffic.admit(Kind::List, 0).await;
        self.inner.list_dirs(dir).await
    }

    async fn delete(&self, path: &str) -> Result<(), MediaError> {
        self.traffic.admit(Kind::Delete, 0).await;
        self.inner.delete(path).await
    }

    async fn tag(&self, path: &str) -> Result<(), MediaError> {
        self.traffic.admit(Kind::Write, 0).await;
        self.inner.tag(path).await
    }

    async fn prune(&self, dir: &str) -> Result<(), MediaError> {
        self.inner.prune(dir).await
    }

    async fn append(&self, path: &str, at: u64, data: Bytes) -> Result<u64, MediaError> {
        self.traffic.admit(Kind::Write, data.len() as u64).await;
        self.inner.append(path, at, data).await
    }

    async fn open_writer(&self, path: &str) -> Result<Box<dyn ObjectWriter>, MediaError> {
        let inner = self.inner.open_writer(path).await?;
        Ok(Box::new(LimitedWriter { inner, traffic: Arc::clone(&self.traffic) }))
    }

    async fn copy(&self, from: &str, to: &str) -> Result<(), MediaError> {
        self.traffic.admit(Kind::Write, 0).await;
        self.inner.copy(from, to).await
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>, MediaError> {
        self.traffic.admit(Kind::List, 0).await;
        self.inner.unfinished().await
    }

    async fn abort(&self, unfinished: &Unfinished) -> Result<(), MediaError> {
        self.traffic.admit(Kind::Delete, 0).await;
        self.inner.abort(unfinished).await
    }

    async fn keeps_versions(&self) -> Option<bool> {
        self.inner.keeps_versions().await
    }

    async fn prove(&self) -> Result<(), MediaError> {
        self.inner.prove().await
    }

    fn uri(&self) -> String {
        self.inner.uri()
    }
}

#[derive(Debug)]
struct LimitedWriter {
    inner: Box<dyn ObjectWriter>,
    traffic: Arc<Traffic>,
}

#[async_trait]
impl ObjectWriter for LimitedWriter {
    async fn write(&mut self, data: Bytes) -> Result<(), MediaError> {
        self.traffic.admit(Kind::Write, data.len() as u64).await;
        self.inner.write(data).await
    }

    async fn finish(self: Box<Self>) -> Result<u64, MediaError> {
        self.inner.finish().await
    }
}
