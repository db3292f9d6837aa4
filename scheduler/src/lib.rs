//! The scheduler's body: a Raft node on RocksDB, the leader loop with its effects on the medium, statements, and the servers
//! for clients.
//!
//! [`serve`] starts one node. Who decides: `strandline-scheduler-core` (pure). What this crate adds: a clock, a log, a
//! network and a medium. It must never decide anything that the core does not know of, and must never block the leader
//! loop or a heartbeat on a medium.

mod clock;
mod cluster;
mod cluster_file;
mod config;
mod data_versions;
mod effects;
mod executor;
mod leader;
mod metrics;
mod node;
mod password_key;
mod raft;
mod readiness;
mod server;
mod servers;
mod session;
mod sql;
mod statements;
mod step_runner;

pub use config::{PeerConfig, SchedulerConfig};
pub use data_versions::DATA_VERSIONS;
pub use executor::forward::FORWARDED;
pub use server::{Listeners, SchedulerHandle, serve, serve_on};
pub use statements::{jobs_named, statement_reference};
