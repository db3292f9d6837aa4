//! The last group of one log file, found without reading the file: what a checkpoint promises has to be there.
//!
//! A group says at which LSN it lies, so a place in the last bytes of a file where a header says so begins a group. From
//! there on groups are walked to the end, with all their checksums. What lies before those bytes is not looked at.

use super::files::LogFiles;
use bytes::Bytes;
use strandline_format::palf::{ArchiveFileHeader, GROUP_HEADER_BYTES, GroupHeader, GroupWalker};
use strandline_types::limits::{ARCHIVE_FILE_HEADER_BYTES, ARCHIVE_READ_BYTES_MAX, LOG_TAIL_BYTES_FIRST};
use strandline_types::{Failure, Lsn, Scn};

/// How the log in a file ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogTail {
    /// SCN of the last whole group.
    pub(crate) last: Option<Scn>,
    /// Bytes after it, and what is wrong with them; nothing for a file that ends with a whole group.
    pub(crate) rest: Option<String>,
}

/// What the log in a file has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// It reaches this SCN; what comes after it may be unfinished.
    Reach(Scn),
    /// It ends with a whole group.
    Whole,
}

impl Wanted {
    fn is_met(self, tail: &LogTail) -> bool {
        match self {
            Self::Reach(scn) => tail.last >= Some(scn),
            Self::Whole => tail.rest.is_none(),
        }
    }
}

/// Looks at the end of the only file of `files`. More than its last bytes is read only where they are not as wanted.
///
/// # Errors
/// What the medium says; a damaged file header.
pub(crate) async fn log_tail(files: &LogFiles, wanted: Wanted) -> Result<LogTail, Failure> {
    let (file, _) = &files.files()[0];
    let header = files.read(0, 0..ARCHIVE_FILE_HEADER_BYTES).await?;
    let start = ArchiveFileHeader::decode(&header).map_err(|e| e.into_failure(files.object(0)))?.start_lsn;
    let mut bytes = LOG_TAIL_BYTES_FIRST;
    loop {
        let from = file.bytes.saturating_sub(bytes).max(ARCHIVE_FILE_HEADER_BYTES);
        let is_whole = from == ARCHIVE_FILE_HEADER_BYTES;
        let data = read(files, from, file.bytes).await?;
        let at = start.advance(from - ARCHIVE_FILE_HEADER_BYTES);
        if is_whole {
            return Ok(walk(&data, at));
        }
        let tail = first_group(&data, at).map(|n| walk(&data[n..], at.advance(n as u64)));
        match tail.filter(|tail| wanted.is_met(tail)) {
            Some(tail) => return Ok(tail),
            None => bytes = bytes.saturating_mul(8),
        }
    }
}

async fn read(files: &LogFiles, from: u64, to: u64) -> Result<Bytes, Failure> {
    let mut data = bytes::BytesMut::new();
    let mut at = from;
    while at < to {
        let next = to.min(at + ARCHIVE_READ_BYTES_MAX as u64);
        data.extend_from_slice(&files.read(0, at..next).await?);
        at = next;
    }
    Ok(data.freeze())
}

/// Where in `data`, which is the log from `at` on, the first group begins.
fn first_group(data: &[u8], at: Lsn) -> Option<usize> {
    let is_group = |(n, bytes): &(usize, &[u8])| {
        GroupHeader::decode(bytes).is_ok_and(|header| header.committed_end_lsn == at.advance(*n as u64))
    };
    data.windows(GROUP_HEADER_BYTES).enumerate().find(is_group).map(|(n, _)| n)
}

fn walk(data: &[u8], at: Lsn) -> LogTail {
    let mut walker = GroupWalker::new(data, at, None);
    let mut last = None;
    let rest = loop {
        match walker.next_group() {
            Ok(Some(group)) if group.header.committed_end_lsn == group.lsn => last = Some(group.header.max_scn),
            Ok(Some(group)) => {
                let says = group.header.committed_end_lsn;
                break Some(format!("log group at lsn {}: it says that it lies at {says}", group.lsn));
            }
            Ok(None) if walker.rest().is_empty() => break None,
            Ok(None) => break Some(format!("a log group at lsn {} is cut off", walker.lsn())),
            Err(e) => break Some(e.to_string()),
        }
    };
    LogTail { last, rest }
}
