//! The scheduler's part of Raft: its state machine and the snapshots of it. The log, votes and transport are
//! `strandline-consensus`'s.

pub mod machine;
pub mod revive;
mod snapshot_file;
pub mod state_machine;
pub mod upkeep;
