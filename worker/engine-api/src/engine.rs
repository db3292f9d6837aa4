//! One engine as backup, archive and restore use it.

use crate::{LogFormat, LogStream, RestoreTarget, RestoredBase, SourceError, TabletExtract};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use strandline_types::{ErrorClass, Failure, JobId, LsId, TabletId, TenantId};

/// How the clients' work on this worker goes, in counters that only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientWork {
    /// Times that a log was made durable.
    pub flushes: u64,
    /// Microseconds that this took.
    pub flush_us: u64,
    /// Milliseconds since the last one; `u64::MAX` when there was none.
    pub idle_ms: u64,
}

/// One engine: finds the replicas that this worker hosts.
pub trait Engine: Send + Sync {
    /// How its log is written. The same for every log stream, and for an archive that is replayed into it.
    fn log_format(&self) -> &'static dyn LogFormat;

    /// A running replica of a log stream.
    fn log_stream(&self, tenant: TenantId, ls: LsId) -> Option<Arc<dyn LogStream>>;

    /// How the clients' work on this worker goes, so that background work can stay out of its way.
    fn client_work(&self) -> ClientWork {
        ClientWork { idle_ms: u64::MAX, ..ClientWork::default() }
    }

    /// The place where a restore job rebuilds a replica of the restored tenant, and into which it replays log later.
    fn restore_target(&self, tenant: TenantId, ls: LsId, job: JobId) -> Arc<dyn RestoreTarget>;

    /// Takes the tablets `only` of the log stream `ls` out of the files of a backup in `base` (their blocks, those of
    /// sys data, the engine's own files) into a fresh store in `scratch`. Blocks the thread.
    ///
    /// # Errors
    /// `Corrupt` when the files are not those of `point`; `Invalid` for an engine that cannot do it.
    fn extract(
        &self,
        _base: &Path,
        scratch: &Path,
        _ls: LsId,
        _only: BTreeSet<TabletId>,
        _point: RestoredBase,
    ) -> Result<Box<dyn TabletExtract>, SourceError> {
        let what = "this engine cannot take single tablets out of a backup";
        Err(Failure::new(ErrorClass::Invalid, what, scratch.display().to_string(), "restore the whole tenant").into())
    }
}
