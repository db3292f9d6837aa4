//! The worker's body: task runner, archive, backup and restore over an engine behind source.rs.
