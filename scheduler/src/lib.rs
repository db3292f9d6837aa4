//! The scheduler's body: a Raft node on RocksDB, the leader loop with its effects on the medium, and the doors.

pub mod sql;
