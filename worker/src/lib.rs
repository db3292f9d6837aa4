//! The worker server: task runner, archive, backup and restore over an engine behind `strandline-engine-api`.
//!
//! Decisions are made in `strandline-worker-core`; here they are carried out: idempotent, retried by the scheduler.
//! [`serve`] starts a worker: it hosts replicas, sends heartbeats to the scheduler and carries out the orders in the
//! answers. Only `server.rs` may name an engine; a test of the workspace holds that.

pub mod archive;
pub mod backup;
mod busy;
pub mod clean;
mod clock;
mod config;
mod contact;
mod data_dir;
mod dest_check;
mod disk;
mod fence;
pub mod fingerprint;
mod heartbeat;
mod http;
mod metrics;
mod order_changes;
mod probe_service;
mod readiness;
mod reconcile;
mod replicas;
pub mod restore;
mod schedulers;
mod server;
pub mod task_ctx;
pub mod task_runner;
pub mod validate;

pub use clock::WallClock;
pub use config::WorkerConfig;
pub use server::{DATA_VERSIONS, WorkerHandle, serve};
