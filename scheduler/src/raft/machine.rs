//! The state machine of one start of the group: the one [`StateMachine`], as long as that start lasts.
//!
//! The [`StateMachine`] outlives the group, so that readers of the State need not know of restarts. Two starts must never
//! change it at once: the next start begins only when the [`Machine`] of the one before is dropped.

use super::state_machine::StateMachine;
use bytes::Bytes;
use std::io;
use std::path::Path;
use std::sync::Arc;
use strandline_consensus::{Applied, Entry, GroupStateMachine, LogPos, Reply, SnapshotDir};

/// The machine of one start.
pub struct Machine(pub Arc<StateMachine>);

impl GroupStateMachine for Machine {
    fn applied(&self) -> io::Result<Applied> {
        self.0.applied()
    }

    fn apply(&self, entries: Vec<Entry>) -> io::Result<Vec<Reply>> {
        self.0.apply(entries)
    }

    fn build_snapshot(&self) -> io::Result<SnapshotDir> {
        self.0.build_snapshot()
    }

    fn install_snapshot(&self, dir: &Path, last: Option<LogPos>, membership: Bytes) -> io::Result<()> {
        self.0.install_snapshot(dir, last, membership)
    }

    fn current_snapshot(&self) -> io::Result<Option<SnapshotDir>> {
        self.0.current_snapshot()
    }
}
