//! Placeholders of a backup set: the start comes before any other file of the set, `end_success` after all of them.

use super::clean::unfinished;
use super::{put, set_attr};
use strandline_format::DataType;
use strandline_format::paths::{BackupPath, SetName};
use strandline_format::pb;
use strandline_media::Medium;
use strandline_scheduler_core::DestRef;
use strandline_scheduler_core::state::BackupSet;
use strandline_types::{BackupSetId, BackupSetKind, BackupSetStatus, Failure, Scn};

/// `backup_sets/backup_set_<N>_{full|inc}_start.obbak`.
pub async fn start(medium: &dyn Medium, dest: &DestRef, set: BackupSetId, kind: BackupSetKind) -> Result<(), Failure> {
    let message = pb::SetPlaceholder {
        tenant_id: dest.tenant_id.0,
        backup_set_id: set.0,
        backup_type: kind.tag().to_owned(),
        status: BackupSetStatus::Doing.to_string(),
        start_replay_scn: 0,
        min_restore_scn: 0,
    };
    let path = BackupPath::SetStart { set: SetName { id: set, kind } }.path();
    put::once(medium, &path, DataType::SetPlaceholder, &message).await
}

/// `backup_sets/backup_set_<N>_{full|inc}_end_{success|failed}_<time>.obbak`: from here on the set exists for restore,
/// or never will.
pub async fn end(medium: &dyn Medium, set: &BackupSet, success: bool) -> Result<(), Failure> {
    let status = if success { BackupSetStatus::Success } else { BackupSetStatus::Failed };
    // A set that failed early has no SCN to show; the time of its end says more than 1970.
    let time_scn = if set.min_restore_scn == Scn::MIN { Scn::from_ms(set.end_ms) } else { set.min_restore_scn };
    let path = BackupPath::SetEnd { set: set_attr::name(set), success, time_scn }.path();
    put::once(medium, &path, DataType::SetPlaceholder, &placeholder(set, status)).await
}

/// Aborts the uploads of a set that its writers have not finished: no task works on it any more. Uploads cost room and no
/// listing shows them.
pub async fn abort(medium: &dyn Medium, set: BackupSetId, kind: BackupSetKind) -> Result<(), Failure> {
    let within = format!("{}/", SetName { id: set, kind });
    for upload in unfinished(medium).await?.into_iter().filter(|u| u.path.starts_with(&within)) {
        medium.abort(&upload).await?;
    }
    Ok(())
}

/// The content of the end and of the display placeholder.
pub fn placeholder(set: &BackupSet, status: BackupSetStatus) -> pb::SetPlaceholder {
    pb::SetPlaceholder {
        tenant_id: set.tenant_id.0,
        backup_set_id: set.set_id.0,
        backup_type: set.kind.tag().to_owned(),
        status: status.to_string(),
        start_replay_scn: set.start_replay_scn.0,
        min_restore_scn: set.min_restore_scn.0,
    }
}
