//! A backup set of the State as the attributes that set files carry.

use bytes::Bytes;
use strandline_format::paths::SetName;
use strandline_format::pb;
use strandline_scheduler_core::DestRef;
use strandline_scheduler_core::state::{BackupSet, SetSeal};
use strandline_types::{BACKUP_COMPATIBLE, INCARNATION, Scn, scn_tag};

/// The set as its directory is named.
pub fn name(set: &BackupSet) -> SetName {
    SetName { id: set.set_id, kind: set.kind }
}

/// Everything about a set.
pub fn info(dest: &DestRef, set: &BackupSet) -> pb::BackupSetInfo {
    pb::BackupSetInfo {
        backup_set_id: set.set_id.0,
        incarnation: INCARNATION,
        tenant_id: set.tenant_id.0,
        dest_id: set.dest_id.0,
        backup_type: set.kind.tag().to_owned(),
        plus_archivelog: set.plus_archivelog,
        date: scn_tag(Scn::from_ms(set.start_ms)),
        prev_full_backup_set_id: set.prev_full.0,
        prev_inc_backup_set_id: set.prev_inc.0,
        stats: Some(stats(set)),
        start_time_ns: Scn::from_ms(set.start_ms).0,
        end_time_ns: Scn::from_ms(set.end_ms).0,
        status: set.status.to_string(),
        result: set.result,
        encryption_mode: SetSeal::mode(set.seal.as_ref()).to_owned(),
        password_hash: SetSeal::passwd(set.seal.as_ref()),
        file_status: set.file_status.to_string(),
        backup_path: set.uri.clone(),
        start_replay_scn: set.start_replay_scn.0,
        min_restore_scn: set.min_restore_scn.0,
        tenant_compatible: 1,
        backup_compatible: BACKUP_COMPATIBLE,
        data_turn_id: set.data_turn.0,
        meta_turn_id: set.meta_turn.0,
        cluster_version: set.version.clone(),
        minor_turn_id: set.data_turn.0,
        major_turn_id: set.data_turn.0,
        consistent_scn: set.consistent_scn.0,
        log_streams: set
            .parts
            .iter()
            .map(|(ls, part)| pb::LsTurnRetry { ls_id: ls.0, turn: part.turn.0, retry: part.retry.0 })
            .collect(),
        tenant_name: dest.tenant_name.clone(),
        cluster_id: dest.cluster_id.0,
        archive_dest_id: set.archive_dest_id.0,
        archive_round_id: set.archive_round_id.0,
        password_salt: set.seal.map(|s| Bytes::copy_from_slice(&s.salt)).unwrap_or_default(),
        comment: set.note.clone(),
        index_retry: set.index_retry.0,
    }
}

fn stats(set: &BackupSet) -> pb::BackupStats {
    pb::BackupStats {
        input_bytes: set.input_bytes,
        output_bytes: set.output_bytes,
        tablet_count: set.tablet_count,
        finish_tablet_count: set.finish_tablet_count,
        macro_block_count: set.macro_block_count,
        finish_macro_block_count: set.macro_block_count,
        extra_bytes: set.extra_bytes,
        finish_file_count: set.file_count,
        log_file_count: set.log_file_count,
        finish_log_file_count: set.log_file_count,
    }
}
