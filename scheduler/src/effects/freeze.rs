//! The end of a piece. Everything below its end is durable, so its log files never grow again and listing the medium
//! gives the same lists to every leader.
//!
//! A listing that shows less log than the workers archived in the piece is not believed: a file list is for good.
//!
//! Order (docs/oceanbase.md, 3.1): file list of each log stream → file list of the piece → display placeholder →
//! `single_piece_info` → end placeholder.

use super::{piece, piece_attr, put};
use std::collections::BTreeMap;
use strandline_format::palf::ArchiveFileHeader;
use strandline_format::part::{PartPlace, decode_part};
use strandline_format::paths::ArchivePath;
use strandline_format::paths::archive::{ls_dir, piece_dir, schema_meta_dir};
use strandline_format::pb;
use strandline_format::{DataType, FormatError};
use strandline_media::{Looks, Medium};
use strandline_reader::object_name;
use strandline_scheduler_core::FreezePiece;
use strandline_types::limits::{ARCHIVE_FILE_HEADER_BYTES, BLOCK_BODY_BYTES};
use strandline_types::{ErrorClass, Failure, FileId, LsId, PieceKey};

/// The log files of one log stream.
type Files = BTreeMap<FileId, LogFile>;

/// Writes everything that a frozen piece has and an active one has not.
pub async fn freeze(medium: &dyn Medium, freeze: &FreezePiece) -> Result<(), Failure> {
    let row = &freeze.piece;
    let key = row.key;
    // A piece that the checkpoint crossed in one step never was an active one with a history of its own.
    piece::infos(medium, &freeze.dest, row, (&freeze.frozen, &[])).await?;
    let found = Looks::default().sure(|| all_log_files(medium, freeze)).await?;
    let mut lists = Vec::with_capacity(found.len());
    for (ls, files) in &found {
        let list = ls_file_list(medium, freeze, *ls, files).await?;
        let path = ArchivePath::LsFileInfo { key, ls: *ls }.path();
        // The first list stays, and the piece's list repeats what lies there: a dictionary that a former leader adds
        // between two attempts is in neither.
        put::first(medium, &path, DataType::SingleLsFileList, &list).await?;
        lists.push(put::read(medium, &path, DataType::SingleLsFileList).await?);
    }
    let file_count = found.values().map(|files| files.len() as u64).sum();
    let list = pb::PieceFileList {
        dest_id: key.dest_id.0,
        round_id: key.round_id.0,
        piece_id: key.piece_id.0,
        log_streams: lists,
    };
    put::first(medium, &ArchivePath::PieceFileInfo { key }.path(), DataType::PieceFileList, &list).await?;
    placeholders(medium, freeze, file_count).await
}

async fn placeholders(medium: &dyn Medium, freeze: &FreezePiece, file_count: u64) -> Result<(), Failure> {
    let row = &freeze.piece;
    let key = row.key;
    let (dest_id, round_id, piece_id) = (key.dest_id.0, key.round_id.0, key.piece_id.0);
    let (start_scn, checkpoint_scn) = (row.start_scn, row.checkpoint_scn);
    let inner =
        pb::PieceInner { dest_id, round_id, piece_id, start_scn: start_scn.0, checkpoint_scn: checkpoint_scn.0 };
    let path = ArchivePath::PieceInner { key, start_scn, checkpoint_scn }.path();
    put::once(medium, &path, DataType::PieceInner, &inner).await?;
    let attr = piece_attr::attr(&freeze.dest, row, file_count);
    let single = pb::SinglePieceInfo { piece: Some(attr) };
    put::once(medium, &ArchivePath::SinglePieceInfo { key }.path(), DataType::SinglePieceInfo, &single).await?;
    let end = pb::PieceEnd { dest_id, round_id, piece_id, end_scn: checkpoint_scn.0 };
    let path = ArchivePath::PieceEnd { key, time_scn: checkpoint_scn }.path();
    put::once(medium, &path, DataType::PieceEnd, &end).await
}

/// One log file, in whichever form it lies there.
#[derive(Clone, Copy, Debug, Default)]
struct LogFile {
    /// Length of the file, or of what its parts make up.
    bytes: u64,
    /// True when it is there as one object of its own name.
    is_plain: bool,
    /// The part that begins with its header, and the bytes of that object; the smallest of several.
    first_part: Option<(PartPlace, u64)>,
}

/// What lies in the piece, if it is all that was archived there. A directory that is away for a moment, a listing that lags
/// and one that was taken while parts were merged show less.
async fn all_log_files(medium: &dyn Medium, freeze: &FreezePiece) -> Result<BTreeMap<LsId, Files>, Failure> {
    let row = &freeze.piece;
    let found = log_files(medium, row.key, &freeze.log_streams).await?;
    let log = |f: &LogFile| f.bytes.saturating_sub(ARCHIVE_FILE_HEADER_BYTES);
    let listed: u64 = found.values().flat_map(|files| files.values()).map(log).sum();
    if listed < row.input_bytes {
        medium.prove().await?;
        let what = format!("the listing of the piece shows {listed} bytes of log, {} were archived", row.input_bytes);
        let todo = "it is listed again; look for what is missing if it lasts";
        let object = object_name(&medium.uri(), &piece_dir(row.key));
        return Err(Failure::new(ErrorClass::NotFound, what, object, todo));
    }
    Ok(found)
}

/// What lies in the piece, per log stream; one with a directory but no log file has an empty list.
async fn log_files(medium: &dyn Medium, key: PieceKey, known: &[LsId]) -> Result<BTreeMap<LsId, Files>, Failure> {
    let dirs = medium.list_dirs(&piece_dir(key)).await?;
    let with_dir = known.iter().filter(|ls| dirs.contains(&ls_dir(key, **ls)));
    let mut found: BTreeMap<LsId, Files> = with_dir.map(|ls| (*ls, Files::new())).collect();
    for object in medium.list(&piece_dir(key)).await? {
        if let Some(ArchivePath::Log { ls, file_id, .. }) = ArchivePath::parse(&object.path) {
            let file = found.entry(ls).or_default().entry(file_id).or_default();
            (file.bytes, file.is_plain) = (file.bytes.max(object.bytes), true);
        }
        let Some(place) = PartPlace::parse(&object.path) else { continue };
        let file = found.entry(place.ls).or_default().entry(place.file_id).or_default();
        file.bytes = file.bytes.max(place.end);
        if place.start == 0 && file.first_part.is_none_or(|(p, _)| place.end < p.end) {
            file.first_part = Some((place, object.bytes));
        }
    }
    Ok(found)
}

async fn ls_file_list(
    medium: &dyn Medium,
    freeze: &FreezePiece,
    ls: LsId,
    files: &Files,
) -> Result<pb::SingleLsFileList, Failure> {
    let key = freeze.piece.key;
    let (mut min_lsn, mut max_lsn) = (0, 0);
    if let (Some((first, head)), Some((last, tail))) = (files.first_key_value(), files.last_key_value()) {
        min_lsn = start_lsn(medium, freeze, ls, *first, head).await?;
        // Only the first file of a piece may begin inside of a block.
        let last_lsn = if last == first { min_lsn } else { (last.0 - 1) * BLOCK_BODY_BYTES };
        max_lsn = last_lsn + tail.bytes.saturating_sub(ARCHIVE_FILE_HEADER_BYTES);
    }
    Ok(pb::SingleLsFileList {
        dest_id: key.dest_id.0,
        round_id: key.round_id.0,
        piece_id: key.piece_id.0,
        ls_id: ls.0,
        start_scn: freeze.piece.start_scn.0,
        checkpoint_scn: freeze.piece.checkpoint_scn.0,
        min_lsn,
        max_lsn,
        files: files.iter().map(|(id, f)| pb::LogFile { file_id: id.0, size_bytes: f.bytes }).collect(),
        deleted: false,
        schema_meta_scns: if ls.is_sys() { schema_metas(medium, key).await? } else { Vec::new() },
        has_schema_metas: ls.is_sys(),
    })
}

/// The dictionary snapshots of the piece, in order.
async fn schema_metas(medium: &dyn Medium, key: PieceKey) -> Result<Vec<u64>, Failure> {
    let listed = medium.list(&schema_meta_dir(key)).await?;
    let scn = |path: &str| match ArchivePath::parse(path)? {
        ArchivePath::SchemaMeta { scn, .. } => Some(scn.0),
        _ => None,
    };
    let mut found: Vec<u64> = listed.iter().filter_map(|o| scn(&o.path)).collect();
    found.sort_unstable();
    Ok(found)
}

/// The first LSN in a log file, as its header says; where the header is sealed and only workers have the key, as the
/// log before it ends.
async fn start_lsn(
    medium: &dyn Medium,
    freeze: &FreezePiece,
    ls: LsId,
    file_id: FileId,
    file: &LogFile,
) -> Result<u64, Failure> {
    Looks::default().sure(|| start_lsn_once(medium, freeze, ls, file_id, file)).await
}

async fn start_lsn_once(
    medium: &dyn Medium,
    freeze: &FreezePiece,
    ls: LsId,
    file_id: FileId,
    file: &LogFile,
) -> Result<u64, Failure> {
    let key = freeze.piece.key;
    let path = ArchivePath::Log { key, ls, file_id }.path();
    let (path, head) = match file.first_part {
        _ if file.is_plain => (path.clone(), medium.get_range(&path, 0..ARCHIVE_FILE_HEADER_BYTES).await?),
        None => return Err(damaged(medium, &path, "no part of the log file begins with its header")),
        Some((place, bytes)) if bytes == place.plain_bytes() => {
            (place.path(), medium.get_range(&place.path(), 0..ARCHIVE_FILE_HEADER_BYTES).await?)
        }
        Some((place, _)) => match decode_part(&place, &medium.get(&place.path()).await?, None) {
            Ok(plain) => (place.path(), plain),
            Err(FormatError::KeyMissing { .. }) => return end_before(medium, freeze, ls).await,
            Err(e) => return Err(damaged(medium, &place.path(), &e.to_string())),
        },
    };
    let head = head.slice(..head.len().min(ARCHIVE_FILE_HEADER_BYTES as usize));
    let header = ArchiveFileHeader::decode(&head).map_err(|e| damaged(medium, &path, &e.to_string()))?;
    Ok(header.start_lsn.0)
}

/// Where the log of a stream ends before this piece: in the newest earlier piece of the round that holds some of it, or
/// where the round begins with it. Consecutive pieces leave nothing out.
async fn end_before(medium: &dyn Medium, freeze: &FreezePiece, ls: LsId) -> Result<u64, Failure> {
    let round = freeze.piece.key.round_id;
    for row in freeze.frozen.iter().rev().filter(|p| p.key.round_id == round) {
        let path = ArchivePath::LsFileInfo { key: row.key, ls }.path();
        let list = put::find::<pb::SingleLsFileList>(medium, &path, DataType::SingleLsFileList).await?;
        if let Some(list) = list.filter(|l| !l.files.is_empty()) {
            return Ok(list.max_lsn);
        }
    }
    Ok(freeze.start_lsns.get(&ls).map_or(0, |lsn| lsn.0))
}

fn damaged(medium: &dyn Medium, path: &str, what: &str) -> Failure {
    let todo = "the log file is damaged: compare it with a copy, and take a new full backup";
    Failure::new(ErrorClass::Corrupt, what, object_name(&medium.uri(), path), todo)
}

#[cfg(test)]
mod tests;
