//! Restore tasks: what a worker does for a restore.
//!
//! `data` rebuilds one replica's tablets from a backup set, `log` replays the archive into the restored log stream,
//! `table` recovers single tables into another tenant. All are re-entrant, verify every byte that they read, and name
//! the object when one is missing or damaged.

mod data;
mod follow;
mod local;
mod log;
mod set;
mod table;
mod unsynced;

pub use data::run_restore_data;
pub(crate) use log::keys as archive_keys;
pub use log::run_restore_log;
pub use table::run_recover_table;
