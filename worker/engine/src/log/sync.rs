//! Making the log durable: older blocks first, then the names, then the block that is written to.

use super::PalfLog;
use crate::foreground;
use std::io;
use std::sync::PoisonError;
use std::time::Instant;
use strandline_types::Lsn;

/// How far the log is durable.
#[derive(Debug)]
pub(super) struct SyncState {
    durable: Lsn,
    /// After a failed flush the kernel may have dropped the bytes: nothing here is durable any more.
    failed: bool,
}

impl SyncState {
    pub(super) const fn durable_to(durable: Lsn) -> Self {
        Self { durable, failed: false }
    }

    /// After a cut.
    pub(super) fn cut_to(&mut self, end: Lsn) {
        self.durable = self.durable.min(end);
    }
}

impl PalfLog {
    /// Everything that was appended before the call is durable when this returns.
    pub(super) fn flush(&self) -> io::Result<()> {
        self.flush_to(self.tail().lsn)
    }

    /// Everything below `end` is durable when this returns; free when it already is.
    pub(crate) fn flush_to(&self, end: Lsn) -> io::Result<()> {
        let mut sync = self.flush.lock().unwrap_or_else(PoisonError::into_inner);
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
            Ok(durable) => sync.durable = durable,
            Err(_) => sync.failed = true,
        }
        flushed.map(drop)
    }

    fn flush_now(&self) -> io::Result<Lsn> {
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
