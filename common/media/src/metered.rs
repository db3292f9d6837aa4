//! Counts and times every call on a medium.
//!
//! Metrics: `strandline_media_calls_total{op,outcome}`, `strandline_media_bytes_total{op}`,
//! `strandline_media_seconds{op}`. It must never change an outcome.

use crate::{Listed, LogForm, MediaError, Medium, ObjectWriter, Op, PutOutcome, Survey, Unfinished};
use async_trait::async_trait;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// A medium whose calls are counted.
#[derive(Debug)]
pub struct Metered {
    inner: Arc<dyn Medium>,
}

impl Metered {
    /// Counts the calls on `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Medium>) -> Self {
        Self { inner }
    }
}

/// One call under way.
struct Call {
    op: Op,
    began: Instant,
}

impl Call {
    fn begin(op: Op) -> Self {
        Self { op, began: Instant::now() }
    }

    fn end<T>(self, outcome: Result<T, MediaError>, bytes: impl Fn(&T) -> usize) -> Result<T, MediaError> {
        let op = self.op.name();
        let word = match &outcome {
            Ok(_) => "ok".to_owned(),
            Err(e) => e.class.to_string().to_lowercase(),
        };
        metrics::counter!("strandline_media_calls_total", "op" => op, "outcome" => word).increment(1);
        metrics::histogram!("strandline_media_seconds", "op" => op).record(self.began.elapsed().as_secs_f64());
        if let Ok(value) = &outcome {
            metrics::counter!("strandline_media_bytes_total", "op" => op).increment(bytes(value) as u64);
        }
        outcome
    }
}

#[async_trait]
impl Medium for Metered {
    fn log_form(&self) -> LogForm {
        self.inner.log_form()
    }

    async fn put(&self, path: &str, data: Bytes) -> Result<(), MediaError> {
        let (call, n) = (Call::begin(Op::Put), data.len());
        call.end(self.inner.put(path, data).await, |()| n)
    }

    async fn put_if_absent(&self, path: &str, data: Bytes) -> Result<PutOutcome, MediaError> {
        let (call, n) = (Call::begin(Op::Put), data.len());
        call.end(self.inner.put_if_absent(path, data).await, |o| if *o == PutOutcome::Created { n } else { 0 })
    }

    async fn get(&self, path: &str) -> Result<Bytes, MediaError> {
        Call::begin(Op::Get).end(self.inner.get(path).await, Bytes::len)
    }

    async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, MediaError> {
        Call::begin(Op::Get).end(self.inner.get_range(path, range).await, Bytes::len)
    }

    async fn head(&self, path: &str) -> Result<u64, MediaError> {
        Call::begin(Op::Head).end(self.inner.head(path).await, |_| 0)
    }

    async fn list(&self, dir: &str) -> Result<Vec<Listed>, MediaError> {
        Call::begin(Op::List).end(self.inner.list(dir).await, |_| 0)
    }

    async fn survey(&self, dir: &str) -> Result<Survey, MediaError> {
        Call::begin(Op::List).end(self.inner.survey(dir).await, |_| 0)
    }

    async fn list_dirs(&self, dir: &str) -> Result<Vec<String>, MediaError> {
        Call::begin(Op::List).end(self.inner.list_dirs(dir).await, |_| 0)
    }

    async fn delete(&self, path: &str) -> Result<(), MediaError> {
        Call::begin(Op::Delete).end(self.inner.delete(path).await, |()| 0)
    }

    async fn tag(&self, path: &str) -> Result<(), MediaError> {
        Call::begin(Op::Delete).end(self.inner.tag(path).await, |()| 0)
    }

    async fn copy(&self, from: &str, to: &str) -> Result<(), MediaError> {
        Call::begin(Op::Copy).end(self.inner.copy(from, to).await, |()| 0)
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>, MediaError> {
        Call::begin(Op::List).end(self.inner.unfinished().await, |_| 0)
    }

    async fn abort(&self, unfinished: &Unfinished) -> Result<(), MediaError> {
        Call::begin(Op::Abort).end(self.inner.abort(unfinished).await, |()| 0)
    }

    async fn keeps_versions(&self) -> Option<bool> {
        self.inner.keeps_versions().await
    }

    async fn prove(&self) -> Result<(), MediaError> {
        self.inner.prove().await
    }

    async fn prune(&self, dir: &str) -> Result<(), MediaError> {
        self.inner.prune(dir).await
    }

    async fn append(&self, path: &str, at: u64, data: Bytes) -> Result<u64, MediaError> {
        let (call, n) = (Call::begin(Op::Append), data.len());
        call.end(self.inner.append(path, at, data).await, |_| n)
    }

    async fn open_writer(&self, path: &str) -> Result<Box<dyn ObjectWriter>, MediaError> {
        let inner = Call::begin(Op::Write).end(self.inner.open_writer(path).await, |_| 0)?;
        Ok(Box::new(MeteredWriter { inner }))
    }

    fn uri(&self) -> String {
        self.inner.uri()
    }
}

#[derive(Debug)]
struct MeteredWriter {
    inner: Box<dyn ObjectWriter>,
}

#[async_trait]
impl ObjectWriter for MeteredWriter {
    async fn write(&mut self, data: Bytes) -> Result<(), MediaError> {
        let (call, n) = (Call::begin(Op::Write), data.len());
        call.end(self.inner.write(data).await, |()| n)
    }

    async fn finish(self: Box<Self>) -> Result<u64, MediaError> {
        Call::begin(Op::Write).end(self.inner.finish().await, |_| 0)
    }
}
