//! An [`EntryLog`] and the node's vote store as openraft's log storage.
//!
//! Append: readable when it returns, answered by the sync pool. Vote: everything appended before it is flushed first,
//! because openraft takes a saved vote as proof that earlier appends are durable.

use crate::convert::{entry_from_raft, entry_to_raft, log_id_of, pos_of};
use crate::formed::FormedMark;
use crate::log::EntryLog;
use crate::meta_store::MetaStore;
use crate::raft_types::{IoFlushed, LogId, RaftEntry, TypeConfig, Vote};
use crate::sync_pool::{SyncPool, SyncTarget};
use futures::{Stream, StreamExt, stream};
use openraft::storage::{LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;
use strandline_types::limits;

/// Ranges up to this long are read on the async thread: they are what replication of fresh entries reads, from memory.
const INLINE_READ_ENTRIES: u64 = 16;

/// Log, votes and committed position of one group.
#[derive(Clone)]
pub(crate) struct LogAdapter {
    group: Arc<str>,
    log: Arc<dyn EntryLog>,
    meta: Arc<MetaStore>,
    mark: Arc<FormedMark>,
    pool: Arc<SyncPool>,
    target: Arc<SyncTarget>,
}

impl LogAdapter {
    pub(crate) fn new(
        group: Arc<str>,
        log: Arc<dyn EntryLog>,
        meta: Arc<MetaStore>,
        mark: Arc<FormedMark>,
        pool: Arc<SyncPool>,
    ) -> Self {
        Self { group, target: SyncTarget::new(log.clone(), mark.clone()), log, meta, mark, pool }
    }

    async fn read(&self, range: Range<u64>, max_bytes: usize) -> io::Result<Vec<RaftEntry>> {
        let log = self.log.clone();
        let work = move || log.read(range, max_bytes)?.into_iter().map(entry_to_raft).collect();
        work_on(work).await
    }

    /// Reads on from `next` in chunks until `end` or the end of the log.
    fn chunks(&self, next: u64, end: u64) -> impl Stream<Item = io::Result<Vec<RaftEntry>>> + Send + use<> {
        let reader = self.clone();
        stream::try_unfold(next, move |next| {
            let reader = reader.clone();
            async move {
                if next >= end {
                    return Ok(None);
                }
                let entries = reader.read(next..end, limits::RAFT_APPEND_BYTES_MAX).await?;
                Ok(entries.last().map(|last| last.log_id.index + 1).map(|after| (entries, after)))
            }
        })
    }
}

/// Runs blocking work where it may wait.
pub(crate) async fn work_on<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn range_of(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(n) => *n,
        Bound::Excluded(n) => n.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(n) => n.saturating_add(1),
        Bound::Excluded(n) => *n,
        Bound::Unbounded => u64::MAX,
    };
    start..end.max(start)
}

impl RaftLogReader<TypeConfig> for LogAdapter {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<RaftEntry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        self.read(range_of(&range), usize::MAX).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<RaftEntry>> {
        if end.saturating_sub(start) > INLINE_READ_ENTRIES {
            return self.read(start..end, limits::RAFT_APPEND_BYTES_MAX).await;
        }
        self.log.read(start..end, limits::RAFT_APPEND_BYTES_MAX)?.into_iter().map(entry_to_raft).collect()
    }

    async fn entries_stream<RB>(&mut self, range: RB) -> impl Stream<Item = io::Result<RaftEntry>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let Range { start, end } = range_of(&range);
        self.chunks(start, end).flat_map(|chunk| match chunk {
            Ok(entries) => stream::iter(entries.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(e) => stream::iter(vec![Err(e)]),
        })
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        self.meta.vote(&self.group)
    }
}

impl RaftLogStorage<TypeConfig> for LogAdapter {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let state = self.log.state()?;
        Ok(LogState {
            last_purged_log_id: state.purged.map(log_id_of),
            last_log_id: state.last.or(state.purged).map(log_id_of),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let (log, meta, group, vote) = (self.log.clone(), self.meta.clone(), self.group.clone(), *vote);
        work_on(move || {
            log.sync()?;
            meta.save_vote(&group, &vote)
        })
        .await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        match committed {
            Some(id) => self.meta.save_committed(&self.group, &id),
            None => Ok(()),
        }
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        let Some(committed) = self.meta.committed(&self.group)? else { return Ok(None) };
        // The hint is not flushed together with the log. After a power cut it may lie behind a log whose last entries
        // never reached the disk: openraft would take those for applied. Then it is worth nothing.
        let state = self.log.state()?;
        let last = state.last.or(state.purged).map(log_id_of);
        Ok(Some(committed).filter(|committed| Some(*committed) <= last))
    }

    async fn append<I>(&mut self, entries: I, callback: IoFlushed) -> io::Result<()>
    where
        I: IntoIterator<Item = RaftEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries = entries.into_iter().map(entry_from_raft).collect::<io::Result<Vec<_>>>()?;
        if !entries.is_empty() {
            self.log.append(entries)?;
        }
        self.pool.submit(&self.target, callback);
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let log = self.log.clone();
        let after = last.as_ref().map(pos_of);
        work_on(move || if log.state()?.last > after { log.truncate_after(after) } else { Ok(()) }).await
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        let (log, mark) = (self.log.clone(), self.mark.clone());
        work_on(move || {
            log.purge(pos_of(&upto))?;
            mark.set()
        })
        .await
    }
}
