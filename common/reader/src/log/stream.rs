//! Verified groups of one log stream, in LSN order, over files, parts, pieces, rounds and destinations.
//!
//! Every group is verified (headers, data checksums, and from the base on the unbroken accumulated checksum and group
//! numbers); a group that is not right is read again and is then an error with its object and LSN, never skipped. A group
//! that is cut off at the very end is the end of the log. Memory: ranged reads ahead within a byte budget, and the rest of
//! one group.

use super::chain::{FileForm, LogFile, Segment, chain};
use super::files::{LogFiles, LogSource};
use crate::keys::Keys;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, StreamExt};
use std::sync::Arc;
use strandline_format::palf::{GroupHeader, GroupWalker};
use strandline_media::Looks;
use strandline_types::limits::{ARCHIVE_FILE_HEADER_BYTES, ARCHIVE_READ_BYTES_MAX, ARCHIVE_READS_IN_FLIGHT_MAX};
use strandline_types::{Failure, LsId, Lsn, LsnRange, PalfBase, Scn};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The budget is counted in units of this, so that it fits a semaphore.
const UNIT_BYTES: u64 = 4096;
/// Bytes that are read ahead; a larger read (one compacted, packed part) is alone.
const AHEAD_BYTES: u64 = (ARCHIVE_READ_BYTES_MAX * ARCHIVE_READS_IN_FLIGHT_MAX) as u64;

/// A verified group.
#[derive(Clone, Debug)]
pub struct LogGroup {
    /// Its header.
    pub header: GroupHeader,
    /// Where it lies.
    pub range: LsnRange,
    /// All its bytes, header included.
    pub bytes: Bytes,
    /// True when it only fills its block; it has no entries then.
    pub is_padding: bool,
    /// Its entries (SCN, body with kind byte); none for padding.
    pub entries: Vec<(Scn, Bytes)>,
}

/// One ranged read: part of a segment.
#[derive(Clone, Copy, Debug)]
struct Read {
    file: usize,
    range: LsnRange,
    file_start: Lsn,
}

/// What came of a read; its room in the budget is free again when it is dropped.
type Fetched = (Read, Result<Bytes, Failure>, Option<OwnedSemaphorePermit>);

/// Reads groups from a start position to the end of the archive.
pub struct LogReader {
    files: Arc<LogFiles>,
    reads: BoxStream<'static, Fetched>,
    base: Option<PalfBase>,
    at: Lsn,
    end: Lsn,
    rest: Bytes,
    /// What `rest` was read by.
    rest_of: Vec<Read>,
    /// What is wrong where the next group has to begin.
    damage: Option<Failure>,
}

/// What a stretch of log says, and the state of the log after it.
struct Walked {
    groups: Vec<LogGroup>,
    base: Option<PalfBase>,
    at: Lsn,
    rest: Bytes,
    /// Why the walk ends there.
    damage: Option<Failure>,
}

impl LogReader {
    /// Opens the archive of a log stream at `start`, which must be the start of a group. With `base` (whose LSN is
    /// then `start`) the chain of accumulated checksums is verified from there on, without it from the second group.
    ///
    /// # Errors
    /// What the medium says; `NotFound` with the missing LSNs for a hole.
    pub async fn open(
        sources: Vec<LogSource>,
        ls: LsId,
        start: Lsn,
        base: Option<PalfBase>,
        keys: Arc<Keys>,
    ) -> Result<Self, Failure> {
        // Files of one listing may not fit together while parts are merged.
        let look = || async {
            let files = LogFiles::list(sources.clone(), ls, start, Arc::clone(&keys)).await?;
            let chain = chain(files.files(), start).map_err(|e| files.chain_failure(&e))?;
            Ok::<_, Failure>((files, chain))
        };
        let (files, chain) = Looks::default().sure(look).await?;
        let files = Arc::new(files);
        let plan: Vec<Read> = chain.segments.iter().flat_map(|s| reads_of(s, &files.files()[s.file].0)).collect();
        let source = Arc::clone(&files);
        let budget = Arc::new(Semaphore::new((AHEAD_BYTES / UNIT_BYTES) as usize));
        // Room is taken one read after the other: a later read never holds what an earlier one waits for.
        let reads = stream::iter(plan)
            .then(move |read| {
                let budget = Arc::clone(&budget);
                let units = read.range.bytes().min(AHEAD_BYTES).div_ceil(UNIT_BYTES) as u32;
                // `None` only after the semaphore was closed, which never happens.
                async move { (read, budget.acquire_many_owned(units).await.ok()) }
            })
            .map(move |(read, room)| {
                let files = Arc::clone(&source);
                async move { (read, read_bytes(&files, read).await, room) }
            })
            .buffered(ARCHIVE_READS_IN_FLIGHT_MAX)
            .boxed();
        Ok(Self {
            files,
            reads,
            base,
            at: start,
            end: chain.end,
            rest: Bytes::new(),
            rest_of: Vec::new(),
            damage: None,
        })
    }

    /// Where the next group begins.
    #[must_use]
    pub const fn position(&self) -> Lsn {
        self.at
    }

    /// The state of the log before the next group, once it is known.
    #[must_use]
    pub const fn base(&self) -> Option<PalfBase> {
        self.base
    }

    /// End of the archive as it was listed.
    #[must_use]
    pub const fn end(&self) -> Lsn {
        self.end
    }

    /// Where the archive ends, for messages.
    #[must_use]
    pub fn last_object(&self) -> String {
        self.files.last_object()
    }

    /// The next groups; `None` at the end of the archive. Those before a damage come before its error: a reader that has enough
    /// with them does not need what comes after it.
    ///
    /// # Errors
    /// What the medium says; `Corrupt` with object and LSN for a group that is not right.
    pub async fn next_groups(&mut self) -> Result<Option<Vec<LogGroup>>, Failure> {
        if let Some(damage) = &self.damage {
            return Err(damage.clone());
        }
        while let Some((read, data, _room)) = self.reads.next().await {
            let walked = self.walk_or_read_again(read, data?).await?;
            self.rest_of.push(read);
            self.rest_of.retain(|read| read.range.end > walked.at);
            (self.base, self.at, self.rest) = (walked.base, walked.at, walked.rest);
            match (walked.groups.is_empty(), walked.damage) {
                (true, Some(damage)) => return Err(damage),
                (true, None) => {}
                (false, damage) => {
                    self.damage = damage;
                    return Ok(Some(walked.groups));
                }
            }
        }
        Ok(None)
    }

    /// The groups that `data` completes. Damage that one answer shows counts when fresh answers show it, too.
    async fn walk_or_read_again(&mut self, read: Read, data: Bytes) -> Result<Walked, Failure> {
        let mut walked = self.walk(read, join(&self.rest, data));
        let looks = Looks::default();
        for looked in 1..looks.most {
            if walked.damage.is_none() {
                break;
            }
            looks.pause(looked).await;
            let mut fresh = Bytes::new();
            for read in self.rest_of.iter().chain([&read]) {
                let range = LsnRange { start: read.range.start.max(self.at), end: read.range.end };
                fresh = join(&fresh, read_bytes(&self.files, Read { range, ..*read }).await?);
            }
            walked = self.walk(read, fresh);
        }
        Ok(walked)
    }

    /// Verifies the whole groups in `data`, which is the log from where the next group begins.
    fn walk(&self, read: Read, data: Bytes) -> Walked {
        let (mut groups, mut damage) = (Vec::new(), None);
        let mut walker = GroupWalker::new(&data, self.at, self.base);
        loop {
            let group = match walker.next_group() {
                Ok(Some(group)) => group,
                Ok(None) => break,
                Err(e) => {
                    damage = Some(e.into_failure(self.files.object(read.file)));
                    break;
                }
            };
            let offset = (group.lsn.0 - self.at.0) as usize;
            let entries = group.entries().map(|e| {
                let body = offset + e.offset;
                (e.scn, data.slice(body..body + e.body.len()))
            });
            groups.push(LogGroup {
                header: group.header,
                range: LsnRange { start: group.lsn, end: group.end },
                bytes: data.slice(offset..offset + group.bytes.len()),
                is_padding: group.is_padding,
                entries: entries.collect(),
            });
        }
        let (base, at, left) = (walker.base(), walker.lsn(), walker.rest().len());
        Walked { groups, base, at, rest: data.slice(data.len() - left..), damage }
    }
}

impl std::fmt::Debug for LogReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogReader").field("at", &self.at).field("end", &self.end).finish_non_exhaustive()
    }
}

fn join(rest: &Bytes, data: Bytes) -> Bytes {
    if rest.is_empty() {
        return data;
    }
    let mut joined = BytesMut::with_capacity(rest.len() + data.len());
    joined.extend_from_slice(rest);
    joined.extend_from_slice(&data);
    joined.freeze()
}

/// The reads of a segment: of the usual length, but a packed part is read once and as a whole.
fn reads_of(segment: &Segment, file: &LogFile) -> Vec<Read> {
    let Segment { file: index, range, file_start } = *segment;
    let log_start = |offset: u64| file_start.advance(offset.saturating_sub(ARCHIVE_FILE_HEADER_BYTES));
    let packed_end = |at: Lsn| {
        let FileForm::Parts(parts) = &file.form else { return None };
        let holds = |p: &&super::chain::PartAt| log_start(p.range.start) <= at && at < log_start(p.range.end);
        parts.iter().rev().find(holds).filter(|p| p.is_packed()).map(|p| log_start(p.range.end))
    };
    let mut at = range.start;
    std::iter::from_fn(move || {
        let end = packed_end(at).unwrap_or_else(|| at.advance(ARCHIVE_READ_BYTES_MAX as u64)).min(range.end);
        let read = (at < range.end).then_some(Read { file: index, range: LsnRange { start: at, end }, file_start });
        at = end;
        read
    })
    .collect()
}

async fn read_bytes(files: &LogFiles, read: Read) -> Result<Bytes, Failure> {
    let offset = |lsn: Lsn| ARCHIVE_FILE_HEADER_BYTES + lsn.0 - read.file_start.0;
    files.read(read.file, offset(read.range.start)..offset(read.range.end)).await
}
