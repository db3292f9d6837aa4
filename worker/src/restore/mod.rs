//! Restore tasks: what a worker does for a restore.
