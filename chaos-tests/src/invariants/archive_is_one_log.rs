//! Invariant 2: the archive of a log stream has no gap and no fork.
//!
//! Per round and log stream the files are one chain: LSN-continuous over files and pieces, headers and accumulated
//! checksums unbroken, each group in the piece of its `max_scn`, byte for byte the log of the stream. A chain is walked
//! on from where it was; a file that the chain has left must never grow, and none may begin beyond its end. What was
//! deleted was walked before (invariant 9 says what may be deleted); the chain goes on behind it.

use super::{Broken, Tree};
use std::collections::{BTreeMap, BTreeSet};
use strandline_format::palf::{ArchiveFileHeader, GroupWalker};
use strandline_format::paths::archive::ArchivePath;
use strandline_types::limits::ARCHIVE_FILE_HEADER_BYTES;
use strandline_types::{DestId, FileId, LsId, Lsn, PalfBase, PieceClock, PieceId, PieceKey, RoundId};

/// One log stream in one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamKey {
    /// Destination.
    pub dest_id: DestId,
    /// Round.
    pub round_id: RoundId,
    /// Log stream.
    pub ls_id: LsId,
}

type FileKey = (PieceId, FileId);

/// How far one chain was walked.
#[derive(Clone, Debug)]
struct Chain {
    /// First log byte of all.
    begins: Lsn,
    /// The file under way.
    file: FileKey,
    /// First log byte in it.
    file_start: Lsn,
    /// End of the last whole group.
    at: Lsn,
    /// The log before `at`.
    base: Option<PalfBase>,
    /// Files that the chain has left, with their lengths.
    left: BTreeMap<FileKey, usize>,
    /// Files that were deleted.
    deleted: BTreeSet<FileKey>,
    /// The newest piece with a file.
    newest: PieceId,
}

/// The checker.
#[derive(Debug, Default)]
pub struct ArchiveIsOneLog {
    chains: BTreeMap<StreamKey, Chain>,
}

impl ArchiveIsOneLog {
    /// Walks on what was changed.
    ///
    /// `clock` gives the piece arithmetic of a round; `expected` the stream's own log at a position, as far as it is
    /// known.
    ///
    /// # Errors
    /// What is broken, where.
    pub fn check<'t>(
        &mut self,
        tree: &dyn Tree,
        changed: &[String],
        clock: impl Fn(DestId, RoundId) -> Option<PieceClock>,
        expected: impl Fn(LsId, Lsn, usize) -> Option<&'t [u8]>,
    ) -> Result<(), Broken> {
        for path in changed {
            let Some(ArchivePath::Log { key, ls, file_id }) = ArchivePath::parse(path) else { continue };
            let stream = StreamKey { dest_id: key.dest_id, round_id: key.round_id, ls_id: ls };
            let clock =
                clock(key.dest_id, key.round_id).ok_or_else(|| format!("{path}: no destination opened this round"))?;
            if self.was_deleted(tree, stream, (key.piece_id, file_id), path) {
                continue;
            }
            self.touched(tree, stream, (key.piece_id, file_id), path)?;
            if let Some(chain) = self.chains.get_mut(&stream) {
                chain.newest = chain.newest.max(key.piece_id);
                while chain.walk(tree, stream, &clock, &expected)? {}
                chain.nothing_beyond(tree, (key.piece_id, file_id), path)?;
            }
        }
        Ok(())
    }

    /// Where the log on the medium began.
    #[must_use]
    pub fn begins(&self, stream: StreamKey) -> Option<Lsn> {
        self.chains.get(&stream).map(|c| c.begins)
    }

    /// End of the log that is whole on the medium, and where it began; `None` when there is nothing.
    #[must_use]
    pub fn durable(&self, stream: StreamKey) -> Option<Lsn> {
        self.chains.get(&stream).map(|c| c.at)
    }

    /// True for a file that is gone, and for what somebody late leaves of it again.
    fn was_deleted(&mut self, tree: &dyn Tree, stream: StreamKey, file: FileKey, path: &str) -> bool {
        let Some(chain) = self.chains.get_mut(&stream) else { return false };
        if tree.bytes(path).is_none() {
            chain.deleted.insert(file);
        }
        chain.deleted.contains(&file)
    }

    /// Begins a chain with its first file; refuses growth of a file that a chain has left.
    fn touched(&mut self, tree: &dyn Tree, stream: StreamKey, file: FileKey, path: &str) -> Result<(), Broken> {
        let bytes = tree.bytes(path).unwrap_or_default();
        if let Some(chain) = self.chains.get(&stream) {
            return match chain.left.get(&file) {
                Some(left) if *left != bytes.len() => {
                    Err(format!("{path}: grew from {left} to {} bytes after the log went on elsewhere", bytes.len()))
                }
                _ => Ok(()),
            };
        }
        if let Some(start) = header(bytes, path)? {
            let chain = Chain {
                begins: start,
                file,
                file_start: start,
                at: start,
                base: None,
                left: BTreeMap::new(),
                deleted: BTreeSet::new(),
                newest: file.0,
            };
            self.chains.insert(stream, chain);
        }
        Ok(())
    }
}

impl Chain {
    /// Walks the file under way to its end, then looks for the file after it. True when there is one.
    fn walk<'t>(
        &mut self,
        tree: &dyn Tree,
        stream: StreamKey,
        clock: &PieceClock,
        expected: &impl Fn(LsId, Lsn, usize) -> Option<&'t [u8]>,
    ) -> Result<bool, Broken> {
        let path = path(stream, self.file);
        if self.deleted.contains(&self.file) {
            let length = (ARCHIVE_FILE_HEADER_BYTES + self.at.0 - self.file_start.0) as usize;
            return self.step_over(tree, stream, 0, &path, length);
        }
        let bytes = tree.bytes(&path).ok_or_else(|| format!("{path}: is gone"))?;
        let offset = (ARCHIVE_FILE_HEADER_BYTES + self.at.0 - self.file_start.0) as usize;
        let fresh = bytes.get(offset..).ok_or_else(|| format!("{path}: became shorter"))?;
        let mut walker = GroupWalker::new(fresh, self.at, self.base);
        while let Some(group) = walker.next_group().map_err(|e| format!("{path}: {e}"))? {
            let (piece, scn) = (clock.piece_of(group.header.max_scn), group.header.max_scn);
            if piece != self.file.0 {
                return Err(format!("{path}: the group at {} with SCN {scn} belongs to piece {piece}", group.lsn));
            }
        }
        let whole = (walker.lsn().0 - self.at.0) as usize;
        if expected(stream.ls_id, self.at, whole).is_some_and(|log| log != &fresh[..whole]) {
            return Err(format!("{path}: the bytes at {} are not those of the log stream", self.at));
        }
        (self.at, self.base) = (walker.lsn(), walker.base());
        self.step_over(tree, stream, fresh.len() - whole, &path, bytes.len())
    }

    /// Goes to the file that begins where this one ends.
    fn step_over(
        &mut self,
        tree: &dyn Tree,
        stream: StreamKey,
        torn: usize,
        path_now: &str,
        length: usize,
    ) -> Result<bool, Broken> {
        let id = self.at.file_id();
        for piece in self.file.0.0..=self.newest.0 {
            let next = (PieceId(piece), id);
            if next == self.file || self.left.contains_key(&next) || self.deleted.contains(&next) {
                continue;
            }
            let next_path = path(stream, next);
            let Some(start) = tree.bytes(&next_path).map(|b| header(b, &next_path)).transpose()?.flatten() else {
                continue;
            };
            if start != self.at {
                return Err(format!("{next_path}: begins at {start}, the log before it ends at {}", self.at));
            }
            if torn > 0 {
                return Err(format!("{path_now}: {torn} bytes follow its last whole group, yet the log goes on"));
            }
            self.left.insert(self.file, length);
            (self.file, self.file_start) = (next, start);
            return Ok(true);
        }
        Ok(false)
    }

    /// A changed file must be the one under way or one that was left: anything else lies beyond a gap.
    fn nothing_beyond(&self, tree: &dyn Tree, file: FileKey, path: &str) -> Result<(), Broken> {
        let is_torn_header = tree.bytes(path).is_none_or(|b| (b.len() as u64) < ARCHIVE_FILE_HEADER_BYTES);
        if file == self.file || self.left.contains_key(&file) || is_torn_header {
            return Ok(());
        }
        Err(format!("{path}: was written to while the log ends at {} in piece {}", self.at, self.file.0))
    }
}

fn path(stream: StreamKey, (piece_id, file_id): FileKey) -> String {
    let key = PieceKey { dest_id: stream.dest_id, round_id: stream.round_id, piece_id };
    ArchivePath::Log { key, ls: stream.ls_id, file_id }.path()
}

/// First log byte of a file; `None` while its header is torn.
fn header(bytes: &[u8], path: &str) -> Result<Option<Lsn>, Broken> {
    if (bytes.len() as u64) < ARCHIVE_FILE_HEADER_BYTES {
        return Ok(None);
    }
    ArchiveFileHeader::decode(bytes).map(|h| Some(h.start_lsn)).map_err(|e| format!("{path}: {e}"))
}
