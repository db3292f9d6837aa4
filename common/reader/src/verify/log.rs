//! The log of one log stream over the pieces of one round: every file, every group, in order.
//!
//! Basic looks at headers and lengths: each file begins where the one before it ends. Where no list tells how long the
//! log is, because its newest piece still grows, it walks the very last file of the log stream, to compare its end with
//! the checkpoint. Of packed files (compressed or sealed) it opens that one and the first one of a piece that grows;
//! the others begin with their block and are as long as the names of their parts say. Physical walks every group with all
//! its checksums, the unbroken accumulated checksum and the group numbers, compares overlapping parts, and knows where
//! the log on the medium really ends. Memory: one read of one file.
//!
//! A file with which something is wrong is listed and checked anew, as often as looks allow, and what the last check finds
//! counts: an answer may have been wrong, and the parts of a file that is written meanwhile are merged.

use super::checker::{Checker, is_unreadable};
use super::parts;
use super::report::DamageKind;
use super::scope::PieceScope;
use crate::log::chain::{ChainError, FileForm, LogFile, fold_each};
use crate::log::{CODE_WRONG_KEY, LogFiles, LogSource, log_object};
use bytes::{Bytes, BytesMut};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use strandline_format::checksum::crc32c_raw;
use strandline_format::palf::{ArchiveFileHeader, GROUP_HEADER_BYTES, GroupHeader, GroupWalker};
use strandline_format::paths::ArchivePath;
use strandline_format::paths::archive::ls_log_dir;
use strandline_types::limits::{ARCHIVE_FILE_HEADER_BYTES, ARCHIVE_READ_BYTES_MAX, BLOCK_BODY_BYTES};
use strandline_types::{ErrorClass, Failure, FileId, LsId, Lsn, PalfBase, PieceKey, Scn, Term};

/// Where the walk is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LsWalk {
    /// End of the log so far; `None` before the first file and after damage.
    pub(super) at: Option<Lsn>,
    base: Option<PalfBase>,
    term: Term,
    /// Largest SCN of a whole group, in which piece.
    pub(super) reach: Option<(Scn, PieceKey)>,
    /// Something was wrong: the end of the log is not known.
    pub(super) is_damaged: bool,
}

/// Length of each file of a log stream in a piece, by number; a file that cannot be told is `None`.
pub(super) type Found = Vec<(FileId, Option<u64>)>;

/// Checks the files of one log stream in one piece and gives their plain lengths.
pub(super) async fn walk_piece(
    c: &Arc<Checker>,
    scope: PieceScope,
    ls: LsId,
    walk: &mut LsWalk,
) -> Result<Found, Failure> {
    let mut files: BTreeMap<FileId, Objects> = BTreeMap::new();
    for (path, bytes) in c.below(&ls_log_dir(scope.key, ls)) {
        if let Some(object) = log_object(scope.key, ls, path, *bytes) {
            files.entry(object.file_id).or_default().insert(path.clone(), *bytes);
        }
    }
    let count = files.len();
    let has_log = |objects: &Objects| fold(scope, ls, objects).is_some_and(|f| f.is_ok_and(|f| f.has_header()));
    let end = files.values().collect::<Vec<_>>().into_iter().rposition(has_log).filter(|_| scope.ends_log);
    let mut found = Found::with_capacity(count);
    for (n, (file_id, objects)) in files.into_iter().enumerate() {
        let path = ArchivePath::Log { key: scope.key, ls, file_id }.path();
        let place = Place { path, is_first: n == 0, is_last: n + 1 == count, ends_log: end == Some(n) };
        found.push((file_id, check_file(c, scope, ls, &place, objects, walk).await?));
    }
    Ok(found)
}

/// Objects of one file with their lengths.
type Objects = BTreeMap<String, u64>;

/// The file that objects make, if they are of one.
fn fold(scope: PieceScope, ls: LsId, objects: &Objects) -> Option<Result<LogFile, ChainError>> {
    let objects = objects.iter().filter_map(|(path, bytes)| log_object(scope.key, ls, path, *bytes));
    fold_each(scope.key, objects).into_iter().map(|(_, file)| file).next()
}

/// Checks one file and gives its length. What is wrong with it counts when it stays.
async fn check_file(
    c: &Arc<Checker>,
    scope: PieceScope,
    ls: LsId,
    place: &Place,
    mut objects: Objects,
    walk: &mut LsWalk,
) -> Result<Option<u64>, Failure> {
    let mut looked = 1;
    if place.is_last && !scope.is_frozen {
        // It grows: the checkpoint in the listing may be newer than the log in it.
        objects = listed_again(c, place, objects).await?;
    }
    loop {
        let (trial, mut tried) = (Arc::new(c.trial()), *walk);
        let bytes = match fold(scope, ls, &objects) {
            Some(Ok(file)) => {
                let facts = parts::check(&trial, scope, ls, &file, &objects).await?;
                let bytes = file.bytes;
                OneFile { c: &trial, scope, ls, place, file, facts }.check(&mut tried).await?;
                Some(bytes)
            }
            Some(Err(e)) => {
                trial.damage(&place.path, DamageKind::Missing, e.to_string());
                tried.lose();
                None
            }
            None => None,
        };
        if c.counts(&trial, looked).await {
            *walk = tried;
            return Ok(bytes);
        }
        looked += 1;
        objects = listed_again(c, place, objects).await?;
    }
}

/// The objects of a file as they are now; one that is not there at all stays as it was listed, and is damaged.
async fn listed_again(c: &Checker, place: &Place, before: Objects) -> Result<Objects, Failure> {
    let now: Objects = c.listed_now(&place.path).await?.into_iter().collect();
    Ok(if now.is_empty() { before } else { now })
}

/// Where a file is in its piece.
struct Place {
    path: String,
    /// The first file of the log stream in its piece: only that one may begin inside of its block.
    is_first: bool,
    /// The last file of the log stream in its piece: only that one may have a torn end, and only while it grows.
    is_last: bool,
    /// The newest file with any log in it, where no list says how long the log is.
    ends_log: bool,
}

impl LsWalk {
    fn lose(&mut self) {
        (self.at, self.base, self.is_damaged) = (None, None, true);
    }
}

struct OneFile<'a> {
    c: &'a Arc<Checker>,
    scope: PieceScope,
    ls: LsId,
    place: &'a Place,
    file: LogFile,
    facts: parts::PartFacts,
}

impl OneFile<'_> {
    async fn check(self, walk: &mut LsWalk) -> Result<(), Failure> {
        let Self { c, file, place, .. } = &self;
        let path = &place.path;
        c.count(0);
        if file.bytes < ARCHIVE_FILE_HEADER_BYTES {
            if self.scope.is_frozen || !self.place.is_last {
                c.damage(path, DamageKind::Truncated, "it is shorter than its header");
                walk.lose();
            }
            return Ok(());
        }
        // Of a frozen piece lists say how long the log is; elsewhere the first file says where it begins.
        let is_needed = self.place.ends_log || (self.place.is_first && !self.scope.is_frozen);
        if self.is_packed() && !c.is_physical() && !is_needed {
            self.by_names(walk);
            return Ok(());
        }
        let source = LogSource { medium: Arc::clone(&c.medium), piece: self.scope.key };
        let files = LogFiles::of_one(source, self.ls, Arc::clone(&c.keys), file.clone(), c.looks);
        let Some(header) = self.read(&files, 0, ARCHIVE_FILE_HEADER_BYTES, walk).await? else { return Ok(()) };
        let start = match ArchiveFileHeader::decode(&header) {
            Ok(header) => header.start_lsn,
            Err(e) => {
                c.format_damage(path, &e);
                walk.lose();
                return Ok(());
            }
        };
        if !self.is_at_its_place(start, walk) {
            walk.lose();
            return Ok(());
        }
        let end = start.advance(file.bytes - ARCHIVE_FILE_HEADER_BYTES);
        if c.is_physical() || self.place.ends_log {
            self.walk_groups(&files, &header, start..end, walk).await
        } else {
            if !self.place.is_last && end != start.block_end() {
                self.ends_early(end);
                walk.lose();
                return Ok(());
            }
            if self.place.is_first && self.scope.is_base && !self.scope.is_frozen {
                self.look_at_first_group(&files, start, walk).await?;
            }
            walk.at = Some(end);
            Ok(())
        }
    }

    fn is_packed(&self) -> bool {
        matches!(&self.file.form, FileForm::Parts(parts) if parts.iter().any(|p| p.is_packed()))
    }

    /// What names and lengths say of a file that is not opened: it begins with its block or goes on where the log before
    /// it ended, and ends with its block when it is not the last one.
    fn by_names(&self, walk: &mut LsWalk) {
        let block = Lsn((self.file.file_id.0.max(1) - 1) * BLOCK_BODY_BYTES);
        let inside = walk.at.filter(|at| self.place.is_first && block < *at && *at < block.block_end());
        // The first file of a piece begins anywhere in its block when nothing is known before it.
        let start = if self.place.is_first && walk.at.is_none() { None } else { Some(inside.unwrap_or(block)) };
        let bytes = self.file.bytes - ARCHIVE_FILE_HEADER_BYTES;
        if start.is_some_and(|start| !self.is_at_its_place(start, walk)) {
            return walk.lose();
        }
        let end = start.map(|start| start.advance(bytes));
        match end {
            Some(end) if !self.place.is_last && end != block.block_end() => {
                self.ends_early(end);
                walk.lose();
            }
            _ => (walk.at, walk.base) = (end.or((!self.place.is_last).then(|| block.block_end())), None),
        }
    }

    /// Whether the log of a round begins where it has to, without walking it.
    async fn look_at_first_group(&self, files: &LogFiles, start: Lsn, walk: &mut LsWalk) -> Result<(), Failure> {
        let from = ARCHIVE_FILE_HEADER_BYTES;
        let to = from + GROUP_HEADER_BYTES as u64;
        if self.file.bytes < to {
            return Ok(());
        }
        let Some(bytes) = self.read(files, from, to, walk).await? else { return Ok(()) };
        if let Ok(header) = GroupHeader::decode(&bytes) {
            self.first_group(start, header.max_scn, header.log_id, walk);
        }
        Ok(())
    }

    /// The header's LSN belongs to this file and goes on where the log before it ended.
    fn is_at_its_place(&self, start: Lsn, walk: &LsWalk) -> bool {
        let Self { c, file, place, .. } = self;
        let path = &place.path;
        let end = start.advance(file.bytes - ARCHIVE_FILE_HEADER_BYTES);
        if start.file_id() != file.file_id || end > start.block_end() {
            let detail = format!("its header says that it begins at lsn {start}, which is in another file");
            c.damage(path, DamageKind::Foreign, detail);
            return false;
        }
        match walk.at {
            Some(at) if at < start => {
                c.damage(path, DamageKind::Gap, format!("the log [{at}, {start}) before it is not there"));
                false
            }
            Some(at) if at > start => {
                let detail = format!("it begins at lsn {start}, the log before it ends at {at}");
                c.damage(path, DamageKind::Foreign, detail);
                false
            }
            _ => true,
        }
    }

    async fn walk_groups(
        &self,
        files: &LogFiles,
        header: &[u8],
        log: Range<Lsn>,
        walk: &mut LsWalk,
    ) -> Result<(), Failure> {
        let Range { start, end } = log;
        let mut checksum = crc32c_raw(0, header);
        let mut state =
            FileWalk { at: start, base: walk.base.filter(|b| b.lsn == start), rest: Bytes::new(), groups: 0 };
        let mut offset = ARCHIVE_FILE_HEADER_BYTES;
        while offset < self.file.bytes {
            let next = self.file.bytes.min(offset + self.step(offset));
            let Some(data) = self.read(files, offset, next, walk).await? else { return Ok(()) };
            offset = next;
            checksum = crc32c_raw(checksum, &data);
            if let Err(detail) = self.take_in(&mut state, data, start, walk) {
                self.c.damage(&self.place.path, DamageKind::Corrupt, detail);
                walk.lose();
                self.c.add(state.groups, 0);
                return Ok(());
            }
        }
        self.c.add(state.groups, 0);
        (walk.at, walk.base) = (Some(state.at), state.base);
        if self.facts.digest.is_some_and(|digest| digest != checksum) {
            self.c.damage(&self.place.path, DamageKind::Corrupt, "its bytes are not those that its seal knows");
        }
        if state.at < end && (self.scope.is_frozen || !self.place.is_last) {
            let detail = format!("a log group at lsn {} is cut off at {end}", state.at);
            self.c.damage(&self.place.path, DamageKind::Truncated, detail);
            walk.lose();
        } else if !self.place.is_last && state.at != start.block_end() {
            self.ends_early(state.at);
            walk.lose();
        }
        Ok(())
    }

    /// Bytes of the next read: a packed part is read once.
    fn step(&self, offset: u64) -> u64 {
        let usual = ARCHIVE_READ_BYTES_MAX as u64;
        let FileForm::Parts(parts) = &self.file.form else { return usual };
        let holder = parts.iter().rev().find(|p| p.range.contains(&offset) && p.is_packed());
        holder.map_or(usual, |p| p.range.end - offset)
    }

    fn take_in(&self, state: &mut FileWalk, data: Bytes, start: Lsn, walk: &mut LsWalk) -> Result<(), String> {
        let data = state.joined(data);
        let mut walker = GroupWalker::new(&data, state.at, state.base);
        while let Some(group) = walker.next_group().map_err(|e| e.to_string())? {
            let header = &group.header;
            if header.committed_end_lsn != group.lsn {
                return Err(format!(
                    "log group at lsn {}: it says that it lies at {}",
                    group.lsn, header.committed_end_lsn
                ));
            }
            if header.proposal_id < walk.term {
                return Err(format!("log group at lsn {}: term {} after {}", group.lsn, header.proposal_id, walk.term));
            }
            walk.term = header.proposal_id;
            if group.lsn == start {
                self.first_group(group.lsn, header.max_scn, header.log_id, walk);
            }
            if self.scope.range.is_some_and(|range| {
                header.max_scn >= range.end || (header.max_scn < range.start && !self.scope.is_base)
            }) {
                return Err(format!("log group at lsn {}: scn {} belongs to another piece", group.lsn, header.max_scn));
            }
            walk.reach = Some((header.max_scn, self.scope.key));
            state.groups += 1;
        }
        let (base, at, left) = (walker.base(), walker.lsn(), walker.rest().len());
        (state.base, state.at) = (base, at);
        state.rest = data.slice(data.len() - left..);
        Ok(())
    }

    /// A round's log begins at the start of the block that holds the round's start: a later first block is a hole.
    fn first_group(&self, lsn: Lsn, max_scn: Scn, log_id: u64, walk: &LsWalk) {
        let begins_round = walk.at.is_none() && !walk.is_damaged && self.scope.is_base && log_id > 1;
        let is_block_start = lsn == lsn.block_start();
        if begins_round && is_block_start && self.scope.range.is_some_and(|range| max_scn > range.start) {
            let detail = format!("the log of this round before lsn {lsn} is not there");
            self.c.damage(&self.place.path, DamageKind::Gap, detail);
        }
    }

    fn ends_early(&self, at: Lsn) {
        let detail = format!("its log ends at lsn {at}, yet a later file is there");
        self.c.damage(&self.place.path, DamageKind::Truncated, detail);
    }

    /// Bytes of the file; what is wrong with them is a damage.
    async fn read(&self, files: &LogFiles, from: u64, to: u64, walk: &mut LsWalk) -> Result<Option<Bytes>, Failure> {
        match files.read(0, from..to).await {
            Ok(bytes) => {
                self.c.add_bytes(bytes.len() as u64);
                Ok(Some(bytes))
            }
            Err(e) if matches!(e.class, ErrorClass::NotFound | ErrorClass::Corrupt) => {
                let kind = if e.class == ErrorClass::NotFound { DamageKind::Missing } else { DamageKind::Corrupt };
                self.c.damage(self.c.relative(&e.object, &self.place.path), kind, e.what);
                walk.lose();
                Ok(None)
            }
            Err(e) if is_unreadable(e.class) && e.code != CODE_WRONG_KEY => {
                self.c.unreadable(self.c.relative(&e.object, &self.place.path), e.what);
                walk.lose();
                Ok(None)
            }
            // Without the key names and lengths have to do.
            Err(e) if e.class == ErrorClass::Permission && self.is_packed() && !self.c.is_physical() => {
                self.c.note(format!("{}: {}; only names and lengths were compared", self.place.path, e.what));
                walk.is_damaged |= self.place.ends_log;
                self.by_names(walk);
                Ok(None)
            }
            // The damage of its first object was reported.
            Err(e) if e.class == ErrorClass::Permission && self.facts.has_bad_meta => {
                walk.lose();
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }
}

/// Where the walk is inside a file.
struct FileWalk {
    at: Lsn,
    base: Option<PalfBase>,
    rest: Bytes,
    groups: u64,
}

impl FileWalk {
    fn joined(&mut self, data: Bytes) -> Bytes {
        if self.rest.is_empty() {
            return data;
        }
        let mut joined = BytesMut::with_capacity(self.rest.len() + data.len());
        joined.extend_from_slice(&self.rest);
        joined.extend_from_slice(&data);
        joined.freeze()
    }
}
