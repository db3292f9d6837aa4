//! Backup tasks: what a worker does for a data backup.
//!
//! `ls` copies one consistent point of one log stream into directories that carry this task's turn and retry, `index`
//! merges the indexes of all log streams at tenant level, `log_copy` puts archived log into the set, `synthetic` builds a
//! full set out of a chain. Nothing here writes set-level infos or placeholders (those are
//! the scheduler's), and nothing writes over a file: a retry has names of its own.

mod block_reader;
mod data_dir;
mod existing_blocks;
mod index;
mod log_copy;
mod ls;
mod share;
mod synthetic;

pub use index::run_backup_index;
pub use log_copy::run_backup_log;
pub use ls::run_backup_ls;
pub use synthetic::run_synthetic;
