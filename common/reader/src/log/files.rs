//! Log files of one log stream, plain objects and parts alike.
//!
//! Only lists and reads. Parts that overlap are both read and must agree byte for byte, but for a file that has one part
//! for its whole range (a compaction that was verified before the small parts went): that one counts. A hole was refused
//! when the listing was folded. A part that went away meanwhile was compacted: the file is listed again. What the bytes
//! mean is the business of `stream`.

use super::chain::{ChainError, FileForm, LogFile, LogObject, ObjectRole, PartAt, fold_objects};
use crate::keys::Keys;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt, TryStreamExt};
use std::ops::Range;
use std::sync::Arc;
use strandline_format::cipher::Key;
use strandline_format::palf::ArchiveFileHeader;
use strandline_format::part::{PartPlace, decode_part};
use strandline_format::paths::archive::{ArchivePath, LogPart, ls_log_dir};
use strandline_format::small::read_small;
use strandline_format::{DataType, FormatError, pb};
use strandline_media::Medium;
use strandline_types::limits::{ARCHIVE_FILE_HEADER_BYTES, ARCHIVE_READS_IN_FLIGHT_MAX};
use strandline_types::{ErrorClass, Failure, FileId, LsId, Lsn, PieceKey};

/// Times that a file is listed again when its parts go away under the reader.
const RELISTS_MAX: usize = 3;

/// One piece on one medium.
#[derive(Clone, Debug)]
pub struct LogSource {
    /// The archive destination.
    pub medium: Arc<dyn Medium>,
    /// The piece.
    pub piece: PieceKey,
}

/// The log directories of one log stream over several pieces.
#[derive(Clone, Debug)]
pub struct LogFiles {
    sources: Vec<LogSource>,
    ls: LsId,
    keys: Arc<Keys>,
    files: Vec<(LogFile, Lsn)>,
    /// The source of each file.
    source_of: Vec<usize>,
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
            let files = list_files(source, ls, &ls_log_dir(source.piece, ls)).await?;
            found.extend(files.into_iter().filter(|f| f.file_id >= from.file_id()).map(|f| (index, f)));
        }
        let this = Self { sources, ls, keys, files: Vec::new(), source_of: Vec::new() };
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
    pub(crate) fn of_one(source: LogSource, ls: LsId, keys: Arc<Keys>, file: LogFile) -> Self {
        Self { sources: vec![source], ls, keys, files: vec![(file, Lsn::ZERO)], source_of: vec![0] }
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
        let mut again: Option<LogFile> = None;
        for _ in 0..RELISTS_MAX {
            match self.read_once(source, again.as_ref().unwrap_or(file), range.clone()).await {
                Err(e) if e.class == ErrorClass::NotFound && file.form != FileForm::Plain => {
                    let dir = log_path(file, self.ls);
                    let listed = list_files(&self.sources[source], self.ls, &dir).await?;
                    again = listed.into_iter().find(|f| f.file_id == file.file_id);
                    if again.is_none() {
                        return Err(e);
                    }
                }
                done => return done,
            }
        }
        self.read_once(source, again.as_ref().unwrap_or(file), range).await
    }

    async fn read_once(&self, source: usize, file: &LogFile, range: Range<u64>) -> Result<Bytes, Failure> {
        let medium = &self.sources[source].medium;
        let FileForm::Parts(parts) = &file.form else {
            return Ok(medium.get_range(&log_path(file, self.ls), range).await?);
        };
        // Owned, not borrowed: borrowed items in a stream keep the task from being sent to another thread.
        let touching: Vec<PartAt> =
            parts.iter().filter(|p| p.range.start < range.end && range.start < p.range.end).cloned().collect();
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
        let header = self.read_file(source, file, 0..ARCHIVE_FILE_HEADER_BYTES).await?;
        let object = || object_name(&self.sources[source], self.ls, file.file_id);
        let header = ArchiveFileHeader::decode(&header).map_err(|e| e.into_failure(object()))?;
        Ok(Some(header.start_lsn))
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

/// The plain bytes of a part, with whichever key it needs.
///
/// # Errors
/// `Corrupt` for a part that is damaged, or that is sealed with a key that was not given.
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
    plain.map_err(|e| e.into_failure(crate::source::object_name(&medium.uri(), &place.path())))
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
