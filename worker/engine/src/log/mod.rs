//! The PALF block log of one replica: the Raft log of its group and the source of the archive, the same bytes on every
//! replica (docs/format-reference.md).
//!
//! One Raft entry is one group; its effective SCN is decided while it is framed. Order rules:
//! 1. bytes are in the file before the entry is visible to readers;
//! 2. a block file keeps its provisional name until every block before it is durable, so a torn end is only ever
//!    accepted where nothing after it was acknowledged;
//! 3. a cut shortens files from the highest block down, so what is left is always a prefix;
//! 4. a bad group below what was durable is an error, never skipped and never cut; above it a power cut may have left
//!    pages in any order, and the log ends before the first group that is not whole. A kill leaves no such thing.

mod append;
mod block;
mod copy;
mod cut;
mod entry;
mod floor;
mod mark;
mod read;
mod recover;
mod state;
mod sync;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use floor::Floor;
pub(crate) use state::LogId;

use block::BlockDir;
use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use state::State;
use std::io;
use std::ops::Range;
use std::path::Path;
use strandline_consensus::{Entry, EntryLog, LogPos, LogState};
use strandline_types::{Lsn, PalfBase, Scn};
use sync::SyncState;

/// The log of one replica.
#[derive(Debug)]
pub(crate) struct PalfLog {
    state: RwLock<State>,
    /// Held over a whole flush, so that flushes do not overlap and the second of two finds its work done.
    flush: Mutex<SyncState>,
    /// The next flush fails as a broken disk does.
    #[cfg(test)]
    breaks: std::sync::atomic::AtomicBool,
}

impl PalfLog {
    /// Opens the log in `dir`, or begins an empty one there.
    pub(crate) fn open(dir: &Path, id: LogId) -> io::Result<Self> {
        let state = recover::open(dir, id)?;
        let flush = Mutex::new(SyncState::durable_to(state.end()));
        Ok(Self {
            state: RwLock::new(state),
            flush,
            #[cfg(test)]
            breaks: std::sync::atomic::AtomicBool::new(false),
        })
    }

    /// Writes an empty log that goes on at `floor` into `dir`, durably. Blocks that already lie there stay before it.
    pub(crate) fn begin_at(dir: &Path, id: LogId, floor: &Floor) -> io::Result<()> {
        floor.store(dir)?;
        BlockDir::new(dir, id).ensure_block_for(floor)
    }

    /// Goes on with the log in another directory: a snapshot was installed.
    pub(crate) fn switch_to(&self, dir: &Path) -> io::Result<()> {
        let mut flush = self.flush.lock();
        let id = self.read_state().dir.id;
        // Before the lock: walking takes a while, and a caller that asks where the log stands must not wait for it.
        let opened = recover::open(dir, id)?;
        *flush = SyncState::durable_to(opened.end());
        let mut state = self.write();
        let recycle = state.recycle;
        *state = State { recycle, ..opened };
        Ok(())
    }

    /// End of what was appended, committed or not, and how the next group would be framed.
    pub(crate) fn tail(&self) -> PalfBase {
        self.read_state().framer.base()
    }

    /// SCN of the last appended group.
    pub(crate) fn last_scn(&self) -> Scn {
        self.tail().prev_scn
    }

    /// Where the log begins for Raft.
    pub(crate) fn floor_lsn(&self) -> Lsn {
        self.read_state().floor.base.lsn
    }

    /// The last entry that Raft sees and that begins before `lsn`.
    pub(crate) fn last_index_before(&self, lsn: Lsn) -> Option<u64> {
        let s = self.read_state();
        let before = s.starts.partition_point(|start| *start < lsn.0) as u64;
        before.checked_sub(1).map(|n| s.floor.first_index() + n)
    }

    /// First position that is still here.
    pub(crate) fn start(&self) -> Lsn {
        self.read_state().start()
    }

    fn read_state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read()
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write()
    }
}

impl EntryLog for PalfLog {
    fn state(&self) -> io::Result<LogState> {
        let state = self.read_state();
        Ok(LogState { purged: state.floor.purged, last: state.last.or(state.floor.purged) })
    }

    fn read(&self, range: Range<u64>, max_bytes: usize) -> io::Result<Vec<Entry>> {
        read::entries(&self.read_state(), range, max_bytes)
    }

    fn append(&self, entries: Vec<Entry>) -> io::Result<()> {
        append::append(&mut self.write(), &entries)
    }

    fn sync(&self) -> io::Result<()> {
        self.flush()
    }

    fn truncate_after(&self, pos: Option<LogPos>) -> io::Result<()> {
        self.cut_after(pos)
    }

    fn purge(&self, upto: LogPos) -> io::Result<()> {
        self.purge_to(upto)
    }
}
