//! Backup tasks: what a worker does for a data backup.
