//! Backup tasks: what a worker does for a data backup.
//!
//! `ls` copies one consistent point of one log stream into directories that carry this task's turn and retry, `index`
//! merges the indexes of all log streams at tenant level. Nothing here writes set-level infos or placeholders (those are
//! the scheduler's), and nothing writes over a file: a retry has names of its own.

mod block_reader;
mod data_dir;
mod index;
mod known;
mod ls;
mod share;

pub use index::run_backup_index;
pub use ls::run_backup_ls;
