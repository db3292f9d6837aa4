//! Sets of a data backup destination.

use super::files::{Small, file_status, is_of_object, listed, small};
use super::found::Scan;
use crate::source::Source;
use std::collections::BTreeMap;
use strandline_catalogue::{Place, PlaceId, SetEntry};
use strandline_format::paths::backup::{SETS_DIR, complement_log_dir};
use strandline_format::paths::{BackupPath, SetName};
use strandline_format::{DataType, pb};
use strandline_media::Medium;
use strandline_types::{
    BACKUP_COMPATIBLE, BackupSetId, BackupSetStatus, DestId, Failure, FileStatus, RetryId, RoundId, Scn, TurnId,
};

pub(super) async fn scan(source: &Source, place: Place) -> Result<Scan, Failure> {
    let mut found = Scan::default();
    found.catalogue.places.push(place);
    found.media.push(std::sync::Arc::clone(&source.medium));
    for (set, (success, end_path)) in ends(source, &mut found).await? {
        let entry = entry(source, &mut found, set, success, &end_path).await?;
        found.catalogue.sets.extend(entry);
    }
    Ok(found)
}

/// The end placeholder of each set, and whether it is one of success. A set has one; of several one of success counts.
async fn ends(source: &Source, found: &mut Scan) -> Result<BTreeMap<SetName, (bool, String)>, Failure> {
    let mut ends: BTreeMap<SetName, (bool, String)> = BTreeMap::new();
    for object in listed(found, source.medium.as_ref(), SETS_DIR).await? {
        if let Some(BackupPath::SetEnd { set, success, .. }) = BackupPath::parse(&object.path)
            && source.has_set(set)
        {
            let end = ends.entry(set).or_default();
            *end = std::mem::take(end).max((success, object.path));
        }
    }
    Ok(ends)
}

/// Sets that carry their own log.
pub(super) fn with_own_log(found: &Scan) -> Vec<(SetName, BackupSetId)> {
    let own = found.catalogue.sets.iter().filter(|s| s.plus_archivelog && s.status == BackupSetStatus::Success);
    own.map(|s| (SetName { id: s.set_id, kind: s.kind }, s.set_id)).collect()
}

async fn entry(
    source: &Source,
    found: &mut Scan,
    set: SetName,
    success: bool,
    end_path: &str,
) -> Result<Option<SetEntry>, Failure> {
    let medium = source.medium.as_ref();
    let blank = SetEntry { kind: set.kind, ..SetEntry::full(set.id, Scn::MIN, Scn::MIN) };
    if !success {
        return Ok(Some(SetEntry { status: BackupSetStatus::Failed, ..blank }));
    }
    let path = BackupPath::SingleSetInfo { set }.path();
    let Some(info) = own_info(found, medium, &path, set).await? else {
        // The end placeholder still tells where the set would have begun.
        let end = small::<pb::SetPlaceholder>(found, medium, end_path, DataType::SetPlaceholder).await?;
        let end = end.read().unwrap_or_default();
        let (start_replay_scn, min_restore_scn) = (Scn(end.start_replay_scn), Scn(end.min_restore_scn));
        return Ok(Some(SetEntry { file_status: FileStatus::Broken, start_replay_scn, min_restore_scn, ..blank }));
    };
    if info.backup_compatible > BACKUP_COMPATIBLE {
        found.newer(medium, &path, (info.backup_compatible, BACKUP_COMPATIBLE), &info.cluster_version);
        return Ok(None);
    }
    let mut entry = described(source, found, set, &info).await?;
    let metas = BackupPath::LsMetaInfos { set }.path();
    match small::<pb::LsMetaInfos>(found, medium, &metas, DataType::LsMetaInfos).await? {
        Small::Read(_) => {}
        Small::Absent => {
            found.problem(medium, &metas, "it is missing: nothing says where the log goes on");
            entry.file_status = FileStatus::Broken;
        }
        Small::Bad => entry.file_status = FileStatus::Broken,
    }
    found.infos.insert((PlaceId(0), set.id), (set, info));
    Ok(Some(entry))
}

/// What the set says of itself. That it says nothing, or is of another set, is a problem of the scan.
async fn own_info(
    found: &mut Scan,
    medium: &dyn Medium,
    path: &str,
    set: SetName,
) -> Result<Option<pb::BackupSetInfo>, Failure> {
    match small::<pb::BackupSetInfo>(found, medium, path, DataType::BackupSetInfo).await? {
        Small::Read(info) if (info.backup_set_id, info.backup_type.as_str()) == (set.id.0, set.kind.tag()) => {
            return Ok(Some(info));
        }
        Small::Read(info) => {
            found.problem(medium, path, format!("it is of backup set {} ({})", info.backup_set_id, info.backup_type));
        }
        Small::Absent => found.problem(medium, path, "it is missing, yet the set has its end placeholder"),
        Small::Bad => {}
    }
    Ok(None)
}

async fn described(
    source: &Source,
    found: &mut Scan,
    set: SetName,
    info: &pb::BackupSetInfo,
) -> Result<SetEntry, Failure> {
    let success = info.status == BackupSetStatus::Success.to_string();
    let own_log = complement_log_dir(set);
    let has_own_log = match source.medium.list_dirs(&own_log).await {
        Ok(dirs) => info.plus_archivelog && !dirs.is_empty(),
        Err(e) if is_of_object(e.class) => {
            found.unreadable(source.medium.as_ref(), &own_log, e);
            false
        }
        Err(e) => return Err(e.into()),
    };
    Ok(SetEntry {
        place: PlaceId(0),
        set_id: set.id,
        kind: set.kind,
        status: if success { BackupSetStatus::Success } else { BackupSetStatus::Failed },
        file_status: file_status(&info.file_status),
        prev_full: BackupSetId(info.prev_full_backup_set_id),
        prev_inc: BackupSetId(info.prev_inc_backup_set_id),
        start_replay_scn: Scn(info.start_replay_scn),
        min_restore_scn: Scn(info.min_restore_scn),
        consistent_scn: Scn(info.consistent_scn),
        archive: (info.archive_dest_id != 0).then_some((DestId(info.archive_dest_id), RoundId(info.archive_round_id))),
        plus_archivelog: has_own_log,
        encryption_mode: info.encryption_mode.clone(),
        data_turn: TurnId(info.data_turn_id),
        index_retry: RetryId(info.index_retry),
        output_bytes: info.stats.unwrap_or_default().output_bytes,
        end_ms: Scn(info.end_time_ns).as_ms(),
    })
}
