//! What a task gets from the task runner: the engine, the destinations, a progress counter, a cancel token and room
//! for scratch files. Tasks must take nothing else from their surroundings.

use futures::FutureExt;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use strandline_engine_api::{Engine, TableOpener};
use strandline_media::{Medium, Right, Waits, Watched};
use strandline_proto::v1;
use strandline_proto::v1::task_order::Spec;
use strandline_types::{ErrorClass, Failure, TenantId};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Opens a destination by its URI and its access parameters (empty = those of the URI), to read it or for its owner to
/// write into it.
pub type MediumOpener = Arc<dyn Fn(&str, &str, Right) -> Result<Arc<dyn Medium>, Failure> + Send + Sync>;

/// The surroundings of one task.
#[derive(Clone)]
pub struct TaskCtx {
    /// The replicas of this worker.
    pub engine: Arc<dyn Engine>,
    /// Opens destinations.
    pub open_medium: MediumOpener,
    /// Opens the tables of other tenants.
    pub open_tables: TableOpener,
    /// What the heartbeat reports while the task runs.
    pub progress: Arc<Progress>,
    /// What the task waits for: calls on media by themselves, everything else where it waits.
    pub waits: Arc<Waits>,
    /// Set when the scheduler no longer wants the task.
    pub cancel: CancellationToken,
    /// The newest order for this task, once it differs from the one that the task began with.
    pub changes: watch::Receiver<Option<Spec>>,
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
    /// The surroundings of a task that is not cancelled, whose order never changes, and that writes into no table.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, open_medium: MediumOpener, scratch: PathBuf) -> Self {
        let (progress, waits, cancel) = (Arc::default(), Arc::default(), CancellationToken::new());
        let (_, changes) = watch::channel(None);
        Self { engine, open_medium, open_tables: no_tables(), progress, waits, cancel, changes, scratch }
    }

    /// Opens a destination with access parameters, which nothing may print. It is opened to be read.
    ///
    /// # Errors
    /// As the medium says it.
    pub fn medium_with(&self, uri: &str, access: &str) -> Result<Arc<dyn Medium>, Failure> {
        Ok(self.watched((self.open_medium)(uri, access, Right::Read)?))
    }

    /// Opens a destination to write into it. Every write first asks whether it is that of `owner`; an order of an older
    /// scheduler names none, and then it has to be anybody's.
    ///
    /// # Errors
    /// As the medium says it.
    pub fn medium_to_write(
        &self,
        uri: &str,
        access: &str,
        owner: Option<v1::DestOwner>,
    ) -> Result<Arc<dyn Medium>, Failure> {
        let right = Right::Write(owner.map(Into::into).unwrap_or_default());
        Ok(self.watched((self.open_medium)(uri, access, right)?))
    }

    /// The one place where every medium of a task comes by: no task can wait for one and not tell.
    fn watched(&self, medium: Arc<dyn Medium>) -> Arc<dyn Medium> {
        Arc::new(Watched::new(medium, Arc::clone(&self.waits)))
    }
}

/// An opener for a task runner that cannot reach other tenants.
#[must_use]
pub fn no_tables() -> TableOpener {
    Arc::new(|tenant: TenantId| {
        let object = format!("tenant {tenant}");
        let failure = Failure::new(ErrorClass::Invalid, "there is no way to the tables of a tenant here", object, "");
        futures::future::ready(Err(failure)).boxed()
    })
}

/// The end of a task that is not ordered any more.
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

    /// Takes over a counter of what is dealt with.
    pub fn follow(&self, bytes: &AtomicU64) {
        self.done.store(bytes.load(Ordering::Relaxed), Ordering::Relaxed);
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
