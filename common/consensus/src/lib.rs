//! The one crate that uses openraft: type config, group-commit log adapter, multi-group tonic transport, vote store, snapshot
//! transfer as files.
//!
//! Owners of groups (scheduler, engine) implement [`EntryLog`] and [`GroupStateMachine`], start a [`Group`] on the
//! process's one [`Node`], and never see openraft: its types must not appear in any public signature of this crate, so
//! that the pinned pre-release can be exchanged here alone.
//!
//! Order rules that everything here keeps:
//! 1. an append is acknowledged to the leader only after [`EntryLog::sync`] returned;
//! 2. a vote is durable before it is answered, and everything appended before the vote is durable before the vote;
//! 3. a reply leaves only after the state machine returned from [`GroupStateMachine::apply`];
//! 4. a replica that begins empty in a group that has history neither votes nor stands for election before it has
//!    caught up: its former promises are lost;
//! 5. a directory that ever belonged to a formed group says so, durably before it acknowledges anything, and never
//!    forms one again;
//! 6. a log that lacks entries that were durable says so, and its replica is one of rule 4 before anything reads it.

mod boot;
mod catch_up;
mod config;
mod convert;
mod data_version;
mod durable_mark;
mod error;
mod form;
mod formation;
mod formed;
mod forming;
mod group;
mod health;
mod listen;
mod log;
mod log_adapter;
mod marker;
mod meta_db;
mod meta_store;
mod network;
mod node;
mod peers;
mod propose;
mod pulse;
mod raft;
mod raft_types;
mod registry;
mod rocks_log;
mod role;
mod rooms;
mod rpc_error;
mod service;
mod sm_adapter;
mod snapshot_files;
mod snapshot_receive;
mod snapshot_send;
mod state_machine;
mod sync_pool;
#[cfg(feature = "testing")]
pub mod testing;
mod types;
mod wal_check;

pub use boot::BootId;
pub use config::{GroupConfig, NodeConfig};
pub use data_version::{DataStep, DataVersions};
pub use error::{GroupError, ProposeError};
pub use forming::FormWait;
pub use group::Group;
pub use health::{CaughtUp, Health};
pub use listen::{listen, local_address};
pub use log::{EntryLog, LogState};
pub use node::Node;
pub use propose::Proposal;
pub use rocks_log::RocksLog;
pub use role::{Role, RoleWatch};
pub use service::TransportService;
pub use state_machine::{Applied, GroupStateMachine, SnapshotDir};
pub use types::{Entry, EntryBody, LogPos, Payload, Reply};
