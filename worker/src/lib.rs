//! The worker's body: task runner, archive, backup and restore over an engine behind [`source`].
//!
//! Decisions live in `strandline-worker-core`; here they are only done: thin, idempotent, retried from outside.
//! [`serve`] starts a worker: it hosts replicas, beats its heart to the scheduler and makes itself equal to the orders
//! that come back.

pub mod archive;
pub mod backup;
mod busy;
pub mod clean;
mod clock;
mod config;
mod contact;
mod data_dir;
mod data_versions;
mod dest_check;
mod dictionary;
mod disk;
pub mod engine_source;
mod fence;
pub mod fingerprint;
mod heartbeat;
mod http;
mod metrics;
mod order_changes;
mod probe_door;
mod readiness;
mod reconcile;
mod replicas;
pub mod restore;
mod schedulers;
mod server;
pub mod source;
mod tables;
pub mod task_ctx;
pub mod task_runner;
pub mod validate;

pub use clock::WallClock;
pub use config::WorkerConfig;
pub use data_versions::DATA_VERSIONS;
pub use server::{WorkerHandle, serve};
