//! Lists and reads the archived log files of one log stream over one or more pieces. It only lists and reads: what
//! the bytes mean is the business of `stream`.
//!
//! A log file is one object, or several parts that each hold a range of its bytes. Parts that overlap are all read
//! and must agree byte for byte, but for a file that has one part for its whole range (a compaction that was verified
//! before the small parts went): that one counts.
//!
//! When a part is gone, the file is listed again. When the new listing names other parts for the bytes that are read,
//! the read starts again from it. When it does not, when it has a hole, or when bytes are damaged, that counts as an
//! attempt, and [`Looks`] say how many there are.

use super::chain::{ChainError, FileForm, LogFile, LogObject, ObjectRole, PartAt, fold_objects};
use crate::keys::Keys;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt, TryStreamExt};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use strandline_format::cipher::Key;
use strandline_format::palf::ArchiveFileHeader;
use strandline_format::part::{PartPlace, decode_part};
use strandline_format::paths::archive::{ArchivePath, LogPart, ls_log_dir};
use strandline_format::small::read_small;
use strandline_format::{DataType, FormatError, pb};
use strandline_media::{Judged, Looks, Medium};
use strandline_types::limits::{ARCHIVE_FILE_HEADER_BYTES, ARCHIVE_READS_IN_FLIGHT_MAX};
use strandline_types::{ErrorClass, Failure, FileId, LsId, Lsn, PieceKey};

/// The original's number for a key that is missing or wrong.
pub(crate) const CODE_WRONG_KEY: i32 = -9057;

/// One piece on one medium.
#[derive(Clone, Debug)]
pub struct LogSource {
    /// The archive destination.
    pub medium: Arc<dyn Medium>,
    /// The piece.
    pub piece: PieceKey,
}

/// The log directories of one log stream over several pieces.
#[derive(Debug)]
pub struct LogFiles {
    sources: Vec<LogSource>,
    ls: LsId,
    keys: Arc<Keys>,
    files: Vec<(LogFile, Lsn)>,
    /// The source of each file.
    source_of: Vec<usize>,
    /// Files as they were listed last, where their parts have changed since.
    newest: Mutex<BTreeMap<(PieceKey, FileId), LogFile>>,
    looks: Looks,
}

impl LogFiles {
    /// Lists the files that can hold log from `from` on, in the order of `sources`, then by number, and reads their
    /// headers.
    ///
    /// # Errors
    /// What the medium says; `Corrupt` or `NotFound` for parts or headers that are not right.
    pub async fn list(sources: Vec<LogSource>, ls: LsId, from: Lsn, keys: Arc<Keys>) -> Result<Self, Failure> {
        let mut found = Vec::new();
        for (index, source) in sources.iter().enumerate() {
            let dir = ls_log_dir(source.piece, ls);
            let files = Looks::default().sure(|| list_files(source, ls, &dir)).await?;
            found.extend(files.into_iter().filter(|f| f.file_id >= from.file_id()).map(|f| (index, f)));
        }
        let this = Self::empty(sources, ls, keys, Looks::default());
        let headers = stream::iter(found)
            .map(|(index, file)| {
                let this = &this;
                async move { Ok::<_, Failure>((this.start_of(index, &file).await?, index, file)) }
            })
            .buffered(ARCHIVE_READS_IN_FLIGHT_MAX)
            .try_collect::<Vec<_>>()
            .await?;
        // A file whose first append was torn has no whole header and so no log.
        let whole = headers.into_iter().filter_map(|(start, index, file)| Some(((file, start?), index)));
        let (files, source_of) = whole.unzip();
        Ok(Self { files, source_of, ..this })
    }

    /// One file that was listed already, overlapping parts and all.
    #[must_use]
    pub(crate) fn of_one(source: LogSource, ls: LsId, keys: Arc<Keys>, file: LogFile, looks: Looks) -> Self {
        let empty = Self::empty(vec![source], ls, keys, looks);
        Self { files: vec![(file, Lsn::ZERO)], source_of: vec![0], ..empty }
    }

    fn empty(sources: Vec<LogSource>, ls: LsId, keys: Arc<Keys>, looks: Looks) -> Self {
        Self { sources, ls, keys, files: Vec::new(), source_of: Vec::new(), newest: Mutex::default(), looks }
    }

    /// The files with the LSN of their headers.
    #[must_use]
    pub fn files(&self) -> &[(LogFile, Lsn)] {
        &self.files
    }

    /// Where a file lies, for messages.
    #[must_use]
    pub fn object(&self, index: usize) -> String {
        match (self.files.get(index), self.source_of.get(index)) {
            (Some((file, _)), Some(source)) => object_name(&self.sources[*source], self.ls, file.file_id),
            _ => self.last_object(),
        }
    }

    /// Where the log ends, for messages: the last file, or the directory that holds none.
    #[must_use]
    pub fn last_object(&self) -> String {
        match (self.files.last(), self.source_of.last(), self.sources.last()) {
            (Some((file, _)), Some(source), _) => object_name(&self.sources[*source], self.ls, file.file_id),
            (_, _, Some(s)) => crate::source::object_name(&s.medium.uri(), &ls_log_dir(s.piece, self.ls)),
            _ => format!("log stream {}, no piece", self.ls),
        }
    }

    /// A failure about the chain that these files make.
    #[must_use]
    pub fn chain_failure(&self, error: &ChainError) -> Failure {
        let piece = piece_of(error);
        let source = self.sources.iter().rev().find(|s| s.piece == piece);
        chain_failure(error, source, self.ls)
    }

    /// Bytes of a file, header included.
    ///
    /// # Errors
    /// What the medium says; `Corrupt` when a part is damaged or overlapping parts disagree.
    pub async fn read(&self, index: usize, range: Range<u64>) -> Result<Bytes, Failure> {
        self.read_file(self.source_of[index], &self.files[index].0, range).await
    }

    async fn read_file(&self, source: usize, file: &LogFile, range: Range<u64>) -> Result<Bytes, Failure> {
        let mut picture = self.newest_of(file);
        let mut looked = 1;
        loop {
            let failure = match self.read_once(source, &picture, range.clone()).await {
                Err(e) if e.is_verdict() => e,
                done => return done,
            };
            let listed = if picture.form == FileForm::Plain { None } else { self.list_again(source, file).await? };
            let is_gone = failure.class == ErrorClass::NotFound;
            match listed.filter(|listed| is_gone && touching(listed, &range) != touching(&picture, &range)) {
                // Its parts were merged: that can go on for a while, but not for ever.
                Some(listed) => picture = self.remember(listed),
                None if looked < self.looks.most => {
                    self.looks.pause(looked).await;
                    looked += 1;
                }
                None => return Err(failure),
            }
        }
    }

    /// The file as a listing shows it now; `None` when it shows none, or one with holes, which it is not for long.
    async fn list_again(&self, source: usize, file: &LogFile) -> Result<Option<LogFile>, Failure> {
        match list_files(&self.sources[source], self.ls, &log_path(file, self.ls)).await {
            Ok(listed) => Ok(listed.into_iter().find(|f| f.file_id == file.file_id)),
            Err(e) if e.is_verdict() => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn newest_of(&self, file: &LogFile) -> LogFile {
        let newest = self.newest.lock();
        newest.get(&(file.piece, file.file_id)).unwrap_or(file).clone()
    }

    fn remember(&self, file: LogFile) -> LogFile {
        let mut newest = self.newest.lock();
        newest.insert((file.piece, file.file_id), file.clone());
        file
    }

    async fn read_once(&self, source: usize, file: &LogFile, range: Range<u64>) -> Result<Bytes, Failure> {
        let medium = &self.sources[source].medium;
        let FileForm::Parts(parts) = &file.form else {
            return Ok(medium.get_range(&log_path(file, self.ls), range).await?);
        };
        // Owned, not borrowed: borrowed items in a stream keep the task from being sent to another thread.
        let touching = touching_parts(parts, &range);
        let is_alone = touching.len() == 1;
        let mut fetched = stream::iter(touching)
            .map(|part: PartAt| {
                let cut = part.range.start.max(range.start)..part.range.end.min(range.end);
                async move { Ok::<_, Failure>((self.read_part(source, file, &part, &cut).await?, cut)) }
            })
            .buffered(ARCHIVE_READS_IN_FLIGHT_MAX);
        let mut bytes = BytesMut::new();
        while let Some((data, cut)) = fetched.try_next().await? {
            if is_alone && cut == range {
                return Ok(data);
            }
            let at = (cut.start - range.start) as usize;
            let known = bytes.len().saturating_sub(at).min(data.len());
            if bytes.get(at..at + known) != Some(&data[..known]) {
                return Err(self.disagreement(source, file, &cut));
            }
            bytes.extend_from_slice(&data[known..]);
        }
        if bytes.len() as u64 != range.end - range.start {
            return Err(self.shorter(source, file, range.start + bytes.len() as u64));
        }
        Ok(bytes.freeze())
    }

    async fn read_part(
        &self,
        source: usize,
        file: &LogFile,
        part: &PartAt,
        cut: &Range<u64>,
    ) -> Result<Bytes, Failure> {
        let medium = &self.sources[source].medium;
        let place = PartPlace {
            piece: file.piece,
            ls: self.ls,
            file_id: file.file_id,
            start: part.range.start,
            end: part.range.end,
        };
        let path = place.path();
        let local = (cut.start - part.range.start)..(cut.end - part.range.start);
        if !part.is_packed() {
            return Ok(medium.get_range(&path, local).await?);
        }
        let stored = medium.get(&path).await?;
        let plain = open_part(&place, &stored, medium, &self.keys).await?;
        Ok(plain.slice(local.start as usize..local.end as usize))
    }

    async fn start_of(&self, source: usize, file: &LogFile) -> Result<Option<Lsn>, Failure> {
        if file.bytes < ARCHIVE_FILE_HEADER_BYTES {
            return Ok(None);
        }
        let look = || async {
            let header = self.read_file(source, file, 0..ARCHIVE_FILE_HEADER_BYTES).await?;
            let object = || object_name(&self.sources[source], self.ls, file.file_id);
            ArchiveFileHeader::decode(&header).map_err(|e| e.into_failure(object()))
        };
        Ok(Some(self.looks.sure(look).await?.start_lsn))
    }

    fn shorter(&self, source: usize, file: &LogFile, at: u64) -> Failure {
        let what = format!("no part of the log file holds byte {at}");
        let object = object_name(&self.sources[source], self.ls, file.file_id);
        Failure::new(ErrorClass::NotFound, what, object, "bring the missing part back or use another copy")
    }

    fn disagreement(&self, source: usize, file: &LogFile, cut: &Range<u64>) -> Failure {
        Failure::new(
            ErrorClass::Corrupt,
            format!("parts that overlap in bytes [{}, {}) do not agree", cut.start, cut.end),
            object_name(&self.sources[source], self.ls, file.file_id),
            "two writers put different log there: use another copy of the destination",
        )
    }
}

/// The parts that hold bytes of a range.
fn touching(file: &LogFile, range: &Range<u64>) -> Vec<PartAt> {
    match &file.form {
        FileForm::Plain => Vec::new(),
        FileForm::Parts(parts) => touching_parts(parts, range),
    }
}

fn touching_parts(parts: &[PartAt], range: &Range<u64>) -> Vec<PartAt> {
    parts.iter().filter(|p| p.range.start < range.end && range.start < p.range.end).cloned().collect()
}

/// The plain bytes of a part, with whichever key it needs.
///
/// # Errors
/// `Corrupt` for a part that is damaged, `Permission` with -9057 for one that is sealed with a key that was not given.
pub async fn open_part(
    place: &PartPlace,
    stored: &Bytes,
    medium: &Arc<dyn Medium>,
    keys: &Keys,
) -> Result<Bytes, Failure> {
    let plain = match decode_part(place, stored, None) {
        Err(FormatError::KeyMissing { what, found }) => match find_key(keys, place, &**medium, &found).await {
            Some(key) => decode_part(place, stored, Some(&key)),
            None => Err(FormatError::KeyMissing { what, found }),
        },
        done => done,
    };
    plain.map_err(|e| {
        let is_key = e.class() == ErrorClass::Permission;
        let failure = e.into_failure(crate::source::object_name(&medium.uri(), &place.path()));
        if is_key { failure.with_code(CODE_WRONG_KEY) } else { failure }
    })
}

/// The key of a sealed part; a passphrase meets the salt that the file's `FORMAT_META` carries.
async fn find_key(keys: &Keys, place: &PartPlace, medium: &dyn Medium, fingerprint: &[u8; 8]) -> Option<Key> {
    if let Some(key) = keys.find(fingerprint) {
        return Some(key);
    }
    let (key, ls, file_id) = (place.piece, place.ls, place.file_id);
    let path = ArchivePath::LogPart { key, ls, file_id, part: LogPart::FormatMeta }.path();
    let meta = medium.get(&path).await.ok()?;
    let meta: pb::AppendFormatMeta = read_small(DataType::AppendFormatMeta, &meta).ok()?;
    keys.derive(meta.key_salt[..].try_into().ok()?, fingerprint)
}

async fn list_files(source: &LogSource, ls: LsId, dir: &str) -> Result<Vec<LogFile>, Failure> {
    let listed = source.medium.list(dir).await?;
    let objects = listed.iter().filter_map(|o| log_object(source.piece, ls, &o.path, o.bytes));
    let mut files = fold_objects(source.piece, objects).map_err(|e| chain_failure(&e, Some(source), ls))?;
    for file in &mut files {
        if let FileForm::Parts(parts) = &mut file.form
            && let Some(whole) = parts.iter().find(|p| p.range == (0..file.bytes)).cloned()
        {
            *parts = vec![whole];
        }
    }
    Ok(files)
}

fn log_path(file: &LogFile, ls: LsId) -> String {
    ArchivePath::Log { key: file.piece, ls, file_id: file.file_id }.path()
}

fn object_name(source: &LogSource, ls: LsId, file_id: FileId) -> String {
    let path = ArchivePath::Log { key: source.piece, ls, file_id }.path();
    crate::source::object_name(&source.medium.uri(), &path)
}

/// What a listed object is; `None` for objects that are no log of this log stream and piece.
#[must_use]
pub fn log_object(piece: PieceKey, ls: LsId, path: &str, bytes: u64) -> Option<LogObject> {
    let (key, found_ls, file_id, role) = match ArchivePath::parse(path)? {
        ArchivePath::Log { key, ls, file_id } => (key, ls, file_id, ObjectRole::Plain),
        ArchivePath::LogPart { key, ls, file_id, part } => {
            let role = match part {
                LogPart::FormatMeta => ObjectRole::FormatMeta,
                LogPart::Data { start, end } => ObjectRole::Part { start, end },
                LogPart::SealMeta => ObjectRole::SealMeta,
            };
            (key, ls, file_id, role)
        }
        _ => return None,
    };
    (key == piece && found_ls == ls).then_some(LogObject { file_id, role, bytes })
}

const fn piece_of(error: &ChainError) -> PieceKey {
    match error {
        ChainError::Hole { piece, .. }
        | ChainError::PartHole { piece, .. }
        | ChainError::BadPart { piece, .. }
        | ChainError::ForeignStart { piece, .. } => *piece,
    }
}

fn chain_failure(error: &ChainError, source: Option<&LogSource>, ls: LsId) -> Failure {
    let (class, file_id, todo) = match error {
        ChainError::Hole { file_id, .. } => {
            (ErrorClass::NotFound, file_id, "restore up to an SCN before the hole, or use another copy")
        }
        ChainError::PartHole { file_id, .. } => {
            (ErrorClass::NotFound, file_id, "bring the missing part back or use another copy")
        }
        ChainError::BadPart { file_id, .. } | ChainError::ForeignStart { file_id, .. } => {
            (ErrorClass::Corrupt, file_id, "use another copy of the destination")
        }
    };
    let object = source.map_or_else(|| format!("log stream {ls} file {file_id}"), |s| object_name(s, ls, *file_id));
    Failure::new(class, error.to_string(), object, todo)
}
