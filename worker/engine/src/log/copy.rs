//! A second directory with the same log: for a snapshot, or for the next generation of this replica.
//!
//! Blocks that are full never change and are hard-linked. The block that is written to is copied for a snapshot, which
//! must not change, and linked when this very log goes on in the other directory.

use super::PalfLog;
use super::block::{BlockDir, offset_of};
use super::floor::Floor;
use super::state::State;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use strandline_types::Lsn;

impl PalfLog {
    /// The log from its start up to `floor` into `dir`: what a replica gets that goes on at `floor`.
    pub(crate) fn copy_to(&self, dir: &Path, floor: &Floor) -> io::Result<()> {
        fs::create_dir_all(dir)?;
        let last = floor.base.lsn.block();
        let (ours, theirs, copied) = {
            // Under the lock, so that no block is recycled in between.
            let s = self.read_state();
            let theirs = BlockDir::new(dir, s.dir.id);
            let mut copied = None;
            for block in blocks_before(&s, floor.base.lsn) {
                if block < last {
                    fs::hard_link(s.dir.file(block), theirs.file(block))?;
                } else {
                    copied = Some(block);
                }
            }
            (s.dir.clone(), theirs, copied)
        };
        // The block that holds the floor's position is not recycled before the floor has moved on, and it has not:
        // the caller keeps new entries from being applied.
        if let Some(block) = copied {
            copy_head(&ours.file(block), &theirs.file(block), offset_of(floor.base.lsn))?;
        }
        Self::begin_at(dir, theirs.id, floor)
    }

    /// The whole log, with `floor` as its new floor, into `dir`. The caller goes on with it there.
    pub(crate) fn link_to(&self, dir: &Path, floor: &Floor) -> io::Result<()> {
        fs::create_dir_all(dir)?;
        // Final names for every block, so that the links have them too.
        self.flush()?;
        let s = self.read_state();
        for block in s.blocks.keys() {
            fs::hard_link(s.dir.file(*block), BlockDir::new(dir, s.dir.id).file(*block))?;
        }
        Self::begin_at(dir, s.dir.id, floor)
    }
}

/// Blocks that hold log before `end`.
fn blocks_before(state: &State, end: Lsn) -> Vec<u64> {
    state.blocks.iter().filter(|(_, h)| h.base.lsn < end).map(|(n, _)| *n).collect()
}

fn copy_head(from: &Path, to: &Path, bytes: u64) -> io::Result<()> {
    let mut reader = File::open(from)?.take(bytes);
    let copied = io::copy(&mut reader, &mut File::create(to)?)?;
    if copied != bytes {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("{} is too short", from.display())));
    }
    Ok(())
}
