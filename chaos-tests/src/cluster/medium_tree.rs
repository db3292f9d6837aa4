//! A destination in a real directory, read as anybody would read it, while others write to it.
//!
//! Order rule of a reading: everything but log first, log after it. What a checkpoint or a file list of this reading
//! promises must then be in its log. A log file in parts is shown as the one file that its parts make.

use super::parts::{self, Parts};
use crate::invariants::{Broken, Group, StreamKey, Tree};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use strandline_format::palf::{ArchiveFileHeader, GroupWalker};
use strandline_format::paths::archive::ParsedArchivePath;
use strandline_format::paths::{ArchivePath, LogPart};
use strandline_format::{DataType, pb, small};
use strandline_types::limits::ARCHIVE_FILE_HEADER_BYTES;
use strandline_types::{DestId, PieceClock, PieceId, PieceKey, RoundId, Scn};

/// One reading of an archive destination.
#[derive(Debug, Default)]
pub struct MediumTree {
    objects: BTreeMap<String, Vec<u8>>,
}

impl Tree for MediumTree {
    fn bytes(&self, path: &str) -> Option<&[u8]> {
        self.objects.get(path).map(Vec::as_slice)
    }

    fn paths<'a>(&'a self, prefix: &'a str) -> Box<dyn Iterator<Item = &'a str> + 'a> {
        let from = self.objects.range(prefix.to_owned()..).map(|(path, _)| path.as_str());
        Box::new(from.take_while(move |path| path.starts_with(prefix)))
    }
}

impl MediumTree {
    /// Reads what has a name of the archive tree.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut tree = Self::default();
        for path in found(root)? {
            if ArchivePath::parse(&path).is_some_and(|p| !is_log(&p))
                && let Some(bytes) = bytes(root, &path)?
            {
                tree.objects.insert(path, bytes);
            }
        }
        // Parts that were merged are removed after the whole is there: a new listing has the whole.
        while !tree.read_log(root)? {}
        Ok(tree)
    }

    /// False when something of the listing was gone before it was read.
    fn read_log(&mut self, root: &Path) -> io::Result<bool> {
        let mut in_parts: BTreeMap<String, Parts> = BTreeMap::new();
        for path in found(root)? {
            let Some(parsed) = ArchivePath::parse(&path).filter(is_log) else { continue };
            let Some(bytes) = bytes(root, &path)? else { return Ok(false) };
            match parsed {
                ArchivePath::LogPart { key, ls, file_id, part: LogPart::Data { start, end } } => {
                    let file = ArchivePath::Log { key, ls, file_id }.path();
                    in_parts.entry(file).or_default().insert((start, end), bytes);
                }
                _ => drop(self.objects.insert(path, bytes)),
            }
        }
        for (file, parts) in in_parts {
            let whole = parts::joined(&parts).map_err(|broken| io::Error::other(format!("{file}: {broken}")))?;
            self.objects.insert(file, whole);
        }
        Ok(true)
    }

    /// Invariant 4: what was there before is there still: log files may have grown, nothing else may have changed, and
    /// only checkpoints and check files may be gone: newer ones follow them. Gives what is new, log files in the order
    /// of their pieces.
    ///
    /// # Errors
    /// What was changed.
    pub fn since(&self, before: &Self) -> Result<Vec<String>, Broken> {
        for (path, old) in &before.objects {
            let parsed = ArchivePath::parse(path);
            match self.objects.get(path) {
                None if matches!(parsed, Some(ArchivePath::Checkpoint { .. } | ArchivePath::CheckFile { .. })) => {}
                None => return Err(format!("{path}: is gone")),
                Some(new) if matches!(parsed, Some(ArchivePath::Log { .. })) && new.starts_with(old) => {}
                Some(new) if new == old => {}
                Some(new) => {
                    return Err(format!("{path}: {} bytes became {} other bytes", old.len(), new.len()));
                }
            }
        }
        let is_new = |(path, bytes): &(&String, &Vec<u8>)| before.objects.get(*path) != Some(bytes);
        let mut changed: Vec<String> = self.objects.iter().filter(is_new).map(|(path, _)| path.clone()).collect();
        changed.sort_by_key(|path| match ArchivePath::parse(path) {
            Some(ArchivePath::Log { key, ls, file_id }) => Some((key, ls, file_id)),
            _ => None,
        });
        Ok(changed)
    }

    /// The piece arithmetic of a round, from its start placeholder.
    #[must_use]
    pub fn clock(&self, dest: DestId, round: RoundId) -> Option<PieceClock> {
        let path = ArchivePath::RoundStart { dest, round }.path();
        let start: pb::RoundStart = small::read_small(DataType::RoundStart, self.bytes(&path)?).ok()?;
        Some(PieceClock {
            round_start: Scn(start.start_scn),
            base_piece: PieceId(start.base_piece_id),
            interval_ns: start.piece_switch_interval_us.saturating_mul(1000),
        })
    }

    /// The largest checkpoint that a name says.
    #[must_use]
    pub fn checkpoint(&self) -> Scn {
        let scn = |path: &String| match ArchivePath::parse(path) {
            Some(ArchivePath::Checkpoint { scn, .. }) => Some(scn),
            _ => None,
        };
        self.objects.keys().filter_map(scn).max().unwrap_or_default()
    }

    /// The log streams that have a file, per round.
    #[must_use]
    pub fn streams(&self) -> BTreeSet<StreamKey> {
        let stream = |path: &String| match ArchivePath::parse(path) {
            Some(ArchivePath::Log { key, ls, .. }) => {
                Some(StreamKey { dest_id: key.dest_id, round_id: key.round_id, ls_id: ls })
            }
            _ => None,
        };
        self.objects.keys().filter_map(stream).collect()
    }

    /// The pieces that have a start placeholder, and how many of them are frozen.
    #[must_use]
    pub fn pieces(&self) -> (usize, usize) {
        let parsed = || self.objects.keys().filter_map(|path| ArchivePath::parse(path));
        let started = parsed().filter(|p| matches!(p, ArchivePath::PieceStart { .. })).count();
        let frozen = parsed().filter(|p| matches!(p, ArchivePath::PieceFileInfo { .. })).count();
        (started, frozen)
    }

    /// A piece whose successor has begun while it is not frozen: its switch is under way.
    #[must_use]
    pub fn switching(&self) -> Option<PieceKey> {
        let parsed = || self.objects.keys().filter_map(|path| ArchivePath::parse(path));
        let frozen: BTreeSet<PieceKey> = parsed()
            .filter_map(|p| match p {
                ArchivePath::PieceFileInfo { key } => Some(key),
                _ => None,
            })
            .collect();
        let newest = parsed().filter_map(|p| match p {
            ArchivePath::PieceStart { key, .. } => Some(key),
            _ => None,
        });
        let newest = newest.max_by_key(|key| key.piece_id)?;
        let before = PieceKey { piece_id: PieceId(newest.piece_id.0.checked_sub(1)?), ..newest };
        let was_begun = parsed().any(|p| matches!(p, ArchivePath::PieceStart { key, .. } if key == before));
        (was_begun && !frozen.contains(&before)).then_some(before)
    }

    /// The piece has all that freezing writes.
    #[must_use]
    pub fn is_frozen(&self, piece: PieceKey) -> bool {
        self.objects.contains_key(&ArchivePath::PieceFileInfo { key: piece }.path())
    }

    /// Every group with an SCN of its own, per log stream and round, in the order of the log.
    ///
    /// # Errors
    /// A file that cannot be walked.
    pub fn groups(&self) -> Result<BTreeMap<StreamKey, Vec<Group>>, Broken> {
        let mut files = BTreeMap::new();
        for (path, bytes) in &self.objects {
            let Some(ArchivePath::Log { key, ls, file_id }) = ArchivePath::parse(path) else { continue };
            let stream = StreamKey { dest_id: key.dest_id, round_id: key.round_id, ls_id: ls };
            files.insert((stream, key.piece_id, file_id), (path, bytes));
        }
        let mut streams: BTreeMap<StreamKey, Vec<Group>> = BTreeMap::new();
        for ((stream, ..), (path, bytes)) in files {
            let header = ArchiveFileHeader::decode(bytes).map_err(|e| format!("{path}: {e}"))?;
            let body = &bytes[ARCHIVE_FILE_HEADER_BYTES as usize..];
            let mut walker = GroupWalker::new(body, header.start_lsn, None);
            let groups = streams.entry(stream).or_default();
            while let Some(group) = walker.next_group().map_err(|e| format!("{path}: {e}"))? {
                let scn = group.header.max_scn;
                if groups.last().is_none_or(|last| last.scn < scn) {
                    groups.push(Group { end: group.end, scn });
                }
            }
        }
        Ok(streams)
    }
}

fn is_log(path: &ParsedArchivePath) -> bool {
    matches!(path, ArchivePath::Log { .. } | ArchivePath::LogPart { part: LogPart::Data { .. }, .. })
}

/// Every name below a directory.
fn found(root: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    list(root, "", &mut found)?;
    Ok(found)
}

/// `None` when it is gone: an old checkpoint is removed after the new one is there.
fn bytes(root: &Path, path: &str) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(root.join(path)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn list(root: &Path, below: &str, found: &mut Vec<String>) -> io::Result<()> {
    let entries = match std::fs::read_dir(root.join(below)) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => list(root, &path, found)?,
            Ok(_) => found.push(path),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tree(objects: &[(&str, &str)]) -> MediumTree {
        let own = |(path, bytes): &(&str, &str)| ((*path).to_owned(), bytes.as_bytes().to_vec());
        MediumTree { objects: objects.iter().map(own).collect() }
    }

    #[test]
    fn log_may_grow_checkpoints_and_check_files_may_go_and_nothing_else_may_change() {
        const LOG: &str = "piece_d1001r1p1/logstream_1/log/1.obarc";
        const CHECKPOINT: &str = "piece_d1001r1p1/checkpoint/checkpoint.5.obarc";
        const ROUND: &str = "rounds/round_d1001r1_start.obarc";
        const CHECK: &str = "check_file/1002_connect_file_20261120T170910.obbak";
        let before = tree(&[(LOG, "ab"), (CHECKPOINT, ""), (ROUND, "r"), (CHECK, "c")]);
        assert_eq!(tree(&[(LOG, "abc"), (ROUND, "r")]).since(&before).unwrap(), [LOG]);
        for broken in [&[(LOG, "xbc"), (ROUND, "r")][..], &[(LOG, "a"), (ROUND, "r")], &[(LOG, "ab"), (ROUND, "R")]] {
            tree(broken).since(&before).unwrap_err();
        }
        assert_eq!(tree(&[(LOG, "ab")]).since(&before).unwrap_err(), format!("{ROUND}: is gone"));
    }

    #[test]
    fn what_is_new_comes_in_the_order_of_pieces() {
        let (ninth, tenth) = ("piece_d1001r1p9/logstream_1/log/1.obarc", "piece_d1001r1p10/logstream_1/log/1.obarc");
        let now = tree(&[(tenth, "b"), (ninth, "a"), ("format.obbak", "f")]);
        assert_eq!(now.since(&MediumTree::default()).unwrap(), ["format.obbak", ninth, tenth]);
    }
}
