//! Tries again what may go away by itself.
//!
//! Only `Transient` errors are retried, a bounded number of times, with exponential backoff and full jitter, so that
//! many callers of a medium that comes back do not arrive together. Every call of [`Medium`] may be repeated: that is
//! the trait's promise. Streaming writers are not retried inside: a lost write cannot be told from a done one.

use crate::{Listed, LogForm, MediaError, Medium, ObjectWriter, PutOutcome, Survey, Unfinished};
use async_trait::async_trait;
use bytes::Bytes;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// What the error advises where no retry follows.
const TRIED: &str = "it was tried several times: look at the medium, then repeat the command or statement";

/// A medium may ask for a longer pause; it gets this one.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// How often and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries in all, at least 1.
    pub attempts: u32,
    /// Longest pause before the second try; doubles with every further one.
    pub first: Duration,
    /// No pause is longer than this.
    pub most: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 5, first: Duration::from_millis(50), most: Duration::from_secs(2) }
    }
}

impl RetryPolicy {
    /// The upper bound of the pause after try number `tried` (from 1).
    #[must_use]
    pub fn ceiling(&self, tried: u32) -> Duration {
        self.first.saturating_mul(1 << tried.saturating_sub(1).min(20)).min(self.most)
    }

    /// A random pause below the ceiling.
    #[must_use]
    pub fn pause(&self, tried: u32) -> Duration {
        self.ceiling(tried).mul_f64(rand::random())
    }

    /// Calls until it succeeds, fails for good, or the tries are used up.
    pub(crate) async fn run<T, F: Future<Output = Result<T, MediaError>>>(
        &self,
        call: impl Fn() -> F,
    ) -> Result<T, MediaError> {
        let mut tried = 1;
        loop {
            match call().await {
                Err(e) if e.class.is_retryable() && tried < self.attempts => {
                    tracing::debug!(error = %e, tried, "medium call is tried again");
                    // A medium that names a time gets it, and no caller waits for ever.
                    let asked = Duration::from_millis(e.retry_after_ms.unwrap_or(0)).min(RETRY_AFTER_MAX);
                    tokio::time::sleep(self.pause(tried).max(asked)).await;
                    tried += 1;
                }
                outcome => return outcome,
            }
        }
    }
}

/// A medium whose transient errors are retried.
#[derive(Debug)]
pub struct Retrying {
    inner: Arc<dyn Medium>,
    policy: RetryPolicy,
    is_last: bool,
}

impl Retrying {
    /// Retries calls on `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Medium>, policy: RetryPolicy) -> Self {
        Self { inner, policy, is_last: false }
    }

    /// No other retry follows these, as servers do with their work: errors say so.
    #[must_use]
    pub const fn for_good(mut self) -> Self {
        self.is_last = true;
        self
    }

    async fn again<T, F: Future<Output = Result<T, MediaError>>>(&self, call: impl Fn() -> F) -> Result<T, MediaError> {
        self.policy.run(call).await.map_err(|e| {
            let is_told = !self.is_last || !e.class.is_retryable() || e.todo.is_some();
            if is_told { e } else { e.with_todo(Some(TRIED)) }
        })
    }
}

#[async_trait]
impl Medium for Retrying {
    fn log_form(&self) -> LogForm {
        self.inner.log_form()
    }

    async fn put(&self, path: &str, data: Bytes) -> Result<(), MediaError> {
        self.again(|| self.inner.put(path, data.clone())).await
    }

    async fn put_if_absent(&self, path: &str, data: Bytes) -> Result<PutOutcome, MediaError> {
        self.again(|| self.inner.put_if_absent(path, data.clone())).await
    }

    async fn get(&self, path: &str) -> Result<Bytes, MediaError> {
        self.again(|| self.inner.get(path)).await
    }

    async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, MediaError> {
        self.again(|| self.inner.get_range(path, range.clone())).await
    }

    async fn head(&self, path: &str) -> Result<u64, MediaError> {
        self.again(|| self.inner.head(path)).await
    }

    async fn list(&self, dir: &str) -> Result<Vec<Listed>, MediaError> {
        self.again(|| self.inner.list(dir)).await
    }

    async fn survey(&self, dir: &str) -> Result<Survey, MediaError> {
        self.again(|| self.inner.survey(dir)).await
    }

    async fn list_dirs(&self, dir: &str) -> Result<Vec<String>, MediaError> {
        self.again(|| self.inner.list_dirs(dir)).await
    }

    async fn delete(&self, path: &str) -> Result<(), MediaError> {
        self.again(|| self.inner.delete(path)).await
    }

    async fn tag(&self, path: &str) -> Result<(), MediaError> {
        self.again(|| self.inner.tag(path)).await
    }

    async fn copy(&self, from: &str, to: &str) -> Result<(), MediaError> {
        self.again(|| self.inner.copy(from, to)).await
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>, MediaError> {
        self.again(|| self.inner.unfinished()).await
    }

    async fn abort(&self, unfinished: &Unfinished) -> Result<(), MediaError> {
        self.again(|| self.inner.abort(unfinished)).await
    }

    async fn keeps_versions(&self) -> Option<bool> {
        self.inner.keeps_versions().await
    }

    async fn prove(&self) -> Result<(), MediaError> {
        self.inner.prove().await
    }

    async fn prune(&self, dir: &str) -> Result<(), MediaError> {
        self.again(|| self.inner.prune(dir)).await
    }

    async fn append(&self, path: &str, at: u64, data: Bytes) -> Result<u64, MediaError> {
        self.again(|| self.inner.append(path, at, data.clone())).await
    }

    async fn open_writer(&self, path: &str) -> Result<Box<dyn ObjectWriter>, MediaError> {
        self.again(|| self.inner.open_writer(path)).await
    }

    fn uri(&self) -> String {
        self.inner.uri()
    }
}
