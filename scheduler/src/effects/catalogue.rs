//! Reads what a data backup and an archive destination hold, from the medium alone: no State, no cluster.
//!
//! The medium decides: a set without its `end_success` placeholder does not exist, a piece without
//! `tenant_archive_piece_infos` holds nothing yet, and the checkpoint of an active piece is the largest name in its
//! checkpoint directory.

use super::put;
use std::collections::BTreeMap;
use strandline_catalogue::{Catalogue, PieceEntry, PlaceId, SetEntry};
use strandline_format::DataType;
use strandline_format::paths::archive::{checkpoint_dir, parse_piece_dir};
use strandline_format::paths::backup::SETS_DIR;
use strandline_format::paths::{ArchivePath, BackupPath, SetName};
use strandline_format::pb;
use strandline_media::{Medium, identity};

use strandline_types::{BackupSetId, BackupSetStatus, ErrorClass, Failure, FileStatus, PieceKey, PieceStatus, Scn};

/// Sets by id, as their own info files describe them.
pub type Sets = BTreeMap<BackupSetId, (SetName, pb::BackupSetInfo)>;

/// Who wrote a destination.
///
/// # Errors
/// `Invalid` when the path is no destination of the wanted type.
pub async fn origin(medium: &dyn Medium, dest_type: identity::DestType) -> Result<pb::PathFormat, Failure> {
    let wanted = dest_type.name();
    let refuse = |what: String, code| {
        let todo = "give RESTORE … FROM '<data backup uri>,<archive uri>', in this order";
        Err(Failure::new(ErrorClass::Invalid, what, medium.uri(), todo).with_code(code))
    };
    match identity::read(medium).await? {
        None => refuse(format!("there is no format.obbak: no {wanted} destination"), identity::CODE_FORMAT_MISSING),
        Some(there) if there.dest_type != wanted => {
            let what = format!("this is the kind of destination {}, not {wanted}", there.dest_type);
            refuse(what, identity::CODE_FORMAT_MISMATCH)
        }
        Some(there) => Ok(there),
    }
}

/// Every set with its `end_success` placeholder.
///
/// # Errors
/// What the medium says, or `Corrupt` for an info file.
pub async fn sets(medium: &dyn Medium) -> Result<Sets, Failure> {
    let mut found = Sets::new();
    for object in medium.list(SETS_DIR).await? {
        if let Some(BackupPath::SetEnd { set, success: true, .. }) = BackupPath::parse(&object.path) {
            let path = BackupPath::SingleSetInfo { set }.path();
            let info = put::read::<pb::BackupSetInfo>(medium, &path, DataType::BackupSetInfo).await?;
            found.insert(set.id, (set, info));
        }
    }
    Ok(found)
}

/// Metas of all log streams of a set: where the log of each one goes on.
///
/// # Errors
/// What the medium says, or `Corrupt`.
pub async fn ls_metas(medium: &dyn Medium, set: SetName) -> Result<pb::LsMetaInfos, Failure> {
    put::read(medium, &BackupPath::LsMetaInfos { set }.path(), DataType::LsMetaInfos).await
}

/// Every piece that holds something.
///
/// # Errors
/// What the medium says, or `Corrupt` for an info file.
pub async fn pieces(medium: &dyn Medium) -> Result<Vec<PieceEntry>, Failure> {
    let mut keys: Vec<PieceKey> = medium.list_dirs("").await?.iter().filter_map(|d| parse_piece_dir(d)).collect();
    keys.sort_unstable();
    // The history in the newest piece tells of all frozen ones before it: one read instead of one per piece.
    let mut known: BTreeMap<PieceKey, PieceEntry> = BTreeMap::new();
    let mut found = Vec::with_capacity(keys.len());
    for key in keys.into_iter().rev() {
        if let Some(piece) = known.get(&key) {
            found.push(*piece);
            continue;
        }
        let path = ArchivePath::TenantArchivePieceInfos { key }.path();
        let infos = put::find::<pb::TenantArchivePieceInfos>(medium, &path, DataType::TenantArchivePieceInfos).await?;
        let Some(infos) = infos else {
            continue;
        };
        for attr in &infos.history {
            let piece = frozen_piece(attr);
            known.entry(piece.key).or_insert(piece);
        }
        found.push(own_piece(medium, key, &infos).await?);
    }
    found.reverse();
    Ok(found)
}

/// A piece as its own files describe it: frozen when it has `single_piece_info`, else up to its newest checkpoint.
async fn own_piece(
    medium: &dyn Medium,
    key: PieceKey,
    infos: &pb::TenantArchivePieceInfos,
) -> Result<PieceEntry, Failure> {
    let path = ArchivePath::SinglePieceInfo { key }.path();
    if let Some(single) = put::find::<pb::SinglePieceInfo>(medium, &path, DataType::SinglePieceInfo).await? {
        return Ok(frozen_piece(&single.piece.unwrap_or_default()));
    }
    let mut checkpoint_scn = Scn(infos.start_scn);
    for object in medium.list(&checkpoint_dir(key)).await? {
        if let Some(ArchivePath::Checkpoint { scn, .. }) = ArchivePath::parse(&object.path) {
            checkpoint_scn = checkpoint_scn.max(scn);
        }
    }
    Ok(PieceEntry {
        place: PlaceId::default(),
        output_bytes: 0,
        key,
        status: PieceStatus::Active,
        file_status: FileStatus::Available,
        start_scn: Scn(infos.start_scn),
        end_scn: Scn(infos.end_scn),
        checkpoint_scn,
    })
}

fn frozen_piece(attr: &pb::PieceAttr) -> PieceEntry {
    PieceEntry {
        place: PlaceId::default(),
        output_bytes: attr.output_bytes,
        key: PieceKey { dest_id: attr.dest_id.into(), round_id: attr.round_id.into(), piece_id: attr.piece_id.into() },
        status: PieceStatus::Frozen,
        file_status: file_status(&attr.file_status),
        start_scn: Scn(attr.start_scn),
        end_scn: Scn(attr.end_scn),
        checkpoint_scn: Scn(attr.checkpoint_scn),
    }
}

fn file_status(text: &str) -> FileStatus {
    FileStatus::ALL.into_iter().find(|s| s.to_string() == text).unwrap_or(FileStatus::Broken)
}

/// What the choice of a restore looks at.
#[must_use]
pub fn catalogue(sets: &Sets, pieces: Vec<PieceEntry>) -> Catalogue {
    let sets = sets.values().map(|(name, info)| {
        let success = info.status == BackupSetStatus::Success.to_string();
        SetEntry {
            kind: name.kind,
            status: if success { BackupSetStatus::Success } else { BackupSetStatus::Failed },
            file_status: file_status(&info.file_status),
            prev_full: BackupSetId(info.prev_full_backup_set_id),
            prev_inc: BackupSetId(info.prev_inc_backup_set_id),
            ..SetEntry::full(name.id, Scn(info.start_replay_scn), Scn(info.min_restore_scn))
        }
    });
    Catalogue { sets: sets.collect(), pieces, ..Catalogue::default() }
}
