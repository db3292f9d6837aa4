//! Appending: check, frame, write, then show.
//!
//! Nothing is framed before every entry of the call was checked. A failed write leaves framer and file apart, so it
//! ends the log for this process: the next open walks what is really there.

use super::block::offset_of;
use super::entry;
use super::state::{State, Tail};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use strandline_consensus::{Entry, LogPos};
use strandline_format::palf::GroupHeader;
use strandline_types::limits::LOG_ENTRY_BODY_BYTES_MAX;
use strandline_types::{Lsn, PalfBase, Term};

/// Framed bytes are written when there are this many of them.
const WRITE_BYTES: usize = 1 << 20;

/// Framed groups that are not in the file yet.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    starts: Vec<u64>,
    last: Option<LogPos>,
}

pub(super) fn append(state: &mut State, entries: &[Entry]) -> io::Result<()> {
    if state.failed {
        return Err(io::Error::other("an earlier write to this log failed"));
    }
    check(state, entries)?;
    let done = frame_and_write(state, entries);
    state.failed = done.is_err();
    done
}

/// Everything that can be wrong with the entries themselves.
fn check(state: &State, entries: &[Entry]) -> io::Result<()> {
    for (index, e) in (state.next_index()..).zip(entries) {
        if e.pos.index != index {
            return Err(io::Error::other(format!("log entry {} stands where entry {index} must", e.pos)));
        }
        let body = entry::parts(e)?.body.len() + 1;
        if body > LOG_ENTRY_BODY_BYTES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("a log entry of {body} bytes is too large"),
            ));
        }
    }
    Ok(())
}

fn frame_and_write(state: &mut State, entries: &[Entry]) -> io::Result<()> {
    let mut pending = Pending::default();
    for e in entries {
        let base = state.framer.base();
        if state.tail.as_ref().is_none_or(|t| t.block != base.lsn.block()) {
            write(state, &mut pending, base.lsn)?;
            roll(state, base, e.pos.index, pending.last)?;
        }
        let parts = entry::parts(e)?;
        let at = state.framer.frame_into(
            &mut pending.bytes,
            Term(e.pos.term),
            parts.scn,
            parts.strict,
            &[&parts.kind, parts.body],
        );
        if at.padded {
            let group = pending.bytes.split_off(pending.bytes.len() - (at.end.0 - at.lsn.0) as usize);
            let after_padding = base_after_padding(&pending.bytes, at.start, at.lsn)?;
            write(state, &mut pending, at.lsn)?;
            roll(state, after_padding, e.pos.index, pending.last)?;
            pending.bytes = group;
        }
        pending.starts.push(at.lsn.0);
        pending.last = Some(e.pos);
        if pending.bytes.len() >= WRITE_BYTES {
            write(state, &mut pending, at.end)?;
        }
    }
    let end = state.end();
    write(state, &mut pending, end)
}

/// The state of the log after the padding group that ends `bytes`.
fn base_after_padding(bytes: &[u8], start: Lsn, end: Lsn) -> io::Result<PalfBase> {
    let at = bytes.len() - (end.0 - start.0) as usize;
    let padding = GroupHeader::decode(&bytes[at..]).map_err(io::Error::other)?;
    Ok(PalfBase {
        lsn: end,
        prev_log_id: padding.log_id,
        prev_accumulated_checksum: padding.accumulated_checksum,
        prev_scn: padding.max_scn,
    })
}

/// Writes the pending bytes, which end at `end`, into the tail block and shows them.
fn write(state: &mut State, pending: &mut Pending, end: Lsn) -> io::Result<()> {
    if !pending.bytes.is_empty() {
        let tail = state.tail.as_ref().ok_or_else(|| io::Error::other("framed bytes without a block"))?;
        let start = Lsn(end.0 - pending.bytes.len() as u64);
        tail.file.write_all_at(&pending.bytes, offset_of(start))?;
        metrics::counter!("strandline_log_appended_bytes_total").increment(pending.bytes.len() as u64);
        pending.bytes.clear();
    }
    state.starts.extend(pending.starts.drain(..));
    state.last = pending.last.or(state.last);
    Ok(())
}

/// Begins the block that holds `base.lsn`.
fn roll(state: &mut State, base: PalfBase, first_index: u64, pending_last: Option<LogPos>) -> io::Result<()> {
    let before = pending_last.or(state.last).or(state.floor.purged);
    let header = state.dir.header_at(base, first_index, before.map_or(0, |p| p.term));
    let block = base.lsn.block();
    let file = Arc::new(state.dir.create(&header)?);
    state.closed.extend(state.tail.replace(Tail { block, file }));
    state.provisional.push(block);
    state.blocks.insert(block, header);
    Ok(())
}
