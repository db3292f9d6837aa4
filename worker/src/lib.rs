//! The worker's body: task runner, archive, backup and restore over an engine behind [`source`].
//!
//! Decisions live in `strandline-worker-core`; here they are only done: thin, idempotent, retried from outside.

pub mod archive;
pub mod backup;
mod disk;
pub mod engine_source;
pub mod restore;
pub mod source;
pub mod task_ctx;
