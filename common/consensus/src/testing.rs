//! Proof for implementations of [`EntryLog`] and [`GroupStateMachine`]: openraft's own storage suite.

use crate::formed::FormedMark;
use crate::log::EntryLog;
use crate::log_adapter::LogAdapter;
use crate::meta_store::MetaStore;
use crate::raft_types::TypeConfig;
use crate::sm_adapter::SmAdapter;
use crate::state_machine::GroupStateMachine;
use crate::sync_pool::SyncPool;
use openraft::StorageError;
use openraft::errors::ErrorSource;
use openraft::impls::BoxedErrorSource;
use openraft::testing::log::{StoreBuilder, Suite};
use std::io;
use std::sync::Arc;

/// A pair under test, and whatever has to live as long (a temporary directory).
pub struct Storage {
    /// The log, empty.
    pub log: Arc<dyn EntryLog>,
    /// The state machine, empty.
    pub sm: Arc<dyn GroupStateMachine>,
    /// Kept until the pair is dropped.
    pub guard: Box<dyn std::any::Any + Send + Sync>,
}

struct Builder<F>(F);

impl<F> Builder<F>
where
    F: Fn() -> io::Result<Storage> + Send + Sync,
{
    fn make(&self) -> io::Result<(Guard, LogAdapter, SmAdapter)> {
        let storage = (self.0)()?;
        let dir = tempfile::tempdir()?;
        let meta = Arc::new(MetaStore::open(dir.path())?);
        let mark = Arc::new(FormedMark::load("suite".into(), meta.clone())?);
        let log = LogAdapter::new("suite".into(), storage.log, meta, mark, Arc::new(SyncPool::start(1)?));
        Ok((Guard { _storage: storage.guard, _dir: dir }, log, SmAdapter::new(storage.sm)))
    }
}

struct Guard {
    _storage: Box<dyn std::any::Any + Send + Sync>,
    _dir: tempfile::TempDir,
}

impl<F> StoreBuilder<TypeConfig, LogAdapter, SmAdapter, Guard> for Builder<F>
where
    F: Fn() -> io::Result<Storage> + Send + Sync,
{
    async fn build(&self) -> Result<(Guard, LogAdapter, SmAdapter), StorageError<TypeConfig>> {
        self.make().map_err(|e| StorageError::read(BoxedErrorSource::from_error(&e)))
    }
}

/// Runs openraft's whole storage suite over pairs that `make` creates; panics where an assertion of the suite fails.
pub async fn storage_suite<F>(make: F) -> Result<(), String>
where
    F: Fn() -> io::Result<Storage> + Send + Sync + 'static,
{
    Suite::test_all(Builder(make)).await.map_err(|e| e.to_string())
}
