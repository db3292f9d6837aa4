//! What the log knows in memory: its blocks, where each entry begins, and how it goes on.

use super::block::{BlockDir, offset_of};
use super::floor::Floor;
use crate::error::corrupt;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use strandline_consensus::LogPos;
use strandline_format::palf::{BlockHeader, Framer, GROUP_HEADER_BYTES, GroupHeader};
use strandline_types::{LsId, Lsn, PalfBase, TenantId};

/// Whose log it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogId {
    pub(crate) tenant: TenantId,
    pub(crate) ls: LsId,
}

/// The block that is written to.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    pub(super) block: u64,
    pub(super) file: Arc<File>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) dir: BlockDir,
    /// Header of every block that is here; consecutive numbers.
    pub(super) blocks: BTreeMap<u64, BlockHeader>,
    /// `None` when the next group begins a block that does not exist yet.
    pub(super) tail: Option<Tail>,
    /// Full blocks that are not durable yet, in order.
    pub(super) closed: Vec<Tail>,
    /// Blocks that still have their provisional name, in order.
    pub(super) provisional: Vec<u64>,
    pub(super) framer: Framer,
    pub(super) floor: Floor,
    /// Start of entry `floor.first_index() + n`: 8 bytes per entry are all that memory holds of the log.
    pub(super) starts: VecDeque<u64>,
    /// Last entry; `None` when there is none after the floor.
    pub(super) last: Option<LogPos>,
    /// The archive needs nothing below.
    pub(super) recycle: Lsn,
    /// A write failed: file and framer may be apart.
    pub(super) failed: bool,
}

impl State {
    pub(super) fn end(&self) -> Lsn {
        self.framer.base().lsn
    }

    pub(super) fn start(&self) -> Lsn {
        self.blocks.values().next().map_or(self.end(), |h| h.base.lsn)
    }

    pub(super) fn next_index(&self) -> u64 {
        self.floor.first_index() + self.starts.len() as u64
    }

    /// Start of an entry that Raft sees.
    pub(super) fn start_of(&self, index: u64) -> Option<Lsn> {
        let n = index.checked_sub(self.floor.first_index())?;
        self.starts.get(usize::try_from(n).ok()?).copied().map(Lsn)
    }

    /// Header of the group of an entry.
    pub(super) fn group_at(&self, lsn: Lsn) -> io::Result<GroupHeader> {
        let mut bytes = [0; GROUP_HEADER_BYTES];
        self.file_of(lsn.block())?.read_exact_at(&mut bytes, offset_of(lsn))?;
        GroupHeader::decode(&bytes).map_err(|e| corrupt(format!("log group at lsn {lsn}: {e}")))
    }

    /// Position of an entry and the state of the log after it.
    pub(super) fn after(&self, index: u64) -> io::Result<Option<(LogPos, PalfBase)>> {
        let Some(lsn) = self.start_of(index) else {
            let purged = self.floor.purged.filter(|p| p.index == index);
            return Ok(purged.map(|p| (p, self.floor.base)));
        };
        let group = self.group_at(lsn)?;
        let base = PalfBase {
            lsn: lsn.advance(group.total_bytes()),
            prev_log_id: group.log_id,
            prev_accumulated_checksum: group.accumulated_checksum,
            prev_scn: group.max_scn,
        };
        Ok(Some((LogPos { term: group.proposal_id.0, index }, base)))
    }

    /// An open file of a block; blocks that are not written to are opened for each use.
    pub(super) fn file_of(&self, block: u64) -> io::Result<Arc<File>> {
        match &self.tail {
            Some(tail) if tail.block == block => Ok(tail.file.clone()),
            _ => self.dir.open(block).map(Arc::new),
        }
    }
}
