//! The built-in log-stream engine: PALF log, one Raft group per log stream, tablets, KV service.
//!
//! [`Engine`] hosts the replicas of this worker, [`Replica`] is one of them: its log, its tablets, its proposer.
//! [`KvService`] is their service for clients and [`KvClient`] the other side of it. [`BuiltInEngine`] is all of this behind
//! `strandline-engine-api`, as the worker uses it. Order rules: the log is durable
//! before it is acknowledged; what is applied was committed; local log is dropped only when the flushed tablets, Raft
//! and the archive have all passed it.

mod border;
pub mod client;
mod clock;
mod dirs;
mod engine;
mod error;
mod extract;
mod files;
mod foreground;
mod log;
mod machine;
mod on_its_way;
mod places;
mod proposer;
mod quarantine;
mod replica;
mod restore;
mod service;
mod sessions;
mod spec;
pub mod sst;
mod tablet;
#[cfg(test)]
mod tests;
mod types;

pub use border::{BuiltInEngine, table_opener};
pub use client::{ANSWER_WITHIN, KvClient, first_answer};
pub use clock::{Clock, SystemClock};
pub use engine::{Engine, EngineConfig, HostedState};
pub use error::{EngineError, Result};
pub use extract::Extract;
pub use replica::Replica;
pub use service::KvService;
pub use sessions::{SessionId, WriteId, WriteIdentity};
pub use strandline_consensus::{CaughtUp, DataVersions, GroupConfig, Health, Node, NodeConfig, listen, local_address};
pub use types::*;
