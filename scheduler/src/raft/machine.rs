//! The state machine of one start of the group: the one [`Mind`], as long as that start lasts.
//!
//! The Mind outlives the group, so that whoever looks at the State need not know of restarts. It must never be changed by
//! two starts at once: the next one begins only when nobody holds the machine of the one before.

use super::mind::Mind;
use bytes::Bytes;
use std::io;
use std::path::Path;
use std::sync::Arc;
use strandline_consensus::{Applied, Entry, GroupStateMachine, LogPos, Reply, SnapshotDir};

/// The machine of one start.
pub struct Machine(pub Arc<Mind>);

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
