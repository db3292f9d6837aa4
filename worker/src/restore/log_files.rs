//! Log files of one log stream on an archive destination, plain objects and parts alike.
//!
//! Only lists and reads. Parts that overlap are both read and must agree byte for byte; a hole was refused when the
//! listing was folded. What the bytes mean is the business of `archive_reader`.

use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt, TryStreamExt};
use std::ops::Range;
use std::sync::Arc;
use strandline_format::palf::ArchiveFileHeader;
use strandline_format::paths::archive::{ArchivePath, LogPart, ls_log_dir};
use strandline_media::Medium;
use strandline_types::limits::{ARCHIVE_FILE_HEADER_BYTES, ARCHIVE_READS_IN_FLIGHT_MAX};
use strandline_types::{ErrorClass, Failure, FileId, LsId, Lsn, PieceKey};
use strandline_worker_core::chain::{ChainError, FileForm, LogFile, LogObject, ObjectRole, fold_objects};

/// The log directory of one log stream over several pieces.
#[derive(Clone, Debug)]
pub struct LogFiles {
    medium: Arc<dyn Medium>,
    ls: LsId,
    /// The last directory that was asked for.
    last_dir: String,
    files: Vec<(LogFile, Lsn)>,
}

impl LogFiles {
    /// Lists the files that can hold log from `from` on, in piece order then file order, and reads their headers.
    ///
    /// # Errors
    /// What the medium says; `Corrupt` or `NotFound` for parts or headers that are not right.
    pub async fn list(medium: Arc<dyn Medium>, pieces: &[PieceKey], ls: LsId, from: Lsn) -> Result<Self, Failure> {
        let mut files = Vec::new();
        for piece in pieces {
            let listed = medium.list(&ls_log_dir(*piece, ls)).await?;
            let objects = listed.iter().filter_map(|o| log_object(*piece, ls, &o.path, o.bytes));
            let folded = fold_objects(*piece, objects).map_err(|e| chain_failure(&e, &*medium, ls))?;
            files.extend(folded.into_iter().filter(|f| f.file_id >= from.file_id()));
        }
        let last_dir = pieces.last().map_or_else(String::new, |piece| ls_log_dir(*piece, ls));
        let this = Self { medium, ls, last_dir, files: Vec::new() };
        let headers = stream::iter(files)
            .map(|file| {
                let this = &this;
                async move { Ok::<_, Failure>((this.start_of(&file).await?, file)) }
            })
            .buffered(ARCHIVE_READS_IN_FLIGHT_MAX)
            .try_collect::<Vec<_>>()
            .await?;
        // A file whose first append was torn has no whole header and so no log.
        let files = headers.into_iter().filter_map(|(start, file)| Some((file, start?))).collect();
        Ok(Self { files, ..this })
    }

    /// The files with the LSN of their headers.
    #[must_use]
    pub fn files(&self) -> &[(LogFile, Lsn)] {
        &self.files
    }

    /// Where a file lies, for messages.
    #[must_use]
    pub fn object(&self, file: &LogFile) -> String {
        object_name(&*self.medium, self.ls, file.piece, file.file_id)
    }

    /// Where the log ends, for messages: the last file, or the directory that holds none.
    #[must_use]
    pub fn last_object(&self) -> String {
        let dir = || format!("{}/{}", self.medium.uri().trim_end_matches('/'), self.last_dir);
        self.files.last().map_or_else(dir, |(file, _)| self.object(file))
    }

    /// A failure about the chain that these files make.
    #[must_use]
    pub fn chain_failure(&self, error: &ChainError) -> Failure {
        chain_failure(error, &*self.medium, self.ls)
    }

    /// Bytes of a file, header included.
    ///
    /// # Errors
    /// What the medium says; `Corrupt` when overlapping parts disagree.
    pub async fn read(&self, file: &LogFile, range: Range<u64>) -> Result<Bytes, Failure> {
        let FileForm::Parts(parts) = &file.form else {
            return Ok(self.medium.get_range(&log_path(file, self.ls), range).await?);
        };
        let touching: Vec<_> = parts.iter().filter(|p| p.start < range.end && range.start < p.end).collect();
        if let [only] = touching[..]
            && only.start <= range.start
            && range.end <= only.end
        {
            return self.read_part(file, only, &range).await;
        }
        let mut bytes = BytesMut::with_capacity((range.end - range.start) as usize);
        for part in touching {
            let cut = part.start.max(range.start)..part.end.min(range.end);
            let data = self.read_part(file, part, &cut).await?;
            let known = (range.start + bytes.len() as u64).saturating_sub(cut.start).min(data.len() as u64) as usize;
            let at = (cut.start - range.start) as usize;
            if bytes.get(at..at + known) != Some(&data[..known]) {
                return Err(self.disagreement(file, &cut));
            }
            bytes.extend_from_slice(&data[known..]);
        }
        Ok(bytes.freeze())
    }

    async fn read_part(&self, file: &LogFile, part: &Range<u64>, cut: &Range<u64>) -> Result<Bytes, Failure> {
        let part_name = LogPart::Data { start: part.start, end: part.end };
        let path = ArchivePath::LogPart { key: file.piece, ls: self.ls, file_id: file.file_id, part: part_name }.path();
        Ok(self.medium.get_range(&path, cut.start - part.start..cut.end - part.start).await?)
    }

    async fn start_of(&self, file: &LogFile) -> Result<Option<Lsn>, Failure> {
        if file.bytes < ARCHIVE_FILE_HEADER_BYTES {
            return Ok(None);
        }
        let header = self.read(file, 0..ARCHIVE_FILE_HEADER_BYTES).await?;
        let header = ArchiveFileHeader::decode(&header).map_err(|e| e.into_failure(self.object(file)))?;
        Ok(Some(header.start_lsn))
    }

    fn disagreement(&self, file: &LogFile, cut: &Range<u64>) -> Failure {
        Failure::new(
            ErrorClass::Corrupt,
            format!("parts that overlap in bytes [{}, {}) do not agree", cut.start, cut.end),
            self.object(file),
            "two writers put different log there: use another copy of the destination",
        )
    }
}

fn log_path(file: &LogFile, ls: LsId) -> String {
    ArchivePath::Log { key: file.piece, ls, file_id: file.file_id }.path()
}

fn object_name(medium: &dyn Medium, ls: LsId, piece: PieceKey, file_id: FileId) -> String {
    let path = ArchivePath::Log { key: piece, ls, file_id }.path();
    format!("{}/{path}", medium.uri().trim_end_matches('/'))
}

/// What a listed object is; `None` for objects that are no log of this log stream and piece.
fn log_object(piece: PieceKey, ls: LsId, path: &str, bytes: u64) -> Option<LogObject> {
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

fn chain_failure(error: &ChainError, medium: &dyn Medium, ls: LsId) -> Failure {
    let (class, piece, file_id, todo) = match error {
        ChainError::Hole { piece, file_id, .. } => {
            (ErrorClass::NotFound, piece, file_id, "restore up to an SCN before the hole, or use another copy")
        }
        ChainError::PartHole { piece, file_id, .. } => {
            (ErrorClass::NotFound, piece, file_id, "bring the missing part back or use another copy")
        }
        ChainError::BadPart { piece, file_id, .. } | ChainError::ForeignStart { piece, file_id, .. } => {
            (ErrorClass::Corrupt, piece, file_id, "use another copy of the destination")
        }
    };
    Failure::new(class, error.to_string(), object_name(medium, ls, *piece, *file_id), todo)
}
