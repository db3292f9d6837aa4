//! Taking log away: the end after a conflict, the beginning once it is not needed.
//!
//! The floor is stored before anything below it is deleted. Block files go only when the floor *and* the archive have
//! both passed them: what Raft has purged may still have to be archived.

use super::block::offset_of;
use super::state::{State, Tail};
use super::{Floor, PalfLog};
use crate::files;
use std::io;
use std::sync::Arc;
use strandline_consensus::LogPos;
use strandline_format::palf::Framer;
use strandline_types::{Lsn, PalfBase};

impl PalfLog {
    /// Removes every entry after `pos`.
    pub(super) fn cut_after(&self, pos: Option<LogPos>) -> io::Result<()> {
        let mut sync = self.flush.lock();
        let mut state = self.write();
        let first = state.floor.first_index();
        let keep = pos.map_or(0, |p| p.index + 1).max(first);
        if keep >= state.next_index() {
            return Ok(());
        }
        let (last, base) = match keep.checked_sub(1).filter(|_| keep > first) {
            Some(index) => match state.after(index)? {
                Some((pos, base)) => (Some(pos), base),
                None => return Err(io::Error::other(format!("log entry {index} is not here"))),
            },
            None => (None, state.floor.base),
        };
        sync.cut_to(base.lsn, &state.dir.path)?;
        cut_files(&mut state, base)?;
        state.starts.truncate((keep - first) as usize);
        state.last = last;
        state.framer = Framer::new(base);
        Ok(())
    }

    /// Removes every entry up to `upto` from Raft's sight.
    pub(super) fn purge_to(&self, upto: LogPos) -> io::Result<()> {
        let (first, after, dir) = {
            let state = self.read_state();
            (state.floor.first_index(), state.after(upto.index)?, state.dir.path.clone())
        };
        if upto.index < first {
            return Ok(());
        }
        let Some((pos, base)) = after else {
            let what = format!("cannot purge up to {upto}: the log ends before it and no snapshot gave it a new base");
            return Err(io::Error::other(what));
        };
        let floor = Floor { purged: Some(pos), base };
        // Without the lock: it waits for the disk, and nothing else moves the floor meanwhile.
        floor.store(&dir)?;
        let mut state = self.write();
        state.floor = floor;
        let gone = (upto.index + 1 - first) as usize;
        state.starts.drain(..gone);
        state.last = state.last.filter(|last| last.index > upto.index);
        drop_blocks(&mut state)
    }

    /// The archive needs nothing below `below`. It falls when a round begins: without one the archive needs nothing.
    pub(crate) fn recycle(&self, below: Lsn) -> io::Result<()> {
        if below == self.read_state().recycle {
            return Ok(());
        }
        let mut state = self.write();
        state.recycle = below;
        drop_blocks(&mut state)
    }
}

/// Shortens the files so that the log ends at `base`.
fn cut_files(state: &mut State, base: PalfBase) -> io::Result<()> {
    let block = base.lsn.block();
    let later: Vec<u64> = state.blocks.range(block + 1..).map(|(n, _)| *n).rev().collect();
    for n in &later {
        state.dir.remove(*n)?;
        state.blocks.remove(n);
        // One by one: after a power cut no block may be missing below one that is still there.
        files::sync_dir(&state.dir.path)?;
    }
    state.closed.retain(|t| t.block < block);
    state.provisional.retain(|b| *b <= block);
    state.tail = match state.blocks.get(&block) {
        None => None,
        Some(_) => {
            let file = state.dir.open(block)?;
            file.set_len(offset_of(base.lsn))?;
            file.sync_data()?;
            Some(Tail { block, file: Arc::new(file) })
        }
    };
    Ok(())
}

/// Deletes whole blocks that neither Raft nor the archive needs, oldest first.
fn drop_blocks(state: &mut State) -> io::Result<()> {
    let needed = state.floor.base.lsn.min(state.recycle);
    while let Some((n, header)) = state.blocks.first_key_value().map(|(n, h)| (*n, *h)) {
        let is_last = state.blocks.len() == 1;
        if is_last || header.base.lsn.block_end() > needed {
            break;
        }
        state.dir.remove(n)?;
        state.blocks.remove(&n);
    }
    Ok(())
}
