//! What a task gets from whoever runs it: the engine, the destinations, a progress counter, a cancel token and room
//! for scratch files. Tasks must take nothing else from their surroundings.

use crate::source::Engine;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use strandline_media::Medium;
use strandline_types::{ErrorClass, Failure};
use tokio_util::sync::CancellationToken;

/// Opens a destination by its URI and its access parameters (empty = in the URI or the environment);
/// `strandline_media::open_with` in production.
pub type MediumOpener = Arc<dyn Fn(&str, &str) -> Result<Arc<dyn Medium>, Failure> + Send + Sync>;

/// The surroundings of one task.
#[derive(Clone)]
pub struct TaskCtx {
    /// The replicas of this worker.
    pub engine: Arc<dyn Engine>,
    /// Opens destinations.
    pub open_medium: MediumOpener,
    /// What the heartbeat reports while the task runs.
    pub progress: Arc<Progress>,
    /// Set when the scheduler no longer wants the task.
    pub cancel: CancellationToken,
    /// A directory of this task alone, on the same file system as the engine's data; the runner removes it afterwards.
    pub scratch: PathBuf,
}

impl fmt::Debug for TaskCtx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskCtx")
            .field("progress", &self.progress)
            .field("scratch", &self.scratch)
            .finish_non_exhaustive()
    }
}

impl TaskCtx {
    /// Opens a destination.
    ///
    /// # Errors
    /// As the medium says it.
    pub fn medium(&self, uri: &str) -> Result<Arc<dyn Medium>, Failure> {
        self.medium_with(uri, "")
    }

    /// Opens a destination with its access parameters.
    ///
    /// # Errors
    /// As the medium says it.
    pub fn medium_with(&self, uri: &str, access: &str) -> Result<Arc<dyn Medium>, Failure> {
        (self.open_medium)(uri, access)
    }

    /// Ends the task when it was cancelled.
    ///
    /// # Errors
    /// `Fenced` once the token is set.
    pub fn check_cancelled(&self) -> Result<(), Failure> {
        if self.cancel.is_cancelled() { Err(cancelled()) } else { Ok(()) }
    }
}

/// The end of a task that nobody wants any more.
#[must_use]
pub fn cancelled() -> Failure {
    Failure::new(ErrorClass::Fenced, "the task was cancelled", "task", "")
}

/// Bytes of a task, counted while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    total: AtomicU64,
    done: AtomicU64,
}

impl Progress {
    /// Says how many bytes there are in all.
    pub fn set_total(&self, bytes: u64) {
        self.total.store(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that are dealt with.
    pub fn add_done(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// All bytes, 0 while not known.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Bytes that are dealt with.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }
}
