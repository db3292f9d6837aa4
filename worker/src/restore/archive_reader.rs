//! Reads the archive of one log stream as verified groups, in LSN order, over files, parts, pieces and rounds.
//!
//! The one reader of archived log: restore uses it, and so do verification and inspection. Every group is verified
//! (headers, data checksums, and from the base on the unbroken accumulated checksum); a group that is not right is an
//! error with its object and LSN, never skipped. A group that is cut off at the very end is the end of the log.
//! Memory: a fixed number of ranged reads ahead, and the rest of one group.

use super::log_files::LogFiles;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, StreamExt};
use std::sync::Arc;
use strandline_format::palf::GroupWalker;
use strandline_media::Medium;
use strandline_types::limits::{ARCHIVE_READ_BYTES_MAX, ARCHIVE_READS_IN_FLIGHT_MAX};
use strandline_types::{Failure, LsId, Lsn, LsnRange, PalfBase, PieceKey};
use strandline_worker_core::chain::{Segment, chain};
use strandline_worker_core::replay::SourceGroup;

/// One ranged read: part of a segment.
#[derive(Clone, Copy, Debug)]
struct Read {
    file: usize,
    range: LsnRange,
    file_start: Lsn,
}

/// Reads groups from a start position to the end of the archive.
pub struct ArchiveReader {
    files: Arc<LogFiles>,
    reads: BoxStream<'static, (Read, Result<Bytes, Failure>)>,
    base: Option<PalfBase>,
    at: Lsn,
    end: Lsn,
    rest: Bytes,
}

impl ArchiveReader {
    /// Opens the archive of a log stream at `start`, which must be the start of a group. With `base` (whose LSN is
    /// then `start`) the chain of accumulated checksums is verified from there on, without it from the second group.
    ///
    /// # Errors
    /// What the medium says; `NotFound` with the missing LSNs for a hole.
    pub async fn open(
        medium: Arc<dyn Medium>,
        pieces: &[PieceKey],
        ls: LsId,
        start: Lsn,
        base: Option<PalfBase>,
    ) -> Result<Self, Failure> {
        let files = Arc::new(LogFiles::list(medium, pieces, ls, start).await?);
        let chain = chain(files.files(), start).map_err(|e| files.chain_failure(&e))?;
        let plan: Vec<_> = chain.segments.iter().flat_map(reads_of).collect();
        let source = Arc::clone(&files);
        let reads = stream::iter(plan)
            .map(move |read| {
                let files = Arc::clone(&source);
                async move { (read, read_bytes(&files, read).await) }
            })
            .buffered(ARCHIVE_READS_IN_FLIGHT_MAX)
            .boxed();
        Ok(Self { files, reads, base, at: start, end: chain.end, rest: Bytes::new() })
    }

    /// Where the next group begins.
    #[must_use]
    pub const fn position(&self) -> Lsn {
        self.at
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

    /// The next groups; `None` at the end of the archive.
    ///
    /// # Errors
    /// What the medium says; `Corrupt` with object and LSN for a group that is not right.
    pub async fn next_groups(&mut self) -> Result<Option<Vec<SourceGroup>>, Failure> {
        while let Some((read, data)) = self.reads.next().await {
            let groups = self.take_in(read, data?)?;
            if !groups.is_empty() {
                return Ok(Some(groups));
            }
        }
        Ok(None)
    }

    /// Verifies what `data` completes and keeps the rest for the next read.
    fn take_in(&mut self, read: Read, data: Bytes) -> Result<Vec<SourceGroup>, Failure> {
        let data = if self.rest.is_empty() {
            data
        } else {
            let mut joined = BytesMut::with_capacity(self.rest.len() + data.len());
            joined.extend_from_slice(&self.rest);
            joined.extend_from_slice(&data);
            joined.freeze()
        };
        let mut groups = Vec::new();
        let mut walker = GroupWalker::new(&data, self.at, self.base);
        let object = |files: &LogFiles| files.object(&files.files()[read.file].0);
        while let Some(group) = walker.next_group().map_err(|e| e.into_failure(object(&self.files)))? {
            let offset = (group.lsn.0 - self.at.0) as usize;
            let entries = group.entries().map(|e| {
                let body = offset + e.offset;
                (e.scn, data.slice(body..body + e.body.len()))
            });
            groups.push(SourceGroup {
                range: LsnRange { start: group.lsn, end: group.end },
                scn: group.header.max_scn,
                entries: entries.collect(),
            });
        }
        let (base, at, left) = (walker.base(), walker.lsn(), walker.rest().len());
        (self.base, self.at) = (base, at);
        self.rest = data.slice(data.len() - left..);
        Ok(groups)
    }
}

fn reads_of(segment: &Segment) -> Vec<Read> {
    let Segment { file, range, file_start } = *segment;
    let mut at = range.start;
    std::iter::from_fn(move || {
        let end = range.end.min(at.advance(ARCHIVE_READ_BYTES_MAX as u64));
        let read = (at < range.end).then_some(Read { file, range: LsnRange { start: at, end }, file_start });
        at = end;
        read
    })
    .collect()
}

async fn read_bytes(files: &LogFiles, read: Read) -> Result<Bytes, Failure> {
    let offset = |lsn: Lsn| strandline_types::limits::ARCHIVE_FILE_HEADER_BYTES + lsn.0 - read.file_start.0;
    files.read(&files.files()[read.file].0, offset(read.range.start)..offset(read.range.end)).await
}
