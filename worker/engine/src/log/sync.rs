//! Making the log durable: older blocks first, then the names, then the block that is written to.
//!
//! After a failed flush the kernel may have dropped the bytes, say so once, and hand them out of its cache as if they
//! were on the disk. So what was not durable before is cut off at once: a process that opens these files again, in this process
//! or in the next, must not take it for durable.

use super::block::offset_of;
use super::state::State;
use super::{PalfLog, mark};
use crate::foreground;
use parking_lot::MutexGuard;
use std::io;
use std::time::Instant;
use strandline_types::Lsn;

/// The mark follows what is durable at least this closely.
const MARK_BYTES: u64 = 4 << 20;

/// How far the log is durable.
#[derive(Debug)]
pub(super) struct SyncState {
    durable: Lsn,
    /// What the stored mark says.
    marked: Lsn,
    /// After a failed flush the kernel may have dropped the bytes: nothing here is durable any more.
    failed: bool,
}

impl SyncState {
    pub(super) const fn durable_to(durable: Lsn) -> Self {
        Self { durable, marked: durable, failed: false }
    }

    /// Before a cut: nothing above `end` counts as durable any more.
    pub(super) fn cut_to(&mut self, end: Lsn, dir: &std::path::Path) -> io::Result<()> {
        if self.marked > end {
            mark::lower(dir, end)?;
            self.marked = end;
        }
        self.durable = self.durable.min(end);
        Ok(())
    }
}

impl PalfLog {
    /// Everything that was appended before the call is durable when this returns.
    pub(super) fn flush(&self) -> io::Result<()> {
        self.flush_to(self.tail().lsn)
    }

    /// Everything below `end` is durable when this returns; free when it already is.
    pub(crate) fn flush_to(&self, end: Lsn) -> io::Result<()> {
        let mut sync = self.sync_state();
        if sync.failed {
            return Err(io::Error::other("an earlier flush of this log failed"));
        }
        if sync.durable >= end {
            return Ok(());
        }
        let begun = Instant::now();
        let flushed = self.flush_now();
        let took = begun.elapsed();
        metrics::histogram!("strandline_log_flush_seconds").record(took.as_secs_f64());
        foreground::count_flush(took);
        match flushed {
            Ok(durable) => {
                sync.durable = durable;
                if durable.0 >= sync.marked.0.saturating_add(MARK_BYTES) {
                    self.mark(&mut sync);
                }
            }
            Err(_) => {
                sync.failed = true;
                distrust(&mut self.write(), sync.durable);
            }
        }
        flushed.map(drop)
    }

    /// Notes how far the log is durable.
    pub(crate) fn mark_durable(&self) {
        let mut sync = self.sync_state();
        if sync.durable > sync.marked && !sync.failed {
            self.mark(&mut sync);
        }
    }

    /// A mark that is not written only says less.
    fn mark(&self, sync: &mut SyncState) {
        let dir = self.read_state().dir.path.clone();
        match mark::store(&dir, sync.durable) {
            Ok(()) => sync.marked = sync.durable,
            Err(error) => tracing::debug!(dir = %dir.display(), %error, "the mark of the log was not written"),
        }
    }

    fn sync_state(&self) -> MutexGuard<'_, SyncState> {
        self.flush.lock()
    }

    fn flush_now(&self) -> io::Result<Lsn> {
        #[cfg(test)]
        if self.breaks.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(io::Error::other("a broken disk"));
        }
        let (closed, provisional, tail, end, dir) = {
            let s = self.read_state();
            (s.closed.clone(), s.provisional.clone(), s.tail.clone(), s.end(), s.dir.clone())
        };
        for block in &closed {
            block.file.sync_data()?;
        }
        for block in &provisional {
            dir.confirm(*block, &dir.open(*block)?)?;
        }
        if let Some(tail) = &tail {
            tail.file.sync_data()?;
        }
        if !closed.is_empty() || !provisional.is_empty() {
            let mut s = self.write();
            s.closed.retain(|t| !closed.iter().any(|c| c.block == t.block));
            s.provisional.retain(|b| !provisional.contains(b));
        }
        Ok(end)
    }
}

/// Takes everything that is not durable out of the files.
fn distrust(state: &mut State, durable: Lsn) {
    state.failed = true;
    let later: Vec<u64> = state.blocks.range(durable.block() + 1..).map(|(n, _)| *n).rev().collect();
    let cut = || -> io::Result<()> {
        for block in later {
            state.dir.remove(block)?;
        }
        match state.dir.open(durable.block()) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            file => {
                let (file, end) = (file?, offset_of(durable));
                if file.metadata()?.len() > end { file.set_len(end) } else { Ok(()) }
            }
        }
    };
    let (dir, cut) = (state.dir.path.display(), cut());
    match cut {
        Ok(()) => tracing::error!(%dir, %durable, "the disk failed: log that it never took is cut off"),
        Err(error) => tracing::error!(%dir, %durable, %error, "the disk failed, and the log could not be cut"),
    }
}
