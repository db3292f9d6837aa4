//! openraft's own storage suite over the block log and the state machine.
//!
//! The suite appends, purges and applies at indexes that no group ever reaches without a snapshot. The adapters below
//! do what a snapshot would have done: they give the log a new base.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::Machine;
use crate::dirs::ReplicaDir;
use crate::log::{Floor, LogId, PalfLog};
use crate::tablet::SharedMemory;
use bytes::Bytes;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use strandline_consensus::testing::{Storage, storage_suite};
use strandline_consensus::{Applied, Entry, EntryLog, GroupStateMachine, LogPos, LogState, Reply, SnapshotDir};
use strandline_types::{LsId, PalfBase, TenantId};
use tempfile::TempDir;

const ID: LogId = LogId { tenant: TenantId(1002), ls: LsId(1001) };

/// A log that may be moved to any index.
struct SuiteLog {
    log: Arc<PalfLog>,
    dir: TempDir,
    moves: AtomicU64,
    /// The floor was moved although nothing was purged.
    made_up: AtomicBool,
}

impl SuiteLog {
    fn new(log: Arc<PalfLog>) -> Self {
        let (moves, made_up) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { log, dir: tempfile::tempdir().unwrap(), moves, made_up }
    }

    /// Goes on after `last`, whatever was there before.
    fn move_to(&self, last: Option<LogPos>) -> io::Result<()> {
        let dir = self.dir.path().join(self.moves.fetch_add(1, Ordering::Relaxed).to_string());
        std::fs::create_dir_all(&dir)?;
        let prev_log_id = last.map_or(0, |p| p.index + 1);
        let base = PalfBase { prev_log_id, ..PalfBase::default() };
        PalfLog::begin_at(&dir, ID, &Floor { purged: last, base })?;
        self.log.switch_to(&dir)
    }

    fn next(&self) -> io::Result<u64> {
        Ok(self.log.state()?.last.map_or(0, |p| p.index + 1))
    }

    /// Moves the log when the first entry does not follow.
    fn make_follow(&self, first: LogPos) -> io::Result<bool> {
        if first.index == self.next()? {
            return Ok(false);
        }
        self.move_to(first.index.checked_sub(1).map(|index| LogPos { term: first.term, index }))?;
        Ok(true)
    }
}

impl EntryLog for SuiteLog {
    fn state(&self) -> io::Result<LogState> {
        let state = self.log.state()?;
        let purged = state.purged.filter(|_| !self.made_up.load(Ordering::Relaxed));
        Ok(LogState { purged, ..state })
    }

    fn read(&self, range: Range<u64>, max_bytes: usize) -> io::Result<Vec<Entry>> {
        self.log.read(range, max_bytes)
    }

    fn append(&self, entries: Vec<Entry>) -> io::Result<()> {
        if let Some(first) = entries.first()
            && self.make_follow(first.pos)?
        {
            self.made_up.store(true, Ordering::Relaxed);
        }
        self.log.append(entries)
    }

    fn sync(&self) -> io::Result<()> {
        self.log.sync()
    }

    fn truncate_after(&self, pos: Option<LogPos>) -> io::Result<()> {
        self.log.truncate_after(pos)
    }

    fn purge(&self, upto: LogPos) -> io::Result<()> {
        self.made_up.store(false, Ordering::Relaxed);
        if upto.index >= self.next()? {
            return self.move_to(Some(upto));
        }
        self.log.purge(upto)
    }
}

/// A state machine with a log of its own, into which it puts what it is asked to apply.
struct SuiteMachine {
    machine: Arc<Machine>,
    log: SuiteLog,
}

impl GroupStateMachine for SuiteMachine {
    fn applied(&self) -> io::Result<Applied> {
        self.machine.applied()
    }

    fn apply(&self, entries: Vec<Entry>) -> io::Result<Vec<Reply>> {
        if let Some(first) = entries.first() {
            self.log.make_follow(first.pos)?;
        }
        self.machine.log().append(entries.clone())?;
        self.machine.apply(entries)
    }

    fn build_snapshot(&self) -> io::Result<SnapshotDir> {
        if self.machine.applied()?.last.is_none() {
            // A group never asks for a snapshot before anything was applied.
            return Ok(SnapshotDir { last: None, membership: Bytes::new(), dir: self.log.dir.path().join("empty") });
        }
        self.machine.build_snapshot()
    }

    fn install_snapshot(&self, dir: &Path, last: Option<LogPos>, membership: Bytes) -> io::Result<()> {
        self.machine.install_snapshot(dir, last, membership)
    }

    fn current_snapshot(&self) -> io::Result<Option<SnapshotDir>> {
        self.machine.current_snapshot()
    }
}

fn machine(dir: &Path) -> io::Result<Arc<Machine>> {
    let memory = Arc::new(SharedMemory::new(16 << 20, 8 << 20));
    Machine::open(ReplicaDir::new(dir.to_owned()), ID, &memory)
}

#[tokio::test(flavor = "multi_thread")]
async fn log_and_state_machine_pass_the_storage_suite() {
    let done = storage_suite(|| {
        let dir = tempfile::tempdir()?;
        let log_of_group = Arc::new(PalfLog::open(&dir.path().join("log"), ID)?);
        let machine = machine(&dir.path().join("replica"))?;
        let log = SuiteLog::new(machine.log().clone());
        Ok(Storage {
            log: Arc::new(SuiteLog::new(log_of_group)),
            sm: Arc::new(SuiteMachine { machine, log }),
            guard: Box::new(dir),
        })
    });
    done.await.unwrap();
}
