//! Opening a log: list, walk what Raft sees, cut a torn end, make all of it durable.
//!
//! A torn end is accepted only in the last block, or in a block whose successors still have their provisional names:
//! nothing after it was ever durable, so nothing after it was acknowledged. In such a block everything above the mark is
//! suspect after a power cut: the log ends there before the first group that is not whole, whatever lies behind it. Within
//! one boot nothing is suspect but the last group of the log, when the file ends in it. Everything else is damage, and so
//! is a log that ends below its mark.

use super::block::{BlockDir, offset_of};
use super::floor::Floor;
use super::mark;
use super::state::{LogId, State, Tail};
use super::walk::{self, Stop};
use crate::error::corrupt;
use crate::files;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use strandline_consensus::{BootId, LogPos};
use strandline_format::palf::{BlockHeader, Framer, GroupView};
use strandline_types::{Lsn, PalfBase};

pub(super) fn open(path: &Path, id: LogId) -> io::Result<State> {
    files::create_dir(path)?;
    let dir = BlockDir::new(path, id);
    let stored = Floor::load(path)?;
    let found = dir.list()?.blocks;
    if found.values().all(|provisional| *provisional) {
        return begin(dir, found.keys().copied().collect(), stored);
    }
    let blocks = headers(&dir, &found)?;
    let floor = match stored {
        Some(floor) => floor,
        None => floor_of(&blocks)?,
    };
    let mut walked = Walked::new(floor, &blocks)?;
    let provisional = found.iter().filter(|(_, p)| **p).map(|(n, _)| *n).collect::<Vec<_>>();
    let kept = walk_blocks(&dir, &blocks, &provisional, &mut walked)?;
    finish(dir, kept, floor, walked)
}

/// No confirmed block: nothing was ever acknowledged here.
fn begin(dir: BlockDir, provisional: Vec<u64>, stored: Option<Floor>) -> io::Result<State> {
    let floor = stored.unwrap_or_default();
    for block in provisional {
        dir.remove(block)?;
    }
    dir.ensure_block_for(&floor)?;
    let block = floor.base.lsn.block();
    let header = dir.header(block, &dir.open(block)?)?;
    let walked = Walked { base: floor.base, index: floor.first_index(), starts: VecDeque::new(), last: None, floor };
    finish(dir, BTreeMap::from([(block, header)]), floor, walked)
}

/// Headers of all blocks; their numbers must be consecutive. A provisional block whose header is not whole is left out.
fn headers(dir: &BlockDir, found: &BTreeMap<u64, bool>) -> io::Result<BTreeMap<u64, BlockHeader>> {
    let mut blocks = BTreeMap::new();
    for (n, provisional) in found {
        if let Some(last) = blocks.keys().next_back().filter(|last| **last + 1 != *n) {
            return Err(corrupt(format!("log block {} is missing in {}", last + 1, dir.path.display())));
        }
        match dir.header(*n, &dir.open(*n)?) {
            Err(_) if *provisional => break,
            header => blocks.insert(*n, header?),
        };
    }
    Ok(blocks)
}

/// A log that was never purged begins with its first block.
fn floor_of(blocks: &BTreeMap<u64, BlockHeader>) -> io::Result<Floor> {
    let first = blocks.values().next().ok_or_else(|| corrupt("a log without blocks"))?;
    let purged = first.first_index.checked_sub(1).map(|index| LogPos { term: first.prev_term.0, index });
    Ok(Floor { purged, base: first.base })
}

/// State of the walk.
struct Walked {
    floor: Floor,
    base: PalfBase,
    /// Raft index of the next entry.
    index: u64,
    starts: VecDeque<u64>,
    last: Option<LogPos>,
}

impl Walked {
    /// Begins at the last block that starts at or before the floor.
    fn new(floor: Floor, blocks: &BTreeMap<u64, BlockHeader>) -> io::Result<Self> {
        let first = blocks.values().rev().find(|h| h.base.lsn <= floor.base.lsn);
        let first = first.ok_or_else(|| corrupt(format!("the log block of lsn {} is missing", floor.base.lsn)))?;
        Ok(Self { floor, base: first.base, index: first.first_index, starts: VecDeque::new(), last: None })
    }

    fn see(&mut self, group: &GroupView<'_>) -> io::Result<()> {
        let entries = u64::from(!group.is_padding);
        if group.lsn == self.floor.base.lsn {
            self.check_floor()?;
        }
        if group.lsn >= self.floor.base.lsn && entries == 1 {
            self.starts.push_back(group.lsn.0);
            self.last = Some(LogPos { term: group.header.proposal_id.0, index: self.index });
        }
        self.index += entries;
        self.base = group.base_after();
        Ok(())
    }

    /// The walk has come to the floor: both must agree.
    fn check_floor(&self) -> io::Result<()> {
        if self.base != self.floor.base || self.index != self.floor.first_index() {
            return Err(corrupt(format!("the log at lsn {} is not the one that was purged", self.base.lsn)));
        }
        Ok(())
    }
}

/// Walks every block from the floor on; returns the blocks that stay.
fn walk_blocks(
    dir: &BlockDir,
    blocks: &BTreeMap<u64, BlockHeader>,
    provisional: &[u64],
    walked: &mut Walked,
) -> io::Result<BTreeMap<u64, BlockHeader>> {
    let mut kept = blocks.clone();
    let mark = mark::load(&dir.path);
    let (marked, was_killed) = (mark.durable, mark.boot.is_same_boot(BootId::now()));
    for (n, header) in blocks.range(walked.base.lsn.block()..) {
        if header.base != walked.base || header.first_index != walked.index {
            return Err(corrupt(format!("log block {n} does not go on where the block before it ends")));
        }
        let file = dir.open(*n)?;
        // A block has its final name only once every block before it is durable.
        let later_confirmed = kept.range(n + 1..).any(|(b, _)| !provisional.contains(b));
        let durable = if later_confirmed { header.base.lsn.block_end() } else { marked };
        let (end, stop) = walk::block(&file, walked.base, (durable, was_killed), |group| walked.see(group))?;
        if end.lsn == header.base.lsn.block_end() {
            continue;
        }
        if later_confirmed {
            return Err(corrupt(format!("log block {n} ends at lsn {}, before its end", end.lsn)));
        }
        if was_killed && kept.range(n + 1..).next().is_some() {
            let what = format!("log block {n} ends at lsn {}, before its end, and block {} was begun", end.lsn, n + 1);
            return Err(corrupt(format!("{what}: a kill leaves no such log")));
        }
        cut_torn(dir, *n, &file, end.lsn, stop)?;
        drop(kept.split_off(&(n + 1)));
        break;
    }
    if walked.base.lsn < marked {
        let end = walked.base.lsn;
        return Err(corrupt(format!("the log ends at lsn {end}, but it was durable up to lsn {marked}")));
    }
    if walked.base.lsn < walked.floor.base.lsn {
        return Err(corrupt(format!("the log ends at lsn {}, before what was purged", walked.base.lsn)));
    }
    if walked.starts.is_empty() {
        walked.check_floor()?;
    }
    for block in provisional.iter().filter(|b| !kept.contains_key(b)).rev() {
        dir.remove(*block)?;
    }
    Ok(kept)
}

fn cut_torn(dir: &BlockDir, block: u64, file: &File, end: Lsn, stop: Stop) -> io::Result<()> {
    if stop == Stop::Torn {
        tracing::warn!(block = %dir.file(block).display(), %end, "the log ends with a write that did not finish: cut");
    }
    file.set_len(offset_of(end))
}

/// Makes what was found durable: a killed process leaves bytes that only the page cache holds.
fn finish(dir: BlockDir, blocks: BTreeMap<u64, BlockHeader>, floor: Floor, walked: Walked) -> io::Result<State> {
    let mut tail = None;
    for n in blocks.range(floor.base.lsn.block()..).map(|(n, _)| *n) {
        let file = dir.open(n)?;
        file.sync_all()?;
        if dir.provisional(n).exists() {
            dir.confirm(n, &file)?;
        }
        tail = (n == walked.base.lsn.block()).then(|| Tail { block: n, file: Arc::new(file) });
    }
    files::sync_dir(&dir.path)?;
    mark::store(&dir.path, walked.base.lsn)?;
    Ok(State {
        dir,
        blocks,
        tail,
        closed: Vec::new(),
        provisional: Vec::new(),
        framer: Framer::new(walked.base),
        floor,
        starts: walked.starts,
        last: walked.last,
        recycle: Lsn::ZERO,
        failed: false,
    })
}
