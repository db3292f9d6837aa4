//! The scheduler's body: a Raft node on RocksDB, the leader loop with its effects on the medium, and the doors.
//!
//! [`serve`] starts one node. Who decides: `strandline-scheduler-core` (pure). What this crate adds: a clock, a log, a
//! network and a medium. It must never decide anything that the core does not know of, and must never block the leader
//! loop or a heartbeat on a medium.

mod clock;
mod cluster;
mod cluster_file;
mod config;
mod data_versions;
mod doors;
mod effects;
mod executor;
mod lanes;
mod leader;
mod metrics;
mod node;
mod raft;
mod readiness;
mod seal;
mod server;
mod session;
pub mod sql;

pub use config::{PeerConfig, SchedulerConfig};
pub use data_versions::DATA_VERSIONS;
pub use executor::forward::FORWARDED;
pub use executor::jobs_named;
pub use server::{Listeners, SchedulerHandle, serve, serve_on};
