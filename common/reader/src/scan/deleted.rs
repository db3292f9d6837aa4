//! Frozen pieces that a cleaning has begun to delete.
//!
//! Cleaning takes the end placeholder first and the log next; the history in a later piece goes on naming the piece until
//! its directory is gone. A reader that finds a frozen piece without an end placeholder therefore looks at its files: as long as
//! all that its list names is there the log can be read (a freeze under way looks like this too), afterwards it cannot.
//! What a history says of a deletion does not count: it may have been called back.

use super::files::{Small, listed, small};
use super::found::Scan;
use crate::log::chain::fold_each;
use crate::log::log_object;
use crate::source::Source;
use std::collections::BTreeSet;
use strandline_catalogue::PieceEntry;
use strandline_format::paths::ArchivePath;
use strandline_format::paths::archive::{PIECES_DIR, ls_log_dir};
use strandline_format::{DataType, pb};
use strandline_media::Looks;
use strandline_types::{Failure, FileStatus, LsId, PieceKey};

/// Pieces with an end placeholder.
pub(super) async fn ended(source: &Source, found: &mut Scan) -> Result<BTreeSet<PieceKey>, Failure> {
    let key = |path: &str| match ArchivePath::parse(path)? {
        ArchivePath::PieceEnd { key, .. } => Some(key),
        _ => None,
    };
    Ok(listed(found, source.medium.as_ref(), PIECES_DIR).await?.iter().filter_map(|o| key(&o.path)).collect())
}

/// What may be expected of the files of a frozen piece.
pub(super) async fn file_status(
    source: &Source,
    found: &mut Scan,
    piece: &PieceEntry,
    ended: &BTreeSet<PieceKey>,
) -> Result<FileStatus, Failure> {
    let is_known = matches!(piece.file_status, FileStatus::Available | FileStatus::Deleting | FileStatus::Deleted);
    match piece.file_status {
        _ if is_known && ended.contains(&piece.key) => Ok(FileStatus::Available),
        _ if is_known && is_whole_after_all(source, found, piece.key).await? => Ok(FileStatus::Available),
        _ if is_known => Ok(FileStatus::Deleting),
        other => Ok(other),
    }
}

/// No verdict on one listing: the parts of its files may be merged at this moment.
async fn is_whole_after_all(source: &Source, found: &mut Scan, key: PieceKey) -> Result<bool, Failure> {
    let looks = Looks::default();
    for looked in 1..looks.most {
        if is_whole(source, found, key).await? {
            return Ok(true);
        }
        looks.pause(looked).await;
    }
    is_whole(source, found, key).await
}

/// True when every log file that the list of the piece names is there in its length.
async fn is_whole(source: &Source, found: &mut Scan, key: PieceKey) -> Result<bool, Failure> {
    let medium = source.medium.as_ref();
    let path = ArchivePath::PieceFileInfo { key }.path();
    let Small::Read(list) = small::<pb::PieceFileList>(found, medium, &path, DataType::PieceFileList).await? else {
        return Ok(false);
    };
    for of_stream in list.log_streams {
        let ls = LsId(of_stream.ls_id);
        let log = listed(found, medium, &ls_log_dir(key, ls)).await?;
        let objects = log.iter().filter_map(|o| log_object(key, ls, &o.path, o.bytes));
        let files = fold_each(key, objects);
        let bytes_of = |id: u64| files.iter().find(|(file, _)| file.0 == id).map(|(_, f)| f.as_ref().map(|f| f.bytes));
        if of_stream.files.iter().any(|f| bytes_of(f.file_id) != Some(Ok(f.size_bytes))) {
            return Ok(false);
        }
    }
    Ok(true)
}
