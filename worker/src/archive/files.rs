//! The log files of one stream in one round on the medium: listing, reading, appending, dictionary snapshots.
//!
//! Spells no path itself and decides nothing.

use crate::archive::StreamKey;
use crate::dictionary::for_medium;
use bytes::Bytes;
use std::sync::Arc;
use strandline_format::paths::archive::{ArchivePath, ls_log_dir, parse_piece_dir};
use strandline_format::{DataType, pb, small};
use strandline_media::Medium;
use strandline_proto::v1;
use strandline_types::{ErrorClass, Failure, FileId, PieceId, PieceKey, Scn};
use strandline_worker_core::archiver::{Cut, FoundFile};

/// One stream's files in one round.
#[derive(Debug)]
pub(super) struct RoundFiles {
    key: StreamKey,
    medium: Arc<dyn Medium>,
    /// Version and piece of the dictionary that was written last.
    dictionary: Option<(u64, PieceId)>,
}

impl RoundFiles {
    pub(super) fn new(key: StreamKey, medium: Arc<dyn Medium>) -> Self {
        Self { key, medium, dictionary: None }
    }

    fn piece(&self, piece_id: PieceId) -> PieceKey {
        PieceKey { dest_id: self.key.dest, round_id: self.key.round, piece_id }
    }

    /// Every log file from a piece on. A destination without its identity file is not there: an unmounted directory
    /// must not look like an empty archive.
    pub(super) async fn list(&self, from: PieceId) -> Result<Vec<FoundFile>, Failure> {
        let identity = ArchivePath::Format.path();
        if let Err(e) = self.medium.head(&identity).await {
            if !e.is_not_found() {
                return Err(e.into());
            }
            let what = "the destination has no format.obbak: it is not mounted, or was emptied";
            let todo = "mount the destination; archiving then goes on by itself";
            return Err(Failure::new(ErrorClass::NotFound, what, self.medium.uri(), todo));
        }
        let mut found = Vec::new();
        for dir in self.medium.list_dirs("").await? {
            let Some(key) = parse_piece_dir(&dir) else { continue };
            if (key.dest_id, key.round_id) != (self.key.dest, self.key.round) || key.piece_id < from {
                continue;
            }
            for object in self.medium.list(&ls_log_dir(key, self.key.ls)).await? {
                if let Some(ArchivePath::Log { key, file_id, .. }) = ArchivePath::parse(&object.path) {
                    found.push(FoundFile { piece: key.piece_id, file_id, bytes: object.bytes });
                }
            }
        }
        Ok(found)
    }

    pub(super) async fn read(&self, piece: PieceId, file_id: FileId, range: (u64, u64)) -> Result<Bytes, Failure> {
        let path = self.log_path(piece, file_id);
        Ok(self.medium.get_range(&path, range.0..range.1).await?)
    }

    pub(super) async fn append(&self, cut: &Cut) -> Result<(), Failure> {
        let path = self.log_path(cut.file.piece, cut.file.file_id());
        self.medium.append(&path, cut.at, cut.bytes.clone()).await?;
        Ok(())
    }

    fn log_path(&self, piece: PieceId, file_id: FileId) -> String {
        ArchivePath::Log { key: self.piece(piece), ls: self.key.ls, file_id }.path()
    }

    /// Writes the dictionary into a piece, once per version and piece. Must come before the append that may complete
    /// the piece: a frozen piece never grows. Its bytes follow from the logged dictionary alone.
    pub(super) async fn put_dictionary(&mut self, piece: PieceId, dictionary: &v1::Dictionary) -> Result<(), Failure> {
        let written = (dictionary.version, piece);
        if dictionary.scn == 0 || self.dictionary == Some(written) {
            return Ok(());
        }
        let path = ArchivePath::SchemaMeta { key: self.piece(piece), scn: Scn(dictionary.scn) }.path();
        let meta = pb::SchemaMeta {
            tenant_id: self.key.tenant.0,
            scn: dictionary.scn,
            dictionary: Some(for_medium(dictionary)),
        };
        let bytes = small::write_small(DataType::SchemaMeta, &meta);
        self.medium.put_if_absent(&path, bytes.into()).await?;
        self.dictionary = Some(written);
        Ok(())
    }
}
