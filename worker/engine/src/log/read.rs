//! Reading: entries by index for Raft, whole groups by position for the archive.
//!
//! Every byte that leaves here was verified on the way.

use super::block::offset_of;
use super::entry;
use super::state::State;
use super::walk::corrupt_group;
use super::{BlockDir, PalfLog};
use crate::error::corrupt;
use bytes::Bytes;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use strandline_consensus::{Entry, LogPos};
use strandline_format::palf::{GROUP_HEADER_BYTES, GroupHeader, GroupWalker};
use strandline_types::{Lsn, PalfBase};

/// Entries of `range` that are here, up to about `max_bytes` but at least one.
pub(super) fn entries(state: &State, range: Range<u64>, max_bytes: usize) -> io::Result<Vec<Entry>> {
    let (mut index, end) = (range.start.max(state.floor.first_index()), range.end.min(state.next_index()));
    let mut out = Vec::new();
    let mut room = max_bytes as u64;
    while index < end {
        let Some(run) = run(state, index, end, room) else { break };
        let mut bytes = vec![0; (run.end.0 - run.start.0) as usize];
        state.file_of(run.start.block())?.read_exact_at(&mut bytes, offset_of(run.start))?;
        parse(Bytes::from(bytes), run.start, index..run.last, &mut out)?;
        index = run.last;
        room = room.saturating_sub(run.end.0 - run.start.0);
        if room == 0 {
            break;
        }
    }
    Ok(out)
}

/// Groups that lie side by side in one block.
struct Run {
    start: Lsn,
    end: Lsn,
    /// Index after the last of them.
    last: u64,
}

fn run(state: &State, first: u64, end: u64, room: u64) -> Option<Run> {
    let start = state.start_of(first)?;
    let block_end = start.block_end();
    // The end of the last group of a block is the block's: a padding group in between is read and passed over.
    let end_of = |index: u64| state.start_of(index + 1).unwrap_or_else(|| state.end()).min(block_end);
    let mut run = Run { start, end: end_of(first), last: first + 1 };
    while run.last < end && run.end < block_end && state.start_of(run.last)? < block_end {
        let next_end = end_of(run.last);
        if next_end.0 - start.0 > room {
            break;
        }
        run = Run { start, end: next_end, last: run.last + 1 };
    }
    Some(run)
}

/// Takes the entries `indexes` out of groups that begin at `start`.
fn parse(bytes: Bytes, start: Lsn, indexes: Range<u64>, out: &mut Vec<Entry>) -> io::Result<()> {
    let mut walker = GroupWalker::new(&bytes, start, None);
    let mut index = indexes.start;
    while index < indexes.end {
        let at = (walker.lsn().0 - start.0) as usize;
        let group = walker.next_group().map_err(corrupt_group)?;
        let Some(group) = group else { return Err(corrupt(format!("the log ends inside entry {index}"))) };
        for view in group.entries() {
            let pos = LogPos { term: group.header.proposal_id.0, index };
            let from = at + view.offset;
            out.push(entry::entry(pos, view.scn, &bytes.slice(from..from + view.body.len()))?);
            index += 1;
        }
    }
    Ok(())
}

/// A piece of log: whole groups.
pub(crate) struct Groups {
    pub(crate) bytes: Bytes,
    pub(crate) end: Lsn,
}

impl PalfLog {
    /// Whole groups of `[from, committed)`, up to `max_bytes` but at least one; never over a block end. `from` must be
    /// the start of a group. `None` when the log no longer reaches back to `from`.
    pub(crate) fn groups(&self, from: Lsn, committed: Lsn, max_bytes: usize) -> io::Result<Option<Groups>> {
        let (start, dir) = {
            let s = self.read_state();
            (s.start(), s.dir.clone())
        };
        if from < start {
            return Ok(None);
        }
        if from >= committed {
            return Ok(Some(Groups { bytes: Bytes::new(), end: from }));
        }
        let until = committed.min(from.block_end());
        match whole_groups(&dir, from, until, max_bytes as u64) {
            // Recycled between the look and the read.
            Err(e) if e.kind() == io::ErrorKind::NotFound && from < self.start() => Ok(None),
            // Somebody else's position is no damage of these files.
            Err(e) if e.kind() == io::ErrorKind::InvalidData => match self.base_at(from) {
                Err(elsewhere) if elsewhere.kind() == io::ErrorKind::InvalidInput => Err(elsewhere),
                _ => Err(e),
            },
            other => other.map(Some),
        }
    }

    /// The state of the log before the group at `lsn`; `None` when the log does not reach back to it.
    pub(crate) fn base_at(&self, lsn: Lsn) -> io::Result<Option<PalfBase>> {
        let (header, dir) = {
            let s = self.read_state();
            if s.framer.base().lsn == lsn {
                return Ok(Some(s.framer.base()));
            }
            (s.blocks.values().rev().find(|h| h.base.lsn <= lsn).copied(), s.dir.clone())
        };
        let Some(header) = header else { return Ok(None) };
        let file = dir.open(header.base.lsn.block())?;
        let mut base = header.base;
        while base.lsn < lsn {
            let group = header_at(&file, base.lsn)?;
            base = PalfBase {
                lsn: base.lsn.advance(group.total_bytes()),
                prev_log_id: group.log_id,
                prev_accumulated_checksum: group.accumulated_checksum,
                prev_scn: group.max_scn,
            };
        }
        if base.lsn != lsn {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("no log group begins at lsn {lsn}")));
        }
        Ok(Some(base))
    }

    /// Position of an entry and the state of the log after it.
    pub(crate) fn after(&self, index: u64) -> io::Result<Option<(LogPos, PalfBase)>> {
        self.read_state().after(index)
    }
}

fn header_at(file: &std::fs::File, lsn: Lsn) -> io::Result<GroupHeader> {
    let mut bytes = [0; GROUP_HEADER_BYTES];
    file.read_exact_at(&mut bytes, offset_of(lsn))?;
    GroupHeader::decode(&bytes).map_err(|e| corrupt(format!("log group at lsn {lsn}: {e}")))
}

fn whole_groups(dir: &BlockDir, from: Lsn, until: Lsn, max_bytes: u64) -> io::Result<Groups> {
    let file = dir.open(from.block())?;
    let first = header_at(&file, from)?.total_bytes();
    let bytes = (until.0 - from.0).min(max_bytes.max(first));
    let mut buf = vec![0; bytes as usize];
    file.read_exact_at(&mut buf, offset_of(from))?;
    let mut walker = GroupWalker::new(&buf, from, None);
    while walker.next_group().map_err(corrupt_group)?.is_some() {}
    let end = walker.lsn();
    buf.truncate((end.0 - from.0) as usize);
    Ok(Groups { bytes: Bytes::from(buf), end })
}
