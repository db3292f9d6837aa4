//! The border between the worker and a database engine: traits, and the value types that cross it.
//!
//! [`Engine`] is what backup, archive and restore use. [`ReplicaHost`] is what an engine offers besides when the worker
//! hosts its replicas. [`LogFormat`] reads the bytes of its log. `docs/engine-border.md` says what a new engine writes.
//!
//! Nothing here may name an engine, a wire message, a runtime or a consensus protocol. Nothing here does I/O.

mod engine;
mod error;
mod extract;
mod log_base;
mod log_format;
mod log_source;
mod palf;
mod replica;
mod replica_state;
mod restore;
mod stop_signal;
mod tables;
mod tablets;

pub use engine::{ClientWork, Engine};
pub use error::SourceError;
pub use extract::{Pairs, TabletExtract};
pub use log_base::{LogBase, LogLink};
pub use log_format::{Bounds, EntryError, LogDamage, LogFormat, LogGroup};
pub use log_source::{CommittedLog, LogSource, LogStatus, LogStream};
pub use palf::{PALF, PalfLog, dictionary_for_medium, dictionary_of_medium};
pub use replica::{IsWanted, Replica, ReplicaHost, ReplicaSpec, RestoreStart};
pub use replica_state::{CaughtUp, ClientAccess, HostedState, Membership, ReplicaHealth, ReplicaStatus};
pub use restore::{ReplayBatch, ReplayItem, Replayed, RestoreTarget, RestoredBase};
pub use stop_signal::{StopOnDrop, StopSignal};
pub use tables::{TableOpener, TableSink};
pub use tablets::{BlockFacts, Checkpoint, CheckpointBlock, EngineMark, TabletSource};
