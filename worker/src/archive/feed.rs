//! The log of one log stream for all its destinations: read once, handed to each.
//!
//! What was read stays for the destinations that are a little behind, as far as the bound allows; one that is farther
//! behind reads for itself, and never holds the others up. Every byte in here counts in the budget of the destination
//! that read it; what only waits for others goes first when that destination needs room.

use super::memory::{Held, Share};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};
use strandline_engine_api::{LogStream, SourceError};
use strandline_types::limits::ARCHIVE_FEED_BYTES_MAX;
use strandline_types::{DestId, Lsn};

/// Committed log, whole groups, with the memory that it takes.
#[derive(Debug)]
pub(super) struct Chunk {
    start: Lsn,
    end: Lsn,
    bytes: Bytes,
    _held: Held,
}

/// A part of a chunk: whole groups from `start` on. The chunk's memory is held as long as this lives.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    /// Where it begins.
    pub start: Lsn,
    /// The groups; empty when nothing newer is committed.
    pub bytes: Bytes,
    _chunk: Arc<Chunk>,
}

/// The shared reader.
pub(super) struct LogFeed {
    source: Arc<dyn LogStream>,
    /// One read at a time: the second caller finds it done.
    reading: tokio::sync::Mutex<()>,
    shelf: Mutex<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    /// Where each destination reads next.
    places: BTreeMap<DestId, Lsn>,
    /// Everything that somebody still has.
    known: Vec<Weak<Chunk>>,
    /// What waits for a slower destination, oldest first.
    kept: VecDeque<Arc<Chunk>>,
}

impl LogFeed {
    pub(super) fn new(source: Arc<dyn LogStream>) -> Arc<Self> {
        Arc::new(Self { source, reading: tokio::sync::Mutex::default(), shelf: Mutex::default() })
    }

    /// The stream itself.
    pub(super) fn source(&self) -> &Arc<dyn LogStream> {
        &self.source
    }

    /// Whole committed groups from `from`: up to about `max_bytes`, at least one when one is there.
    pub(super) async fn read(
        &self,
        dest: DestId,
        share: &Share,
        from: Lsn,
        max_bytes: usize,
    ) -> Result<Stretch, SourceError> {
        if let Some(stretch) = self.shelf().find(dest, from) {
            return Ok(stretch);
        }
        let held = match share.try_take(max_bytes) {
            Some(held) => held,
            None => {
                self.shelf().kept.clear();
                share.take(max_bytes).await
            }
        };
        self.read_into(dest, held, from, max_bytes).await
    }

    /// The same without waiting for memory: `None` when there is none, or nothing is there.
    pub(super) async fn read_ahead(&self, dest: DestId, share: &Share, from: Lsn, max_bytes: usize) -> Option<Stretch> {
        if let Some(stretch) = self.shelf().find(dest, from) {
            return Some(stretch);
        }
        let held = share.try_take(max_bytes)?;
        let read = self.read_into(dest, held, from, max_bytes).await;
        read.ok().filter(|stretch| !stretch.bytes.is_empty())
    }

    /// A destination needs nothing from here any more.
    pub(super) fn leave(&self, dest: DestId) {
        let mut shelf = self.shelf();
        shelf.places.remove(&dest);
        shelf.put_away();
    }

    async fn read_into(&self, dest: DestId, mut held: Held, from: Lsn, max: usize) -> Result<Stretch, SourceError> {
        let _one = self.reading.lock().await;
        if let Some(stretch) = self.shelf().find(dest, from) {
            return Ok(stretch);
        }
        let read = self.source.read_committed(from, max).await?;
        held.shrink_to(read.bytes.len());
        let chunk = Arc::new(Chunk { start: read.start, end: read.end, bytes: read.bytes, _held: held });
        self.shelf().add(dest, &chunk);
        Ok(Stretch { start: from, bytes: chunk.bytes.clone(), _chunk: chunk })
    }

    fn shelf(&self) -> parking_lot::MutexGuard<'_, Shelf> {
        self.shelf.lock()
    }
}

impl Shelf {
    /// What is here of the log at `from`, which is the start of a group.
    fn find(&mut self, dest: DestId, from: Lsn) -> Option<Stretch> {
        self.places.insert(dest, from);
        self.known.retain(|chunk| chunk.strong_count() > 0);
        let chunk = self.known.iter().filter_map(Weak::upgrade).find(|c| c.start <= from && from < c.end)?;
        self.places.insert(dest, chunk.end);
        self.put_away();
        let at = (from.0 - chunk.start.0) as usize;
        Some(Stretch { start: from, bytes: chunk.bytes.slice(at..), _chunk: chunk })
    }

    fn add(&mut self, dest: DestId, chunk: &Arc<Chunk>) {
        self.places.insert(dest, chunk.end);
        if chunk.start < chunk.end {
            self.known.push(Arc::downgrade(chunk));
            self.kept.push_back(Arc::clone(chunk));
        }
        self.put_away();
    }

    /// Drops what no destination waits for, and of the oldest beyond the bound.
    fn put_away(&mut self) {
        let places = &self.places;
        self.kept.retain(|c| places.values().any(|at| *at < c.end));
        let mut bytes: usize = self.kept.iter().map(|c| c.bytes.len()).sum();
        while bytes > ARCHIVE_FEED_BYTES_MAX {
            bytes -= self.kept.pop_front().map_or(bytes, |c| c.bytes.len());
        }
    }
}
