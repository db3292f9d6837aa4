//! The mark of a log: up to which entry it was durable, in which boot, and whether damage was found in it. A small file
//! of two slots that are written in turn, each with its checksum, so that one of them is whole at any moment.
//!
//! Order rules: the mark never says more than what is durable. It rises after the flush that makes it true; it is lowered,
//! durably, before entries are removed. That there is damage is durable before anything of the log is read or changed.

use crate::boot::BootId;
use crate::types::LogPos;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const FILE: &str = "durable";
/// A slot has a page of its own: one write that is torn leaves the other alone.
const SLOT_BYTES: u64 = 4096;
const CONTENT_BYTES: usize = 45;
const SUM_BYTES: usize = 4;

/// What a mark says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The last entry that was durable.
    pub(crate) durable: Option<LogPos>,
    /// When it was written.
    pub(crate) boot: BootId,
    /// The log lacks entries that were durable, and no other member has been told yet.
    pub(crate) is_damaged: bool,
}

/// What there is of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// None: the log is new, or of a version that kept none.
    None,
    /// One that cannot be read.
    Unreadable,
    /// This.
    Mark(Mark),
}

/// The file.
#[derive(Debug)]
pub(crate) struct MarkFile {
    path: PathBuf,
    generation: u64,
}

impl MarkFile {
    /// The mark in a directory.
    pub(crate) fn load(dir: &Path) -> io::Result<(Self, Found)> {
        let path = dir.join(FILE);
        let bytes = match std::fs::read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok((Self { path, generation: 0 }, Found::None)),
            read => read?,
        };
        let slots = bytes.chunks(SLOT_BYTES as usize).filter_map(decode);
        Ok(match slots.max_by_key(|(generation, _)| *generation) {
            Some((generation, mark)) => (Self { path, generation }, Found::Mark(mark)),
            None => (Self { path, generation: 0 }, Found::Unreadable),
        })
    }

    /// Writes the mark; it is durable when this returns. The first one appears by a rename: a file that is there has had a
    /// whole slot.
    pub(crate) fn store(&mut self, mark: &Mark) -> io::Result<()> {
        let generation = self.generation + 1;
        let (slot, at) = (encode(generation, mark), generation % 2 * SLOT_BYTES);
        if self.path.exists() {
            let file = OpenOptions::new().write(true).open(&self.path)?;
            file.write_all_at(&slot, at)?;
            file.sync_data()?;
        } else {
            let new = self.path.with_extension("new");
            let file = File::create(&new)?;
            file.write_all_at(&slot, at)?;
            file.sync_all()?;
            std::fs::rename(&new, &self.path)?;
            self.path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())?;
        }
        self.generation = generation;
        Ok(())
    }
}

fn encode(generation: u64, mark: &Mark) -> Vec<u8> {
    let (index, term) = mark.durable.map_or((0, 0), |pos| (pos.index + 1, pos.term));
    let mut bytes = Vec::with_capacity(CONTENT_BYTES + SUM_BYTES);
    for word in [generation, index, term] {
        bytes.extend_from_slice(&word.to_be_bytes());
    }
    bytes.extend_from_slice(&mark.boot.0);
    bytes.push(u8::from(mark.is_damaged));
    bytes.extend_from_slice(&[0; 4]);
    debug_assert_eq!(bytes.len(), CONTENT_BYTES);
    bytes.extend_from_slice(&crc32c(&bytes).to_be_bytes());
    bytes
}

fn decode(slot: &[u8]) -> Option<(u64, Mark)> {
    let (content, rest) = slot.split_at_checked(CONTENT_BYTES)?;
    if rest.get(..SUM_BYTES)? != crc32c(content).to_be_bytes() {
        return None;
    }
    let word = |n: usize| content.get(8 * n..8 * n + 8).map(|b| b.iter().fold(0, |word, b| word << 8 | u64::from(*b)));
    let (generation, index, term) = (word(0)?, word(1)?, word(2)?);
    let boot = BootId(content.get(24..40)?.try_into().ok()?);
    let durable = index.checked_sub(1).map(|index| LogPos { term, index });
    Some((generation, Mark { durable, boot, is_damaged: content[40] != 0 }))
}

pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    // A CRC-32 has 32 bits.
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn mark(index: u64) -> Mark {
        Mark { durable: Some(LogPos { term: 3, index }), boot: BootId([7; 16]), is_damaged: false }
    }

    #[test]
    fn the_newest_whole_slot_counts_and_a_file_without_one_is_not_taken_for_none() {
        let dir = tempfile::tempdir().unwrap();
        let (mut file, found) = MarkFile::load(dir.path()).unwrap();
        assert_eq!(found, Found::None);
        for n in [1, 2, 3] {
            file.store(&mark(n)).unwrap();
        }
        assert_eq!(MarkFile::load(dir.path()).unwrap().1, Found::Mark(mark(3)));
        let (path, good) = (dir.path().join(FILE), std::fs::read(dir.path().join(FILE)).unwrap());
        let mut torn = good.clone();
        torn[SLOT_BYTES as usize + 9] ^= 1;
        std::fs::write(&path, &torn).unwrap();
        assert_eq!(MarkFile::load(dir.path()).unwrap().1, Found::Mark(mark(2)), "the write of the third was torn");
        torn[9] ^= 1;
        std::fs::write(&path, &torn).unwrap();
        assert_eq!(MarkFile::load(dir.path()).unwrap().1, Found::Unreadable);
    }

    #[test]
    fn golden_bytes() {
        let hex = |mark| encode(9, &mark).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(
            hex(Mark { is_damaged: true, ..mark(300) }),
            "0000000000000009000000000000012d0000000000000003070707070707070707070707070707070100000000a06c7fcd"
        );
        assert_eq!(
            hex(Mark::default()),
            "0000000000000009000000000000000000000000000000000000000000000000000000000000000000000000001a5921ad"
        );
    }

    #[test]
    fn nothing_durable_and_damage_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let (mut file, _) = MarkFile::load(dir.path()).unwrap();
        for wanted in [Mark::default(), Mark { is_damaged: true, ..mark(0) }, Mark { durable: None, ..mark(1) }] {
            file.store(&wanted).unwrap();
            assert_eq!(MarkFile::load(dir.path()).unwrap().1, Found::Mark(wanted));
        }
    }
}
