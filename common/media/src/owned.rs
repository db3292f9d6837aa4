//! Who may write: every destination that a server uses is behind this guard.
//!
//! What was opened to be read refuses every write. What was opened to be written asks the destination whose it is before
//! each write: a file system that is not mounted any more leaves an empty directory, and another one may be mounted in its
//! place. So a writer cannot forget to ask: without an owner there is no medium that takes a write.
//!
//! On a file system the identity is read every time: it costs little beside the sync of the write. Object stores cannot
//! be unmounted: there it is read once in [`PROOF_HOLDS`], and again by every medium that is opened.

use crate::identity::{self, CODE_FORMAT_MISMATCH, CODE_FORMAT_MISSING};
use crate::{FileMedium, Listed, LogForm, MediaError, Medium, ObjectWriter, Op, PutOutcome, Survey, Unfinished};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strandline_format::pb::PathFormat;
use strandline_types::{ClusterId, DestId, DestOwner, ErrorClass, TenantId};

/// How long the identity of an object store counts as proven.
const PROOF_HOLDS: Duration = Duration::from_secs(300);

/// What a destination is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Every write is refused.
    Read,
    /// Writes pass as long as the destination is this owner's.
    Write(DestOwner),
}

/// A medium behind the guard.
#[derive(Debug)]
pub struct Guarded {
    inner: Arc<dyn Medium>,
    guard: Arc<Guard>,
}

#[derive(Debug)]
struct Guard {
    /// Where `format.obbak` lies: the destination itself, also for a directory inside of it.
    identity_at: Arc<dyn Medium>,
    right: Right,
    proven: Mutex<Option<Instant>>,
}

impl Guarded {
    /// `inner` with a right.
    #[must_use]
    pub fn new(inner: Arc<dyn Medium>, right: Right) -> Self {
        Self::inside(Arc::clone(&inner), inner, right)
    }

    /// A medium that lies inside of the destination `identity_at`, which says whose it is.
    #[must_use]
    pub fn inside(inner: Arc<dyn Medium>, identity_at: Arc<dyn Medium>, right: Right) -> Self {
        // The question is not work of the destination: it counts for no limit and no metric.
        let identity_at: Arc<dyn Medium> = match identity_at.uri().strip_prefix("file://") {
            Some(root) => Arc::new(FileMedium::new(root)),
            None => identity_at,
        };
        Self { inner, guard: Arc::new(Guard { identity_at, right, proven: Mutex::new(None) }) }
    }
}

impl Guard {
    /// Must come before every write.
    async fn admit(&self, op: Op, path: &str) -> Result<(), MediaError> {
        let uri = self.identity_at.uri();
        let Right::Write(owner) = self.right else {
            let reason = "this destination was opened to be read: a writer says whose it has to be";
            return Err(MediaError::new(ErrorClass::Invalid, op, &uri, path, reason));
        };
        if self.is_proven(&uri) {
            return Ok(());
        }
        let Some(there) = identity::read(&*self.identity_at).await? else {
            let reason = "the destination has no format.obbak: it is not mounted, or was emptied; nothing was written";
            return Err(MediaError::new(ErrorClass::NotFound, op, &uri, path, reason).with_code(CODE_FORMAT_MISSING));
        };
        if !owner.is(&owner_of(&there)) {
            let reason = format!(
                "another destination is there now, that of tenant {} ({}) of cluster {} ({}) under the id {}; nothing \
                 was written",
                there.tenant_id, there.tenant_name, there.cluster_id, there.cluster_name, there.dest_id,
            );
            return Err(MediaError::new(ErrorClass::Invalid, op, &uri, path, reason).with_code(CODE_FORMAT_MISMATCH));
        }
        *self.lock() = Some(Instant::now());
        Ok(())
    }

    /// What a write that failed tells: of a destination that went away under it, that it is away. What it met below a
    /// directory that is not there reads like damage.
    async fn told(&self, op: Op, path: &str, error: MediaError) -> MediaError {
        if !can_be_unmounted(&self.identity_at.uri()) {
            return error;
        }
        match self.admit(op, path).await {
            Err(away) if matches!(away.code, CODE_FORMAT_MISSING | CODE_FORMAT_MISMATCH) => away,
            _ => error,
        }
    }

    fn is_proven(&self, uri: &str) -> bool {
        !can_be_unmounted(uri) && self.lock().is_some_and(|at| at.elapsed() < PROOF_HOLDS)
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Option<Instant>> {
        self.proven.lock()
    }
}

fn can_be_unmounted(uri: &str) -> bool {
    uri.starts_with("file://") || uri.starts_with("mem://")
}

fn owner_of(there: &PathFormat) -> DestOwner {
    DestOwner {
        cluster_id: ClusterId(there.cluster_id),
        tenant_id: TenantId(there.tenant_id),
        dest_id: DestId(there.dest_id),
    }
}

#[async_trait]
impl Medium for Guarded {
    fn log_form(&self) -> LogForm {
        self.inner.log_form()
    }

    async fn put(&self, path: &str, data: Bytes) -> Result<(), MediaError> {
        self.guard.admit(Op::Put, path).await?;
        match self.inner.put(path, data).await {
            Err(error) => Err(self.guard.told(Op::Put, path, error).await),
            done => done,
        }
    }

    async fn put_if_absent(&self, path: &str, data: Bytes) -> Result<PutOutcome, MediaError> {
        self.guard.admit(Op::Put, path).await?;
        match self.inner.put_if_absent(path, data).await {
            Err(error) => Err(self.guard.told(Op::Put, path, error).await),
            done => done,
        }
    }

    async fn get(&self, path: &str) -> Result<Bytes, MediaError> {
        self.inner.get(path).await
    }

    async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, MediaError> {
        self.inner.get_range(path, range).await
    }

    async fn head(&self, path: &str) -> Result<u64, MediaError> {
        self.inner.head(path).await
    }

    async fn list(&self, dir: &str) -> Result<Vec<Listed>, MediaError> {
        self.inner.list(dir).await
    }

    async fn survey(&self, dir: &str) -> Result<Survey, MediaError> {
        self.inner.survey(dir).await
    }

    async fn list_dirs(&self, dir: &str) -> Result<Vec<String>, MediaError> {
        self.inner.list_dirs(dir).await
    }

    async fn delete(&self, path: &str) -> Result<(), MediaError> {
        self.guard.admit(Op::Delete, path).await?;
        self.inner.delete(path).await
    }

    async fn tag(&self, path: &str) -> Result<(), MediaError> {
        self.guard.admit(Op::Delete, path).await?;
        self.inner.tag(path).await
    }

    async fn prune(&self, dir: &str) -> Result<(), MediaError> {
        self.guard.admit(Op::Delete, dir).await?;
        self.inner.prune(dir).await
    }

    async fn append(&self, path: &str, at: u64, data: Bytes) -> Result<u64, MediaError> {
        self.guard.admit(Op::Append, path).await?;
        match self.inner.append(path, at, data).await {
            Err(error) => Err(self.guard.told(Op::Append, path, error).await),
            done => done,
        }
    }

    async fn open_writer(&self, path: &str) -> Result<Box<dyn ObjectWriter>, MediaError> {
        self.guard.admit(Op::Write, path).await?;
        let inner = match self.inner.open_writer(path).await {
            Err(error) => return Err(self.guard.told(Op::Write, path, error).await),
            Ok(inner) => inner,
        };
        Ok(Box::new(GuardedWriter { inner, guard: Arc::clone(&self.guard), path: path.to_owned() }))
    }

    async fn copy(&self, from: &str, to: &str) -> Result<(), MediaError> {
        self.guard.admit(Op::Copy, to).await?;
        self.inner.copy(from, to).await
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>, MediaError> {
        self.inner.unfinished().await
    }

    async fn abort(&self, unfinished: &Unfinished) -> Result<(), MediaError> {
        self.guard.admit(Op::Abort, &unfinished.path).await?;
        self.inner.abort(unfinished).await
    }

    async fn keeps_versions(&self) -> Option<bool> {
        self.inner.keeps_versions().await
    }

    async fn prove(&self) -> Result<(), MediaError> {
        self.guard.admit(Op::Open, "").await
    }

    fn uri(&self) -> String {
        self.inner.uri()
    }
}

/// A big object takes a while: whose the destination is, is asked again before it becomes visible.
#[derive(Debug)]
struct GuardedWriter {
    inner: Box<dyn ObjectWriter>,
    guard: Arc<Guard>,
    path: String,
}

#[async_trait]
impl ObjectWriter for GuardedWriter {
    async fn write(&mut self, data: Bytes) -> Result<(), MediaError> {
        self.inner.write(data).await
    }

    async fn finish(self: Box<Self>) -> Result<u64, MediaError> {
        self.guard.admit(Op::Write, &self.path).await?;
        match self.inner.finish().await {
            Err(error) => Err(self.guard.told(Op::Write, &self.path, error).await),
            done => done,
        }
    }
}

#[cfg(test)]
mod tests;
